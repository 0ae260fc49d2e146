import type { ExecutionResult, GraphQLSchema } from 'graphql'
import { type Actor, visibilityKey } from '../access/actor.ts'
import { reauthenticate } from '../access/authenticate.ts'
import { text, Unauthenticated } from '../errors.ts'
import type { Services } from './context.ts'
import { isLiveSource, mayHear } from './live.ts'
import { createLiveExecution, type FormatErrors, type Outcome } from './live-execution.ts'
import { createGroups, detach, type Group, type Listener, type Sink } from './live-groups.ts'
import type { LiveOperation } from './live-operation.ts'
import { type Checked, createRights, isDue, isUrgent, type SignedIn } from './live-rights.ts'

export type { Sink } from './live-groups.ts'

/** Results as they come; `return()` ends the subscription at once. */
export type Results = AsyncGenerator<ExecutionResult, void>

/** Delivers the journal to those who subscribed. */
export interface LiveHub {
  /** One result per event. An ExecutionResult instead when the operation is refused. */
  subscribe(operation: LiveOperation): Promise<Results | ExecutionResult>
  /**
   * The same with the results sent to a sink, for many receivers of the same: one execution and one serialisation.
   * What is answered yields nothing but the error that ends the subscription, if one does.
   */
  join(operation: LiveOperation, sink: Sink): Promise<Results | ExecutionResult>
  /** How many subscriptions there are, and in how many groups. */
  sizes(): { readonly subscriptions: number; readonly groups: number }
  /** Ends all subscriptions. */
  stop(): void
}

/** How many events are read at a time. */
const batch = 100

const ended = () =>
  new Unauthenticated(
    text(
      'Your token was revoked or expired. Connect with a new one and go on from your last cursor.',
      '您的令牌已被吊销或已过期。请使用新令牌连接，并从最后的游标继续接收。',
    ),
  )

/**
 * Makes the hub of a process.
 * @param options.formatErrors masks errors and words them in the caller's language
 * @param options.onError called with errors that no caller can be told of, such as of a sink
 * @param options.refresh the same caller as it stands now, null when its token has ended; looks into the database
 */
export function createLiveHub(options: {
  readonly schema: GraphQLSchema
  readonly services: Services
  readonly formatErrors: FormatErrors
  readonly onError: (error: unknown) => void
  readonly refresh?: (actor: SignedIn) => Promise<Actor | null>
}): LiveHub {
  const { services, onError } = options
  const { feed, db } = services
  const execution = createLiveExecution(options)
  const rights = createRights(
    options.refresh ?? (({ tokenId }) => reauthenticate(db, tokenId, services.now())),
    services.now,
  )
  const groups = createGroups()
  const listeners = new Set<Listener>()
  const stopNoticing = feed.onEvents(events => rights.notice(events, listeners))

  /** Lets a listener go with its group, unless it has yet to hear what the group has heard. */
  function attach(listener: Listener): boolean {
    const { group } = listener
    const present = group.isLed ? group.position : feed.position()
    if (listener.position.seq < present.seq) return false
    group.attached.add(listener)
    if (!group.isLed) {
      group.position = listener.position
      void lead(group)
    }
    return true
  }

  function end(listener: Listener, result: ExecutionResult | null): void {
    if (listener.ended.signal.aborted) return
    groups.leave(listener)
    listeners.delete(listener)
    listener.ended.abort()
    listener.last.resolve(result)
  }

  function fail(listener: Listener, error: unknown): ExecutionResult {
    return execution.failure(listener.operation, listener.group.source, error)
  }

  function send(listener: Listener, outcome: Outcome): void {
    try {
      listener.sink?.send(outcome.serialised(), outcome.seq)
    } catch (error) {
      onError(error)
      end(listener, null)
    }
  }

  /** Looks up what the listener may hear now. Answers what it ends with when that is nothing. */
  async function renew(listener: Listener): Promise<ExecutionResult | null> {
    const before = visibilityKey(listener.actor)
    if (!(await rights.renew(listener))) return fail(listener, ended())
    if (visibilityKey(listener.actor) === before) return null
    const source = await execution.open(listener.operation, listener.actor)
    if (!isLiveSource(source)) return source
    if (listener.ended.signal.aborted) return null
    groups.move(listener, source)
    return null
  }

  /**
   * What one listener hears, at its own pace, until it ends or goes with its group.
   * @returns what it ends with, or that it is attached
   */
  async function* pull(
    listener: Listener,
    mayAttach: boolean,
  ): AsyncGenerator<Outcome, ExecutionResult | 'ATTACHED' | null> {
    const { signal } = listener.ended
    try {
      while (!signal.aborted) {
        if (isUrgent(listener, services.now().getTime())) {
          const last = await renew(listener)
          if (last) return last
          continue
        }
        // Within one tick: were there a pause between the question and the answer, an event could slip through.
        if (mayAttach && attach(listener)) return 'ATTACHED'
        const events = await feed.read(listener.position, batch)
        if (events.length === 0) await feed.changed(listener.position, signal)
        for (const event of events) {
          let outcome: Outcome | null = null
          if (listener.group.source.types.has(event.type)) {
            if (isDue(listener, services.now().getTime())) {
              const last = await renew(listener)
              if (last) return last
            }
            if (mayHear(event, listener.actor)) outcome = await execution.outcome(listener.group, listener.actor, event)
          }
          if (signal.aborted) return null
          listener.position = { epoch: listener.position.epoch, seq: event.seq }
          if (outcome) yield outcome
        }
      }
      return null
    } catch (error) {
      return fail(listener, error)
    }
  }

  /** Brings a joined listener to its group's position, sending what it missed. */
  async function follow(listener: Listener): Promise<void> {
    try {
      const pulling = pull(listener, true)
      for (;;) {
        const { done, value } = await pulling.next()
        if (done) {
          if (value !== 'ATTACHED') end(listener, value)
          return
        }
        send(listener, value)
        await listener.sink?.drained?.()
      }
    } catch (error) {
      onError(error)
      end(listener, fail(listener, error))
    }
  }

  /** Those whose rights must be looked up go their own way until that is done. */
  function sendAway(group: Group, isNeeded: (listener: Checked, now: number) => boolean): void {
    const now = services.now().getTime()
    for (const listener of [...group.attached].filter(candidate => isNeeded(candidate, now))) {
      detach(listener)
      // Else it would come straight back.
      listener.checkedAt = 0
      void follow(listener)
    }
  }

  /** Delivers to all who are attached, until nobody is. */
  async function lead(group: Group): Promise<void> {
    group.isLed = true
    try {
      while (group.attached.size > 0) {
        sendAway(group, isUrgent)
        group.deserted = new AbortController()
        const events = await feed.read(group.position, batch)
        if (events.length === 0 && group.attached.size > 0) await feed.changed(group.position, group.deserted.signal)
        for (const event of events) {
          const isOurs = group.source.types.has(event.type)
          if (isOurs) sendAway(group, isDue)
          const [any] = group.attached
          if (!any) break
          const outcome = isOurs && mayHear(event, any.actor) ? await execution.outcome(group, any.actor, event) : null
          group.position = { epoch: group.epoch, seq: event.seq }
          if (!outcome) continue
          for (const listener of group.attached) if (listener.position.seq < event.seq) send(listener, outcome)
        }
      }
    } catch (error) {
      for (const listener of [...group.attached]) end(listener, fail(listener, error))
    } finally {
      group.isLed = false
    }
  }

  async function enter(operation: LiveOperation, sink: Sink | null): Promise<Listener | ExecutionResult> {
    const source = await execution.open(operation, operation.actor)
    if (!isLiveSource(source)) return source
    try {
      const position = source.after === null ? feed.position() : await feed.resume(source.after)
      const listener = groups.enter(operation, source, position, sink)
      listeners.add(listener)
      return listener
    } catch (error) {
      return execution.failure(operation, source, error)
    }
  }

  async function* results(listener: Listener): Results {
    const pulling = pull(listener, false)
    for (;;) {
      const { done, value } = await pulling.next()
      if (!done) yield value.result
      else {
        end(listener, null)
        if (value && value !== 'ATTACHED') yield value
        return
      }
    }
  }

  async function* lastResult(listener: Listener): Results {
    const result = await listener.last.promise
    if (result) yield result
  }

  return {
    subscribe: async operation => {
      const listener = await enter(operation, null)
      return 'group' in listener ? closing(results(listener), () => end(listener, null)) : listener
    },
    join: async (operation, sink) => {
      const listener = await enter(operation, sink)
      if (!('group' in listener)) return listener
      void follow(listener)
      return closing(lastResult(listener), () => end(listener, null))
    },
    sizes: () => ({ subscriptions: listeners.size, groups: groups.size() }),
    stop: () => {
      stopNoticing()
      for (const listener of [...listeners]) end(listener, null)
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

/** The message of graphql-transport-ws that carries a result: it differs from listener to listener by the id only. */
export function nextFrame(id: string, serialised: string): string {
  return `{"id":${JSON.stringify(id)},"type":"next","payload":${serialised}}`
}
