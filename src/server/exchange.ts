import { AsyncLocalStorage } from 'node:async_hooks'
import type { DocumentNode } from 'graphql'
import type { Locale } from '../languages.ts'
import type { Keeping } from '../reads/keeping.ts'

/** The way by which an operation came in. */
export type Door = 'http' | 'websocket' | 'sse'

/** A subscription that passed every check and waits to be followed. */
export interface AcceptedSubscription {
  readonly document: DocumentNode
  readonly operationName: string | null
  readonly variables: Readonly<Record<string, unknown>>
  readonly cost: number
}

/** One operation on its way through the doors: what is known before it is read, and what is found out on the way. */
export interface Exchange {
  readonly door: Door
  readonly locale: Locale
  /** The id under which everything about this operation is logged. */
  readonly requestId: string
  /** Whether only reading is allowed, as by GET. */
  readonly readOnly: boolean
  /** Null until it is counted. */
  cost: number | null
  /** Set for a subscription, which the door then follows. */
  live: AcceptedSubscription | null
  /** Whether the request was refused before anything of it ran. */
  refused: boolean
  /** The name of the operation that ran; null until then, and without one. */
  operationName: string | null
  /** Takes notes of what the answer is made of, where it may be kept; null where it may not. What no plan answers takes none. */
  keeping: Keeping | null
}

const exchanges = new AsyncLocalStorage<Exchange>()

/** Runs `work` with this exchange at hand: Apollo's error formatter is told nothing of the request. */
export function withExchange<T>(exchange: Exchange, work: () => T): T {
  return exchanges.run(exchange, work)
}

/** The exchange under way. @throws Error outside of one */
export function currentExchange(): Exchange {
  const exchange = exchanges.getStore()
  if (!exchange) throw new Error('There is no exchange under way.')
  return exchange
}

/** A fresh exchange. */
export function openExchange(door: Door, locale: Locale, requestId: string, readOnly = false): Exchange {
  return {
    door,
    locale,
    requestId,
    readOnly,
    cost: null,
    live: null,
    refused: false,
    operationName: null,
    keeping: null,
  }
}
