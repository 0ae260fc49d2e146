import DataLoader from 'dataloader'
import type { DocumentNode } from 'graphql'
import { type Actor, visibilityKey } from '../access/actor.ts'
import type { JournalEvent } from '../journal/catalog.ts'
import { writeCursor } from '../journal/cursor.ts'
import { type Context, createContext, type Services } from './context.ts'
import type { LiveRoot } from './live.ts'
import { findPassing } from './live-fault.ts'
import type { Outcome } from './live-frames.ts'
import type { Gate } from './live-gate.ts'
import type { Pace } from './live-pace.ts'
import { impersonal } from './live-personal.ts'
import type { Audience } from './live-sharing.ts'

/** One event as those see it who see the same: what is read or executed for one of their groups serves the others. */
export interface Reading {
  /** A context for one of the groups: in its language, with the loaders of all. */
  contextFor(audience: Audience): Context
  /**
   * What the field answers a group; null when the event is not for it. Groups who ask in the same turn are answered
   * together, so that a noun that batches reads once for all.
   * @throws Error when the database can't answer now
   */
  root(audience: Audience): Promise<LiveRoot | null>
  /** What was or is being executed on this payload for one of those who select the same, or else is from now on. */
  execute(audience: Audience, root: LiveRoot, work: () => Promise<Outcome>): Promise<Outcome>
}

/** The readings of a process: each is there while any of its groups uses it. */
export interface Readings {
  /** Works with the reading of an event for an actor of the audience. After an error who comes from then on reads anew. */
  use<T>(audience: Audience, actor: Actor, event: JournalEvent, work: (reading: Reading) => Promise<T>): Promise<T>
}

/**
 * How long those who come join a reading, in milliseconds: what it has read is not read again. Listeners who catch up one
 * after the other could else be told for long what is not so any more.
 */
const joinable = 1_000
/** How many groups are answered at once: what is done for one takes some microseconds. */
const batch = 200

const numbers = new WeakMap<object, number>()
let lastNumber = 0

/** Tells things apart that may look the same. */
function numberOf(thing: object): number {
  const number = numbers.get(thing) ?? ++lastNumber
  numbers.set(thing, number)
  return number
}

/** Equal for payloads of which every field has the same value: the same text or number, or the very same object. */
function payloadKey(payload: object): string {
  return JSON.stringify(
    Object.entries(payload).map(([name, value]) => [
      name,
      typeof value === 'object' && value !== null ? { same: numberOf(value) } : value,
    ]),
  )
}

/** Makes the readings, none at first. @param gate lets only so many batches be answered at once */
export function createReadings(services: Services, gate: Gate, pace: Pace): Readings {
  const readings = new Map<string, { readonly reading: Reading; readonly since: number; users: number }>()

  function open({ isPersonal, operation, epoch }: Audience, actor: Actor, event: JournalEvent): Reading {
    const caller = { actor: isPersonal ? actor : impersonal(actor), locale: operation.locale }
    const context = createContext(services, caller)
    const cursor = writeCursor({ epoch, seq: event.seq })
    const contextFor = (audience: Audience): Context => ({ ...context, locale: audience.operation.locale })
    const executions = new Map<string, { readonly document: DocumentNode; readonly outcome: Promise<Outcome> }>()

    async function answer(audience: Audience): Promise<LiveRoot | null> {
      try {
        const payload = await audience.source.payload(event, contextFor(audience))
        return payload && { payload: { cursor, at: event.at, ...payload } }
      } catch (failure) {
        if (findPassing(failure)) throw failure
        return { failure }
      }
    }
    const answers = new DataLoader<Audience, LiveRoot | null>(
      audiences =>
        gate(async () => {
          while (pace.isOver()) await pace.next()
          return Promise.all(audiences.map(answer))
        }),
      { cache: false, maxBatchSize: batch, batchScheduleFn: dispatch => void pace.next().then(dispatch) },
    )

    return {
      contextFor,
      root: audience => answers.load(audience),
      execute: async (audience, root, work) => {
        if ('failure' in root) return work()
        const { document } = audience.operation
        const key = `${payloadKey(root.payload)} ${audience.content}`
        const known = executions.get(key)
        if (!known) {
          const outcome = work()
          executions.set(key, { document, outcome })
          return outcome
        }
        const outcome = await known.outcome
        // Errors say where in the document they are.
        return outcome.result.errors && known.document !== document ? work() : outcome
      },
    }
  }

  return {
    use: async (audience, actor, event, work) => {
      const key = `${audience.epoch} ${event.seq} ${visibilityKey(actor, audience.isPersonal)}`
      const known = readings.get(key)
      const now = performance.now()
      const used =
        known && now - known.since < joinable ? known : { reading: open(audience, actor, event), since: now, users: 0 }
      readings.set(key, used)
      const forget = () => {
        if (readings.get(key) === used) readings.delete(key)
      }
      used.users++
      try {
        return await work(used.reading)
      } catch (error) {
        // Loaders keep their errors, too.
        forget()
        throw error
      } finally {
        if (--used.users === 0) forget()
      }
    },
  }
}
