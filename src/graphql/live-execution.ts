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
import { type Context, createContext, type Services } from './context.ts'
import { isLiveSource, type LiveRoot, type LiveSource } from './live.ts'
import { findPassing } from './live-fault.ts'
import { createFrames, type Outcome } from './live-frames.ts'
import { createGate } from './live-gate.ts'
import { type LiveRequest, refuseRootConditions } from './live-operation.ts'
import type { Pace } from './live-pace.ts'
import { createReadings } from './live-reading.ts'
import type { Audience } from './live-sharing.ts'
import { createShelf } from './live-shelf.ts'

/** Makes errors fit to be seen by the caller: masked and in its language. */
export type FormatErrors = (
  errors: readonly GraphQLError[],
  caller: Pick<LiveRequest, 'locale' | 'requestId'>,
) => readonly GraphQLError[]

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

/** How many works read for listeners at once: fewer than the database has connections, so that requests get some. */
const parallel = 6
/**
 * How long an outcome is kept, in milliseconds, for those who come back together after their connections were cut: it is
 * as old as if it had been delivered at once, and no older. And how many are, and bytes of them in all.
 */
const keep = { milliseconds: 1_000, entries: 2_000, size: 32 * 1024 * 1024 }

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
  const readings = createReadings(services, gate, pace)
  const recent = createShelf<Outcome | null>({ ...keep, sizeOf: outcome => 1 + (outcome?.size() ?? 0) })

  function formatted(result: ExecutionResult, operation: LiveRequest): ExecutionResult {
    return result.errors ? { ...result, errors: formatErrors(result.errors, operation) } : result
  }

  function failure(operation: LiveRequest, source: LiveSource | null, error: unknown): ExecutionResult {
    return formatted({ errors: [locatedError(error, source?.fieldNodes, source?.path)] }, operation)
  }

  async function execution(
    { operation }: Audience,
    context: Context,
    rootValue: LiveRoot,
    event: JournalEvent,
  ): Promise<Outcome> {
    while (pace.isOver()) await pace.next()
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

  function run(audience: Audience, actor: Actor, event: JournalEvent): Promise<Outcome | null> {
    return readings.use(audience, actor, event, async reading => {
      const root = await reading.root(audience)
      return (
        root &&
        reading.execute(audience, root, () =>
          gate(() => execution(audience, reading.contextFor(audience), root, event)),
        )
      )
    })
  }

  /** Runs for all who ask for the same meanwhile, and for those who do a moment later. */
  async function share(key: string, audience: Audience, actor: Actor, event: JournalEvent): Promise<Outcome | null> {
    try {
      const outcome = await run(audience, actor, event)
      recent.put(key, outcome)
      return outcome
    } finally {
      underWay.delete(key)
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
