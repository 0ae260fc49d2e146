import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WebSocket } from 'ws'
import type { Locale } from '../languages.ts'
import { type CloseReason, type Connection, closeTexts } from './connections.ts'
import { inLanguage } from './format-error.ts'
import type { Metrics } from './metrics.ts'

/** How long a restart waits for queries and mutations on sockets, and for the other end to close. */
const finishWithin = 5_000
const closeWithin = 1_000

/**
 * Close codes. Clients of graphql-ws give up on 4401 and try again after the others: a token that is refused at the
 * start stays refused, one that ends meanwhile may have been replaced.
 */
export const closeCodes = {
  unauthorized: 4401,
  forbidden: 4403,
  internal: 4500,
  restart: 1012,
  tryLater: 1013,
} as const

/** What one socket carries. */
export interface Line extends Connection {
  readonly socket: WebSocket
  readonly id: string
  readonly headers: IncomingMessage['headers']
  locale: Locale
  operations: number
  /** Queries and mutations under way. */
  readonly running: Set<Promise<unknown>>
  /** What each subscription was sent last. */
  readonly heard: Map<string, number>
  /** Resolves when what was sent last has left the process, or the socket is closed. */
  flushed: Promise<void>
}

/** Lets a reason fit into a close frame (123 bytes), without half a character at its end. */
function shorten(reason: string): string {
  const bytes = Buffer.from(reason)
  return bytes.length <= 123
    ? reason
    : bytes
        .subarray(0, 120)
        .toString('utf8')
        .replace(/\uFFFD+$/, '…')
}

/** Sends a message; resolves when it has left the process, or the socket is closed. */
export function transmit(line: Line, data: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  line.flushed = promise
  line.socket.send(data, () => resolve())
  return promise
}

/** Closes a socket, unless it is closing already. */
export function closeLine({ socket }: Line, code: number, reason: string, metrics: Metrics): void {
  if (socket.readyState !== socket.OPEN) return
  metrics.closed.inc({ code: String(code) })
  socket.close(code, shorten(reason))
}

/** Ends a socket for a reason that holds for its connection. */
export async function endLine(line: Line, reason: CloseReason, metrics: Metrics): Promise<void> {
  const { socket } = line
  const words = inLanguage(closeTexts[reason], line.locale)
  if (reason !== 'restart') return closeLine(line, closeCodes.forbidden, words, metrics)
  const stop = new AbortController()
  const limit = (milliseconds: number) => sleep(milliseconds, undefined, { signal: stop.signal }).catch(() => undefined)
  const closed = new Promise(resolve => socket.once('close', resolve))
  while (line.running.size > 0) {
    const finished = Promise.allSettled(line.running)
    if ((await Promise.race([finished, limit(finishWithin)])) === undefined) break
  }
  // The answers of what has just finished go out first.
  await new Promise(resolve => setImmediate(resolve))
  closeLine(line, closeCodes.restart, words, metrics)
  await Promise.race([closed, limit(closeWithin)])
  stop.abort()
  socket.terminate()
}
