import { type Db, openPostgres } from '../../src/database/client.ts'
import { transact } from '../../src/database/transaction.ts'
import { newUuid } from '../../src/ids.ts'
import type { JournalEvent, NewEvent } from '../../src/journal/catalog.ts'
import type { Position } from '../../src/journal/cursor.ts'
import type { Feed } from '../../src/journal/feed.ts'
import { appendEvents } from '../../src/journal/outbox.ts'

/** Commits events, each about a subject of its own unless told otherwise. Answers the subjects. */
export async function write(db: Db, ...events: Partial<NewEvent>[]): Promise<string[]> {
  const whole = events.map(
    (event): NewEvent => ({
      type: 'member.profile',
      subject: newUuid(),
      detail: { version: 1, fields: [] },
      audience: 'PUBLIC',
      ...event,
    }),
  )
  const cause = { actor: 'test', onBehalfOf: null, requestId: null, at: new Date() }
  await transact(db, tx => appendEvents(tx, whole, cause))
  return whole.map(event => event.subject)
}

/** Reads a feed until told to stop. */
export interface Reader {
  readonly heard: JournalEvent[]
  /** Resolves when this subject was heard. */
  until(subject: string): Promise<void>
  /** Resolves with the error that ended the reading; null when it was stopped. */
  stop(): Promise<void>
  readonly done: Promise<unknown>
}

/** Starts to read a feed after a position. */
export function follow(feed: Feed, after: Position = feed.position(), limit = 100): Reader {
  const heard: JournalEvent[] = []
  const stopping = new AbortController()
  const waiting = new Map<string, () => void>()
  async function run(): Promise<unknown> {
    let position = after
    try {
      while (!stopping.signal.aborted) {
        const events = await feed.read(position, limit)
        if (events.length === 0) await feed.changed(position, stopping.signal)
        for (const event of events) {
          heard.push(event)
          waiting.get(event.subject)?.()
        }
        position = { epoch: position.epoch, seq: events.at(-1)?.seq ?? position.seq }
      }
      return null
    } catch (error) {
      return error
    }
  }
  const done = run()
  return {
    heard,
    done,
    until: subject =>
      new Promise(resolve => {
        if (heard.some(event => event.subject === subject)) resolve()
        else waiting.set(subject, resolve)
      }),
    stop: async () => {
      stopping.abort()
      await done
    },
  }
}

/** All of the log, in order. */
export async function readWholeLog(db: Db): Promise<{ seq: number; subject: string }[]> {
  return await db.selectFrom('eventLog').select(['seq', 'subject']).orderBy('seq').execute()
}

/** The numbers from 1 on. */
export const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1)

/** Errors that are none in a test. */
export function unexpected(error: unknown): void {
  throw error
}

/** Another process's view of a database: a pool of its own. */
export const openAgain = (connectionString: string) => openPostgres(connectionString, 3)
