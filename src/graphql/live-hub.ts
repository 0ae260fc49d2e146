import type { ExecutionResult, GraphQLSchema } from 'graphql'
import { reauthenticateAll } from '../access/authenticate.ts'
import type { Services } from './context.ts'
import { isLiveSource, type LiveSource } from './live.ts'
import { createDelivery } from './live-delivery.ts'
import { createLiveExecution, type FormatErrors } from './live-execution.ts'
import { watchExpiries } from './live-expiry.ts'
import { PassingFault } from './live-fault.ts'
import { createGroups, type Listener, type Sink } from './live-groups.ts'
import type { LiveRequest } from './live-operation.ts'
import { createPace } from './live-pace.ts'
import { createRights, type Refresh } from './live-rights.ts'

export type { Sink } from './live-groups.ts'

/**
 * Results as they come; `return()` ends the subscription at once. `next()` throws a `PassingFault` (live-fault.ts) when
 * the service can't go on for now: then the door cuts the connection so that the client comes back with its last cursor.
 */
export type Results = AsyncGenerator<ExecutionResult, void>

/** Delivers the journal to those who subscribed. */
export interface LiveHub {
  /** One result per event. An ExecutionResult instead when the operation is refused. */
  subscribe(operation: LiveRequest): Promise<Results | ExecutionResult>
  /**
   * The same with the results sent to a sink, for many receivers of the same: one execution and one serialisation.
   * What is answered yields nothing but the error that ends the subscription, if one does.
   */
  join(operation: LiveRequest, sink: Sink): Promise<Results | ExecutionResult>
  /** How many subscriptions there are, and in how many groups. */
  sizes(): { readonly subscriptions: number; readonly groups: number }
  /** Ends all subscriptions. */
  stop(): void
}

/** How long the database may fail before subscriptions end, in milliseconds: longer than a failover mostly takes. */
const patience = 10_000

/**
 * Makes the hub of a process.
 * @param options.formatErrors masks errors and words them in the caller's language
 * @param options.onError called with errors that no caller can be told of, such as of a sink
 * @param options.refresh callers as they stand now; looks into the database
 * @param options.patience how long the database may fail before subscriptions end, in milliseconds
 */
export function createLiveHub(options: {
  readonly schema: GraphQLSchema
  readonly services: Services
  readonly formatErrors: FormatErrors
  readonly onError: (error: unknown) => void
  readonly refresh?: Refresh
  readonly patience?: number
}): LiveHub {
  const { schema, services, onError } = options
  const { feed, db, now } = services
  const pace = createPace()
  const execution = createLiveExecution({ ...options, pace })
  const refresh: Refresh = options.refresh ?? (tokenIds => reauthenticateAll(db, tokenIds, now()))
  const rights = createRights(refresh, now)
  const groups = createGroups(schema)
  const listeners = new Set<Listener>()
  const delivery = createDelivery({
    services,
    execution,
    rights,
    groups,
    pace,
    onEnded: listener => listeners.delete(listener),
    onError,
    patience: options.patience ?? patience,
  })
  const expiries = watchExpiries({ listeners, now, onExpired: delivery.expire })
  const stopNoticing = feed.onEvents(events => rights.notice(events, listeners))

  async function enter(operation: LiveRequest, sink: Sink | null): Promise<Listener | ExecutionResult> {
    let source: LiveSource | null = null
    try {
      const opened = await execution.open(operation, operation.actor)
      if (!isLiveSource(opened)) return opened
      source = opened
      const position = source.after === null ? feed.position() : await feed.resume(source.after)
      const listener = groups.enter(operation, source, position, sink)
      listeners.add(listener)
      expiries.watch(listener)
      return listener
    } catch (error) {
      return execution.failure(operation, source, error)
    }
  }

  /** Nothing but what the listener ends with. */
  async function* lastResult({ last }: Listener): Results {
    const ending = await last.promise
    if (ending instanceof PassingFault) throw ending
    if (ending) yield ending
  }

  async function* results(listener: Listener): Results {
    const pulling = delivery.pull(listener)
    for (;;) {
      const { done, value } = await pulling.next()
      if (done) {
        // Unless it has ended already, for another reason.
        delivery.end(listener, value)
        return yield* lastResult(listener)
      }
      yield value.result
    }
  }

  return {
    subscribe: async operation => {
      const listener = await enter(operation, null)
      return 'group' in listener ? closing(results(listener), () => delivery.end(listener, null)) : listener
    },
    join: async (operation, sink) => {
      const listener = await enter(operation, sink)
      if (!('group' in listener)) return listener
      delivery.follow(listener)
      return closing(lastResult(listener), () => delivery.end(listener, null))
    },
    sizes: () => ({ subscriptions: listeners.size, groups: groups.size() }),
    stop: () => {
      stopNoticing()
      expiries.stop()
      for (const listener of [...listeners]) delivery.end(listener, null)
    },
  }
}
/** A generator whose `return()` does not wait for the value that is awaited at that moment. */
function closing(inner: Results, close: () => void): Results {
  return {
    next: () => inner.next(),
    return: () => {
      close()
      return inner.return()
    },
    throw: error => {
      close()
      return inner.throw(error)
    },
    [Symbol.asyncIterator]() {
      return this
    },
    [Symbol.asyncDispose]: async () => {
      close()
      await inner.return()
    },
  }
}
