import {
  createSourceEventStream,
  type ExecutionResult,
  execute,
  type GraphQLError,
  type GraphQLSchema,
  locatedError,
} from 'graphql'
import { LRUCache } from 'lru-cache'
import type { Actor } from '../access/actor.ts'
import type { JournalEvent } from '../journal/catalog.ts'
import { writeCursor } from '../journal/cursor.ts'
import { createContext, type Services } from './context.ts'
import { isLiveSource, type LiveRoot, type LiveSource } from './live.ts'
import { type LiveOperation, refuseRootConditions } from './live-operation.ts'

/** Makes errors fit to be seen by the caller: masked and in its language. */
export type FormatErrors = (
  errors: readonly GraphQLError[],
  caller: Pick<LiveOperation, 'locale' | 'requestId'>,
) => readonly GraphQLError[]

/** What a group of callers hears of one event. */
export interface Outcome {
  readonly seq: number
  readonly result: ExecutionResult
  /** The result as JSON, written once. */
  serialised(): string
}

/** Callers of whom every event has the same result. */
export interface Audience {
  readonly id: number
  /** Of any of them. */
  readonly operation: LiveOperation
  readonly source: LiveSource
  readonly epoch: string
}

/** The part of the live hub that runs GraphQL. */
export interface LiveExecution {
  /** Checks an operation as `subscribe` of graphql-js does, for an actor: its permission, its arguments. */
  open(operation: LiveOperation, actor: Actor): Promise<LiveSource | ExecutionResult>
  /** What these callers hear of an event; null for nothing. Done once for all who ask within a second. */
  outcome(audience: Audience, actor: Actor, event: JournalEvent): Promise<Outcome | null>
  /** The result that ends a subscription. */
  failure(operation: LiveOperation, source: LiveSource | null, error: unknown): ExecutionResult
}

/** How many events are executed at once: fewer than the database has connections, so that requests get some. */
const parallel = 6
/**
 * For whom an outcome is kept, in milliseconds: for those who come back together after their connections were cut.
 * It is as old as if it had been delivered at once, and no older.
 */
const keepFor = 1_000
const keepAtMost = 2_000

/** Lets a number of works run at once; the others wait in order. */
function createGate(size: number): <T>(work: () => Promise<T>) => Promise<T> {
  const queue: (() => void)[] = []
  let free = size
  return async work => {
    if (free > 0) free--
    else await new Promise<void>(resolve => queue.push(resolve))
    try {
      return await work()
    } finally {
      const next = queue.shift()
      if (next) next()
      else free++
    }
  }
}

/** Makes the part of the hub that runs GraphQL, on a schema whose fields of Subscription are live fields. */
export function createLiveExecution(options: {
  readonly schema: GraphQLSchema
  readonly services: Services
  readonly formatErrors: FormatErrors
}): LiveExecution {
  const { schema, services, formatErrors } = options
  const gate = createGate(parallel)
  const recent = new LRUCache<string, Promise<Outcome | null>>({ max: keepAtMost, ttl: keepFor })

  function formatted(result: ExecutionResult, operation: LiveOperation): ExecutionResult {
    return result.errors ? { ...result, errors: formatErrors(result.errors, operation) } : result
  }

  function failure(operation: LiveOperation, source: LiveSource | null, error: unknown): ExecutionResult {
    return formatted({ errors: [locatedError(error, source?.fieldNodes, source?.path)] }, operation)
  }

  async function run(
    { operation, source, epoch }: Audience,
    actor: Actor,
    event: JournalEvent,
  ): Promise<Outcome | null> {
    const context = createContext(services, { actor, locale: operation.locale })
    let rootValue: LiveRoot
    try {
      const payload = await source.payload(event, context)
      if (payload === null) return null
      rootValue = { payload: { cursor: writeCursor({ epoch, seq: event.seq }), at: event.at, ...payload } }
    } catch (failure) {
      rootValue = { failure }
    }
    const result = formatted(
      await execute({
        schema,
        document: operation.document,
        operationName: operation.operationName,
        variableValues: operation.variables,
        contextValue: context,
        rootValue,
      }),
      { ...operation, requestId: context.request.requestId },
    )
    let text: string | undefined
    return { seq: event.seq, result, serialised: () => (text ??= JSON.stringify(result)) }
  }

  return {
    failure,
    open: async (operation, actor) => {
      try {
        refuseRootConditions(operation)
        const stream = await createSourceEventStream({
          schema,
          document: operation.document,
          operationName: operation.operationName,
          variableValues: operation.variables,
          contextValue: createContext(services, { ...operation, actor }),
        })
        if (isLiveSource(stream)) return stream
        if ('errors' in stream) return formatted(stream, operation)
        throw new Error('A field of Subscription was not made by liveField.')
      } catch (error) {
        return failure(operation, null, error)
      }
    },
    outcome: (audience, actor, event) => {
      const key = `${audience.id} ${event.seq}`
      let outcome = recent.get(key)
      if (!outcome) {
        outcome = gate(() => run(audience, actor, event))
        recent.set(key, outcome)
      }
      return outcome
    },
  }
}
