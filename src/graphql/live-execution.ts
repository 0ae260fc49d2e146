import {
  createSourceEventStream,
  type ExecutionResult,
  execute,
  type GraphQLError,
  type GraphQLSchema,
  locatedError,
} from 'graphql'
import type { Actor } from '../access/actor.ts'
import type { JournalEvent } from '../journal/catalog.ts'
import { writeCursor } from '../journal/cursor.ts'
import { createContext, type Services } from './context.ts'
import { isLiveSource, type LiveRoot, type LiveSource } from './live.ts'
import { findPassing } from './live-fault.ts'
import { type LiveRequest, refuseRootConditions } from './live-operation.ts'
import { impersonal } from './live-personal.ts'
import { createShelf } from './live-shelf.ts'

/** Makes errors fit to be seen by the caller: masked and in its language. */
export type FormatErrors = (
  errors: readonly GraphQLError[],
  caller: Pick<LiveRequest, 'locale' | 'requestId'>,
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
 * as old as if it had been delivered at once, and no older. And how many are, and characters of JSON of them in all.
 */
const keep = { milliseconds: 1_000, entries: 2_000, size: 16 * 1024 * 1024 }

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
}): LiveExecution {
  const { schema, services, formatErrors } = options
  const gate = createGate(parallel)
  const underWay = new Map<string, Promise<Outcome | null>>()
  const recent = createShelf<Outcome | null>({ ...keep, sizeOf: outcome => 1 + (outcome?.serialised().length ?? 0) })

  function formatted(result: ExecutionResult, operation: LiveRequest): ExecutionResult {
    return result.errors ? { ...result, errors: formatErrors(result.errors, operation) } : result
  }

  function failure(operation: LiveRequest, source: LiveSource | null, error: unknown): ExecutionResult {
    return formatted({ errors: [locatedError(error, source?.fieldNodes, source?.path)] }, operation)
  }

  async function run(
    { operation, source, isPersonal, epoch }: Audience,
    actor: Actor,
    event: JournalEvent,
  ): Promise<Outcome | null> {
    const context = createContext(services, {
      actor: isPersonal ? actor : impersonal(actor),
      locale: operation.locale,
    })
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
    let text: string | undefined
    return { seq: event.seq, result, serialised: () => (text ??= JSON.stringify(result)) }
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
        running = gate(() => run(audience, actor, event)).finally(() => underWay.delete(key))
        underWay.set(key, running)
        running.then(
          outcome => recent.put(key, outcome),
          () => undefined,
        )
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
