import { text, Unauthenticated } from '../errors.ts'
import type { JournalEvent } from '../journal/catalog.ts'
import { type Position, writeCursor } from '../journal/cursor.ts'
import type { Services } from './context.ts'
import { isLiveSource, mayHear } from './live.ts'
import type { LiveExecution } from './live-execution.ts'
import { createPatience, findPassing, PassingFault } from './live-fault.ts'
import type { Outcome } from './live-frames.ts'
import { detach, type Ending, type Group, type Groups, type Listener } from './live-groups.ts'
import type { Pace } from './live-pace.ts'
import { type Checked, isDue, isUrgent, type Rights } from './live-rights.ts'

/** Brings events to listeners. */
export interface Delivery {
  /** What one listener hears, at its own pace, until it ends; answers what it ends with. */
  pull(listener: Listener): AsyncGenerator<Outcome, Ending>
  /** Sends a joined listener what it missed, and from then on what its group hears, until it ends. */
  follow(listener: Listener): void
  /** Ends a listener because its token has ended. */
  expire(listener: Listener): void
  end(listener: Listener, ending: Ending): void
}

/** How many events are read at a time. */
const batch = 100

const tokenEnded = () =>
  new Unauthenticated(
    text(
      'Your token was revoked or expired. Connect with a new one and go on from your last cursor.',
      '您的令牌已被吊销或已过期。请使用新令牌连接，并从最后的游标继续接收。',
    ),
  )

/**
 * Makes the part of the hub that delivers.
 *
 * An event is behind a listener only when its outcome was sent, or there is none: when the database can't answer, be it
 * for the log, for rights or for an outcome, the same work is done again after a pause, rights included. After too long
 * the listener ends with a `PassingFault`, from whose cursor it loses nothing.
 * @param options.onEnded called with every listener that has ended
 * @param options.patience how long the database may fail before listeners end, in milliseconds
 */
export function createDelivery(options: {
  readonly services: Services
  readonly execution: LiveExecution
  readonly rights: Rights
  readonly groups: Groups
  readonly pace: Pace
  readonly onEnded: (listener: Listener) => void
  readonly onError: (error: unknown) => void
  readonly patience: number
}): Delivery {
  const { services, execution, rights, groups, pace, onEnded, onError } = options
  const { feed } = services
  const moment = () => services.now().getTime()

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

  function end(listener: Listener, ending: Ending): void {
    if (listener.ended.signal.aborted) return
    groups.leave(listener)
    onEnded(listener)
    listener.ended.abort()
    listener.last.resolve(ending)
  }

  /** What a listener ends with after an error. One that is attached is taken out of its group. */
  function endingOf(listener: Listener, error: unknown): Ending {
    detach(listener)
    const fault = findPassing(error)
    if (fault) return new PassingFault(writeCursor(listener.position), fault)
    return execution.failure(listener.operation, listener.group.source, error)
  }

  function send(listener: Listener, outcome: Outcome): void {
    try {
      listener.sink?.send(outcome)
    } catch (error) {
      onError(error)
      end(listener, null)
    }
  }

  /** Looks up what the listener may hear now. Answers what it ends with when that is nothing. */
  async function renew(listener: Listener): Promise<Ending> {
    if (!(await rights.renew(listener))) return endingOf(listener, tokenEnded())
    if (groups.isAtHome(listener)) return null
    try {
      const source = await execution.open(listener.operation, listener.actor)
      if (!isLiveSource(source)) return source
      if (!listener.ended.signal.aborted) groups.move(listener, source)
      return null
    } catch (error) {
      listener.checkedAt = 0
      throw error
    }
  }

  /** What a listener hears of an event; an ending when it may hear nothing any more. */
  async function outcomeFor(listener: Listener, event: JournalEvent) {
    if (!listener.group.source.types.has(event.type)) return { outcome: null }
    if (isDue(listener, moment())) {
      const ending = await renew(listener)
      if (ending) return { ending }
    }
    if (!mayHear(event, listener.actor)) return { outcome: null }
    return { outcome: await execution.outcome(listener.group, listener.actor, event) }
  }

  /** As `pull`; answers ATTACHED once the listener goes with its group, if it may. */
  async function* pullUntil(listener: Listener, mayAttach: boolean): AsyncGenerator<Outcome, Ending | 'ATTACHED'> {
    const { signal } = listener.ended
    const patience = createPatience(options.patience)
    while (!signal.aborted) {
      try {
        if (isUrgent(listener, moment())) {
          const ending = await renew(listener)
          if (ending) return ending
          continue
        }
        // Within one tick: were there a pause between the question and the answer, an event could slip through.
        if (mayAttach && attach(listener)) return 'ATTACHED'
        const events = await feed.read(listener.position, batch)
        if (events.length === 0) await feed.changed(listener.position, signal)
        for (const event of events) {
          const { outcome, ending } = await outcomeFor(listener, event)
          if (ending) return ending
          if (signal.aborted) return null
          listener.position = after(listener.position, event.seq)
          patience.reset()
          if (outcome) yield outcome
        }
        patience.reset()
      } catch (error) {
        const fault = findPassing(error)
        if (fault && (await patience.wait(fault, signal))) continue
        if (fault) onError(fault)
        return endingOf(listener, error)
      }
    }
    return null
  }

  async function follow(listener: Listener): Promise<void> {
    try {
      const pulling = pullUntil(listener, true)
      for (;;) {
        const { done, value } = await pulling.next()
        if (done) {
          if (value !== 'ATTACHED') end(listener, value)
          return
        }
        send(listener, value)
        // Thousands go their own way at a time when their rights are looked up together.
        while (pace.isOver()) await pace.next()
        await listener.sink?.drained?.()
      }
    } catch (error) {
      onError(error)
      end(listener, endingOf(listener, error))
    }
  }

  /** Lets a listener whose rights must be looked up go its own way until that is done. */
  function sendAway(listener: Listener): void {
    detach(listener)
    // Else it would come straight back.
    listener.checkedAt = 0
    void follow(listener)
  }

  /** The same for all of a group who need it. */
  async function sift(group: Group, isNeeded: (listener: Checked, now: number) => boolean): Promise<void> {
    let now = moment()
    for (const listener of group.attached) {
      if (!isNeeded(listener, now)) continue
      sendAway(listener)
      while (pace.isOver()) {
        await pace.next()
        now = moment()
      }
    }
  }

  /**
   * Sends an outcome to all who are attached. Meanwhile listeners come, go and are marked to be looked at again: each knows
   * for itself what it has heard.
   */
  async function sendAll(group: Group, outcome: Outcome, place: Position): Promise<void> {
    let now = moment()
    for (const listener of group.attached) {
      if (listener.position.seq >= place.seq) continue
      if (isUrgent(listener, now)) {
        sendAway(listener)
        continue
      }
      listener.position = place
      send(listener, outcome)
      while (pace.isOver()) {
        await pace.next()
        now = moment()
      }
    }
  }

  /** Delivers to those attached what there is, and waits for more when there is nothing. */
  async function leadOn(group: Group, onProgress: () => void): Promise<void> {
    await sift(group, isUrgent)
    if (group.deserted.signal.aborted) group.deserted = new AbortController()
    const events = await feed.read(group.position, batch)
    if (events.length === 0 && group.attached.size > 0) await feed.changed(group.position, group.deserted.signal)
    for (const event of events) {
      const isOurs = group.source.types.has(event.type)
      if (isOurs) await sift(group, isDue)
      const [any] = group.attached
      if (!any) return
      const outcome = isOurs && mayHear(event, any.actor) ? await execution.outcome(group, any.actor, event) : null
      onProgress()
      const place = after(group.position, event.seq)
      if (outcome) await sendAll(group, outcome, place)
      group.position = place
    }
    onProgress()
  }

  /** Delivers to all who are attached, until nobody is. */
  async function lead(group: Group): Promise<void> {
    group.isLed = true
    const patience = createPatience(options.patience)
    try {
      while (group.attached.size > 0) {
        try {
          await leadOn(group, patience.reset)
        } catch (error) {
          const fault = findPassing(error)
          if (!fault) throw error
          if (!(await patience.wait(fault, group.deserted.signal))) {
            onError(fault)
            throw fault
          }
        }
      }
    } catch (error) {
      for (const listener of [...group.attached]) end(listener, endingOf(listener, error))
    } finally {
      group.isLed = false
    }
  }

  return {
    pull: listener => pullUntil(listener, false) as AsyncGenerator<Outcome, Ending>,
    follow: listener => void follow(listener),
    expire: listener => end(listener, endingOf(listener, tokenEnded())),
    end,
  }
}

function after({ epoch }: Position, seq: number): Position {
  return { epoch, seq }
}
