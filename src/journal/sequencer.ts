import { sql } from 'kysely'
import type { Db } from '../database/client.ts'
import { coalesce } from './coalesce.ts'

/** Moves committed events from the outbox into the log, where they get their places. */
export interface Sequencer {
  /** Tells that something was committed. Calls during a run lead to one more run. */
  wake(): void
  /** Resolves when no run is under way or asked for. */
  idle(): Promise<void>
  /** Finishes what is under way. Later wakes do nothing. */
  stop(): Promise<void>
}

/** The channel on which PostgreSQL tells the other processes of a new head. */
export const channel = 'alliance_journal'

/** How many events one transaction moves: it holds the head's lock, for which all processes wait. */
const batch = 500
/** How often we look for what a crashed process left behind, in milliseconds. */
const sweepInterval = 1_000

/**
 * Moves up to one batch in a transaction of its own.
 * The head is locked by a statement of its own: READ COMMITTED gives the next statement a snapshot taken after the lock
 * was granted, so that it sees all that the former holder moved away.
 */
async function moveBatch(db: Db, notify: boolean): Promise<{ moved: number; seq: number }> {
  return await db
    .transaction()
    .setIsolationLevel('read committed')
    .execute(async tx => {
      await sql`select seq from journal_head for update`.execute(tx)
      const { rows } = await sql<{ moved: number; seq: number }>`
        with taken as (
          delete from outbox where id in (select id from outbox order by id limit ${sql.lit(batch)}) returning *
        ), moved as (
          insert into event_log
            (seq, type, subject, detail, audience, audience_members, actor, on_behalf_of, request_id, at)
          select head.seq + row_number() over (order by taken.id), type, subject, detail, audience, audience_members,
            actor, on_behalf_of, request_id, at
          from taken cross join journal_head as head
          returning seq
        ), head as (
          update journal_head set seq = last from (select max(seq) as last from moved) as place where last is not null
          returning journal_head.seq
        )
        select head.seq, (select count(*) from moved) as moved
          ${notify ? sql`, pg_notify(${sql.lit(channel)}, head.seq::text)` : sql``}
        from head`.execute(tx)
      return rows[0] ?? { moved: 0, seq: 0 }
    })
}

async function isOutboxEmpty(db: Db): Promise<boolean> {
  const { rows } = await sql<{ waiting: boolean }>`select exists (select from outbox) as waiting`.execute(db)
  return !rows[0]?.waiting
}

/**
 * Starts to sequence. Any number of processes may do so on one database: each event is moved once, in one order.
 * @param options.onSequenced called after a commit with the new head
 * @param options.onError called with what went wrong; it is tried again within a second
 * @param options.connectionString of the database when processes share it: they are told of a new head by NOTIFY
 */
export function startSequencer(options: {
  readonly db: Db
  readonly connectionString: string | null
  readonly onSequenced?: (seq: number) => void
  readonly onError: (error: unknown) => void
}): Sequencer {
  const { db, onSequenced, onError } = options
  const notify = options.connectionString !== null
  let stopped = false
  let woken = false

  const runs = coalesce(async () => {
    const sweep = !woken
    woken = false
    try {
      if (sweep && (await isOutboxEmpty(db))) return
      for (;;) {
        const { moved, seq } = await moveBatch(db, notify)
        if (moved > 0) onSequenced?.(seq)
        if (moved < batch) return
      }
    } catch (error) {
      onError(error)
    }
  })
  const timer = setInterval(runs.request, sweepInterval)

  return {
    wake: () => {
      if (stopped) return
      woken = true
      runs.request()
    },
    idle: runs.settled,
    stop: async () => {
      stopped = true
      clearInterval(timer)
      await runs.settled()
    },
  }
}
