import { setTimeout as sleep } from 'node:timers/promises'
import { GraphQLError } from 'graphql'
import { isUnavailable } from '../database/unavailable.ts'
import { text, Unavailable } from '../errors.ts'

/**
 * What `next()` of a subscription throws when the database was out of reach for too long. Nothing is lost: all up to
 * `cursor` was sent, and nothing after it. A door answers by cutting the connection in a way that makes the client come
 * back and go on from there: a WebSocket closes with 1013, "try again later" (not 4500, after which clients of
 * graphql-ws give up, and no `error` or `complete`, after which they don't subscribe again); a stream of events ends
 * without `complete`.
 */
export class PassingFault extends Unavailable {
  /** The position up to which the subscription was served. */
  readonly cursor: string

  constructor(cursor: string, cause: unknown) {
    super(
      text(
        'The service could not reach its database for a while. Connect again and go on from your last cursor.',
        '服务一段时间内无法访问数据库。请重新连接，并从最后的游标继续接收。',
      ),
    )
    this.cursor = cursor
    this.cause = cause
  }
}

/** The error behind an error after which the same work may succeed; null when there is none. */
export function findPassing(error: unknown): Error | null {
  let next = error
  for (let depth = 0; depth < 10 && next instanceof Error; depth++) {
    if (next instanceof Unavailable || isUnavailable(next)) return next
    next = next instanceof GraphQLError ? (next.originalError ?? next.cause) : next.cause
  }
  return null
}

const milliseconds = { firstPause: 100, longestPause: 2_000 }

/** How one work bears faults that pass: it is tried again, after growing pauses, until it failed for too long. */
export interface Patience {
  /**
   * Waits before the next attempt, less when the signal is aborted.
   * @returns false when there is to be none
   */
  wait(fault: Error, signal: AbortSignal): Promise<boolean>
  /** Tells that something succeeded. */
  reset(): void
}

/** @param limit how long the work may fail without any success, in milliseconds; it is tried twice at least */
export function createPatience(limit: number): Patience {
  let failingSince: number | null = null
  let pause = milliseconds.firstPause
  return {
    wait: async (fault, signal) => {
      failingSince ??= performance.now()
      // The service itself says so as it stops: it won't be otherwise in a moment.
      if (fault instanceof Unavailable || performance.now() - failingSince >= limit) return false
      // The pause ends early, with an error that says no more than that, by the signal.
      await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined)
      pause = Math.min(pause * 2, milliseconds.longestPause)
      return true
    },
    reset: () => {
      failingSince = null
      pause = milliseconds.firstPause
    },
  }
}
