import { sql } from 'kysely'
import type { Db } from '../database/client.ts'
import type { JournalEvent } from './catalog.ts'

/** A stretch of the log, and its head at the same moment. */
export interface LogSlice {
  readonly epoch: string
  /** The place of the last event; 0 in an empty log. */
  readonly head: number
  /** In order, from `after + 1` on, without a hole. */
  readonly events: readonly JournalEvent[]
  /** Whether events that should be in the slice are missing from the log. */
  readonly hasHole: boolean
}

/**
 * Reads the events after a place, with the head: one statement, so that both are of the same moment.
 * @throws Error when the journal has no head, such as while a backup is being restored
 */
export async function readLog(db: Db, after: number, limit: number): Promise<LogSlice> {
  const { rows } = await sql<JournalEvent & { epoch: string; head: number; seq: number | null }>`
    select h.epoch, h.seq as head, e.*
    from journal_head as h
    left join (select * from event_log where seq > ${after} order by seq limit ${limit}) as e on e.seq <= h.seq
    order by e.seq`.execute(db)
  const first = rows[0]
  if (!first) throw new Error('The journal has no head: the table journal_head is empty.')
  const events = rows.flatMap(({ epoch, head, ...event }) => (event.seq === null ? [] : [event]))
  const expected = Math.max(0, Math.min(limit, first.head - after))
  const hasHole = events.length < expected || events.some((event, i) => event.seq !== after + 1 + i)
  return { epoch: first.epoch, head: first.head, events, hasHole }
}

/**
 * Begins a new epoch after the log went back to an earlier state, as from a backup: places are about to be given out
 * again, and cursors of the lost history must not be taken for cursors of the new one. Of several processes that see
 * it, the first does it.
 */
export async function renewEpoch(db: Db, epoch: string): Promise<void> {
  await sql`update journal_head set epoch = gen_random_uuid() where epoch = ${epoch}`.execute(db)
}
