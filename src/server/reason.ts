import { DataDirectoryLockedError } from '../database/lock.ts'

/** A worker could not start, or not stop; its message says why. */
export class WorkerFailed extends Error {}

/** How `pg` says that nobody answers: errors without a code. */
const unreachable = /^(timeout expired|timeout exceeded when trying to connect|Connection terminated)/

/** The one line for a start or a command that failed for a reason which the operator can mend; null for a fault of ours. */
export function reasonOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null
  if (error instanceof DataDirectoryLockedError || error instanceof WorkerFailed) return error.message
  if (error.message.startsWith('The settings ')) return error.message
  if (unreachable.test(error.message)) return `The database of DATABASE_URL can't be reached: ${error.message}.`
  const { code, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number }
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} of ${address} is in use: stop the other program, or set PORT to another port.`
    case 'EACCES':
      return `Not allowed: ${error.message}. Choose another PORT or DATA_DIR.`
    case 'EADDRNOTAVAIL':
      return `This machine has no address ${address}: set HOST to one that it has.`
    case 'ECONNREFUSED':
    case 'ENOTFOUND':
    case 'ETIMEDOUT':
    case 'ECONNRESET':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EAI_AGAIN':
      return `The database of DATABASE_URL can't be reached: ${error.message || code}.`
    case '28000':
    case '28P01':
    case '3D000':
      return `The database of DATABASE_URL refuses the connection: ${error.message}.`
    default:
      return null
  }
}
