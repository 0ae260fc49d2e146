import {
  createSourceEventStream,
  type ExecutionResult,
  execute,
  type GraphQLError,
  type GraphQLSchema,
  locatedError,
} from 'graphql'
import { type Actor, visibilityKey } from '../access/actor.ts'
import type { JournalEvent } from '../journal/catalog.ts'
import { writeCursor } from '../journal/cursor.ts'
import { type Context, createContext, type Services } from './context.ts'
import { isLiveSource, type LiveRoot, type LiveSource } from './live.ts'
import { findPassing } from './live-fault.ts'
import { createFrames, type Frames } from './live-frames.ts'
import { type LiveRequest, refuseRootConditions } from './live-operation.ts'
import type { Pace } from './live-pace.ts'
import { impersonal } from './live-personal.ts'
import { createShelf } from './live-shelf.ts'

/** Makes errors fit to be seen by the caller: masked and in its language. */
export type FormatErrors = (
  errors: readonly GraphQLError[],
  caller: Pick<LiveRequest, 'locale' | 'requestId'>,
) => readonly GraphQLError[]

/** What a group of callers hears of one event. */
export interface Outcome extends Frames {
  readonly seq: number
  readonly result: ExecutionResult
}

/** Callers of whom every event has the same result. */
export interface Audience {
  readonly id: number
  /** Of any of them. */
  readonly operation: LiveRequest
  readonly source: LiveSource
  /** Whether the result depends on the one token that they have in common, and not only on their member and rights. */
  readonly isPersonal: boolean
  readonly epoch: string
}

/**
 * The part of the live hub that runs GraphQL. Where the database can't answer now, it throws that error, whose work is
 * to be done again: such an answer is no result.
 */
export interface LiveExecution {
  /** Checks an operation as `subscribe` of graphql-js does, for an actor: its permission, its arguments. */
  open(operation: LiveRequest, actor: Actor): Promise<LiveSource | ExecutionResult>
  /** What these callers hear of an event; null for nothing. Done once for all who ask within a second. */
  outcome(audience: Audience, actor: Actor, event: JournalEvent): Promise<Outcome | null>
  /** The result that ends a subscription. */
  failure(operation: LiveRequest, source: LiveSource | null, error: unknown): ExecutionResult
}

/** How many events are executed at once: fewer than the database has connections, so that requests get some. */
const parallel = 6
/**
 * How long an outcome is kept, in milliseconds, for those who come back together after their connections were cut: it is
 * as old as if it had been delivered at once, and no older. And how many are, and bytes of them in all.
 */
const keep = { milliseconds: 1_000, entries: 2_000, size: 32 * 1024 * 1024 }

/** A context that is used for one event by all groups who see the same, whatever they ask for, while any of them does. */
interface Reading {
  readonly key: string
  readonly context: Context
  users: number
}

interface Waiting {
  start(): void
  fail(error: unknown): void
}

/**
 * Lets a number of works run at once; the others wait in order. When one of them meets a fault that passes, those who
 * wait meet it, too, without trying: else each would wait in vain for a database that is out of reach.
 */
function createGate(size: number): <T>(work: () => Promise<T>) => Promise<T> {
  const queue: Waiting[] = []
  let free = size
  return async work => {
    if (free > 0) free--
    else await new Promise<void>((start, fail) => queue.push({ start, fail }))
    try {
      return await work()
    } catch (error) {
      if (findPassing(error)) for (const waiting of queue.splice(0)) waiting.fail(error)
      throw error
    } finally {
      const next = queue.shift()
      if (next) next.start()
      else free++
    }
  }
}

/** Makes the part of the hub that runs GraphQL, on a schema whose fields of Subscription are live fields. */
export function createLiveExecution(options: {
  readonly schema: GraphQLSchema
  readonly services: Services
  readonly formatErrors: FormatErrors
  readonly pace: Pace
}): LiveExecution {
  const { schema, services, formatErrors, pace } = options
  const gate = createGate(parallel)
  const underWay = new Map<string, Promise<Outcome | null>>()
  const readings = new Map<string, Reading>()
  const recent = createShelf<Outcome | null>({ ...keep, sizeOf: outcome => 1 + (outcome?.size() ?? 0) })

  function formatted(result: ExecutionResult, operation: LiveRequest): ExecutionResult {
    return result.errors ? { ...result, errors: formatErrors(result.errors, operation) } : result
  }

  function failure(operation: LiveRequest, source: LiveSource | null, error: unknown): ExecutionResult {
    return formatted({ errors: [locatedError(error, source?.fieldNodes, source?.path)] }, operation)
  }

  async function run(
    { operation, source, epoch }: Audience,
    context: Context,
    event: JournalEvent,
  ): Promise<Outcome | null> {
    while (pace.isOver()) await pace.next()
    let rootValue: LiveRoot
    try {
      const payload = await source.payload(event, context)
      if (payload === null) return null
      rootValue = { payload: { cursor: writeCursor({ epoch, seq: event.seq }), at: event.at, ...payload } }
    } catch (failure) {
      rootValue = { failure }
    }
    const executed = await execute({
      schema,
      document: operation.document,
      operationName: operation.operationName,
      variableValues: operation.variables,
      contextValue: context,
      rootValue,
    })
    refusePassing(executed)
    const result = formatted(executed, { ...operation, requestId: context.request.requestId })
    return { seq: event.seq, result, ...createFrames(result) }
  }

  /** The context for an event as those see it who see the same: what one of their documents has read serves the others. */
  function enterReading({ isPersonal, operation, epoch }: Audience, actor: Actor, event: JournalEvent): Reading {
    const key = `${epoch} ${event.seq} ${visibilityKey(actor, isPersonal)}`
    let reading = readings.get(key)
    if (!reading) {
      const caller = { actor: isPersonal ? actor : impersonal(actor), locale: operation.locale }
      reading = { key, context: createContext(services, caller), users: 0 }
      readings.set(key, reading)
    }
    reading.users++
    return reading
  }

  function leaveReading(reading: Reading): void {
    if (--reading.users === 0) forget(reading)
  }

  /** Who comes from now on reads anew. */
  function forget(reading: Reading): void {
    if (readings.get(reading.key) === reading) readings.delete(reading.key)
  }

  /** Runs for all who ask for the same meanwhile, and for those who do a moment later. */
  async function share(key: string, audience: Audience, actor: Actor, event: JournalEvent): Promise<Outcome | null> {
    const reading = enterReading(audience, actor, event)
    const context = { ...reading.context, locale: audience.operation.locale }
    try {
      const outcome = await gate(() => run(audience, context, event))
      recent.put(key, outcome)
      return outcome
    } catch (error) {
      // Loaders keep their errors, too.
      forget(reading)
      throw error
    } finally {
      underWay.delete(key)
      leaveReading(reading)
    }
  }

  return {
    failure,
    open: async (operation, actor) => {
      try {
        refuseRootConditions(operation)
      } catch (error) {
        return failure(operation, null, error)
      }
      const stream = await createSourceEventStream({
        schema,
        document: operation.document,
        operationName: operation.operationName,
        variableValues: operation.variables,
        contextValue: createContext(services, { ...operation, actor }),
      })
      if (isLiveSource(stream)) return stream
      if (!('errors' in stream)) throw new Error('A field of Subscription was not made by liveField.')
      refusePassing(stream)
      return formatted(stream, operation)
    },
    outcome: async (audience, actor, event) => {
      const key = `${audience.id} ${event.seq}`
      const kept = recent.get(key)
      if (kept) return kept.value
      let running = underWay.get(key)
      if (!running) {
        running = share(key, audience, actor, event)
        underWay.set(key, running)
      }
      return running
    },
  }
}

/** @throws Error the one of the database, when a result has errors because it can't answer now */
function refusePassing({ errors }: ExecutionResult): void {
  for (const error of errors ?? []) {
    const fault = findPassing(error)
    if (fault) throw fault
  }
}
