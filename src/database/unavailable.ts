import { sqlState } from './transaction.ts'

/** SQLSTATE classes and codes after which the same request may succeed: connection, resources, shutdown, time-outs, deadlocks. */
const passing = /^(08...|53...|57P0[1-5]|57014|55P03|40001|40P01)$/
const network = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'ETIMEDOUT', 'EPIPE', 'EHOSTUNREACH', 'EAI_AGAIN'])
/** pg gives these no code. */
const wording =
  /timeout exceeded when trying to connect|Connection terminated|Client has encountered a connection error/

/** Whether the database could not answer now, be it too busy or out of reach. */
export function isUnavailable(error: unknown): boolean {
  // What has a status came by HTTP: that a caller broke off says nothing of the database.
  if (error instanceof Error && 'statusCode' in error) return false
  const code = sqlState(error)
  if (code !== undefined && (passing.test(code) || network.has(code))) return true
  return error instanceof Error && wording.test(error.message)
}
