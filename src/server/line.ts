import { setTimeout as sleep } from 'node:timers/promises'
import type { WebSocket } from 'ws'
import type { Results } from '../graphql/live-hub.ts'
import { writeCursor } from '../journal/cursor.ts'
import type { Feed } from '../journal/feed.ts'
import type { Locale } from '../languages.ts'
import { type CloseReason, type Connection, closeTexts } from './connections.ts'
import { inLanguage } from './format-error.ts'
import type { Metrics } from './metrics.ts'

/** How long a restart waits for queries and mutations on a socket, and for the other end to close. */
const finishWithin = 5_000
const closeWithin = 1_000
/** How full a socket's buffer may be when more is to be written; beyond, the socket is closed as too slow. */
const bufferLimit = 1024 * 1024
/** With so much before it, as after a few huge answers, the close frame would come too late: the socket is cut. */
const cutLimit = 8 * bufferLimit
const pingInterval = 12_000

/**
 * Close codes. Clients of graphql-ws give up on 4401 and try again after the others: a token that is refused at the
 * start stays refused, one that ends meanwhile may have been replaced.
 */
export const closeCodes = {
  badRequest: 4400,
  unauthorized: 4401,
  forbidden: 4403,
  internal: 4500,
  restart: 1012,
  tryLater: 1013,
} as const

/** A subscription on a socket. */
export interface Followed {
  /** The last event that it was sent, at first where it began. */
  heard: number
  /** Null until it has begun. */
  results: Results | null
}

/** What one socket carries. */
export interface Line extends Connection {
  readonly socket: WebSocket
  readonly id: string
  /** Until its connection_init comes. */
  authorization: string | undefined
  readonly metrics: Metrics
  readonly feed: Pick<Feed, 'position'>
  locale: Locale
  operations: number
  /** Whether its connection_init was accepted. */
  isWelcome: boolean
  /** Whether it is only finishing what is under way. */
  isDraining: boolean
  /** Queries, mutations and checks under way. */
  readonly running: Set<Promise<unknown>>
  /** Its subscriptions by the id of their operation. */
  readonly followed: Map<string, Followed>
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

/** Whether more may be written to a socket. One that does not take what it was sent is closed: memory has an end. */
export function mayWrite(line: Line): boolean {
  const { socket } = line
  if (socket.readyState !== socket.OPEN) return false
  if (socket.bufferedAmount <= bufferLimit) return true
  const isBeyondWords = socket.bufferedAmount > cutLimit
  closeForNow(line, 'Too slow.')
  if (isBeyondWords) socket.terminate()
  return false
}

/** What `ws` is told of messages: that ones in bytes are text, too. */
const asText = { binary: false }

/**
 * Sends a message, unless the socket is closed or too slow. Answers whether it did.
 * @param data as text, or its bytes, which then nobody may change
 * @param onLeft called when it has left the process, or the socket is closed
 */
export function transmit(line: Line, data: string | Buffer, onLeft?: () => void): boolean {
  if (!mayWrite(line)) return false
  line.socket.send(data, asText, onLeft)
  return true
}

/** Resolves when all that was sent so far has left the process, or the socket is closed. */
export function flushed({ socket }: Line): Promise<void> {
  // What is written last leaves last; and so that nobody waits for it, deliveries themselves don't tell when they leave.
  return new Promise(resolve => socket.ping(undefined, false, () => resolve()))
}

/** Closes a socket, unless it is closing already. Its subscriptions end at once, not when the other end agrees. */
export function closeLine(line: Line, code: number, reason: string): void {
  const { socket, metrics } = line
  if (socket.readyState !== socket.OPEN) return
  metrics.closed.inc({ code: String(code) })
  socket.close(code, shorten(reason))
  endSubscriptions(line)
}

/** Ends all subscriptions of a line. */
export function endSubscriptions(line: Line): void {
  for (const { results } of line.followed.values()) void results?.return()
}

/**
 * Closes a socket whose client may come back at once, and tells it the cursor up to which all of its subscriptions have
 * been sent everything: what was sent is on its way before the close frame.
 */
export function closeForNow(line: Line, reason: string): void {
  const heard = Math.min(...[...line.followed.values()].map(followed => followed.heard))
  const resume = Number.isFinite(heard)
    ? ` Resume after: ${writeCursor({ epoch: line.feed.position().epoch, seq: heard })}`
    : ''
  closeLine(line, closeCodes.tryLater, reason + resume)
}

/** Ends a socket for a reason that holds for its connection. */
export async function endLine(line: Line, reason: CloseReason): Promise<void> {
  const { socket } = line
  const words = inLanguage(closeTexts[reason], line.locale)
  if (reason !== 'restart') return closeLine(line, closeCodes.forbidden, words)
  // From here on new operations are refused: what is waited for has an end.
  line.isDraining = true
  const stop = new AbortController()
  const limit = (milliseconds: number) => sleep(milliseconds, undefined, { signal: stop.signal }).catch(() => undefined)
  const closed = new Promise(resolve => socket.once('close', resolve))
  await Promise.race([Promise.allSettled(line.running), limit(finishWithin)])
  // The answers of what has just finished go out first.
  await new Promise(resolve => setImmediate(resolve))
  closeLine(line, closeCodes.restart, words)
  await Promise.race([closed, limit(closeWithin)])
  stop.abort()
  socket.terminate()
}

/** Watches over the life of sockets. */
export interface Pulse {
  /**
   * Sees to it that the other end lives: pings, and cuts a socket that says nothing until the next ping.
   * One that has yet to take what it was sent may not have seen the ping: it is closed as too slow, with its cursor.
   * @returns ends it
   */
  watch(line: Line): () => void
}

/** In how many portions all sockets are pinged within one interval: thousands at once would hold up everything else. */
const portions = 120

/** Makes the watch, with one timer for all sockets, which runs while there are any. @param interval in milliseconds */
export function createPulse(interval: number = pingInterval): Pulse {
  const watched = Array.from({ length: portions }, () => new Set<() => void>())
  let next = 0
  let size = 0
  let turn = 0
  let timer: NodeJS.Timeout | undefined

  function beat(): void {
    turn = (turn + 1) % portions
    for (const look of watched[turn]!) look()
  }

  return {
    watch: line => {
      const { socket } = line
      let isAlive = true
      socket.on('pong', () => {
        isAlive = true
      })
      const look = () => {
        if (isAlive) {
          isAlive = false
          socket.ping()
        } else if (socket.readyState === socket.OPEN && socket.bufferedAmount > 0) closeForNow(line, 'Too slow.')
        else if (socket.readyState === socket.OPEN) socket.terminate()
      }
      // Those who come together are looked at one after the other; two looks at one are always an interval apart.
      const portion = watched[next++ % portions]!
      portion.add(look)
      size++
      timer ??= setInterval(beat, interval / portions)
      return () => {
        if (!portion.delete(look) || --size > 0) return
        clearInterval(timer)
        timer = undefined
      }
    },
  }
}
