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
 * How many times as long as a run took there is none after it. Under load the commits of some milliseconds share a run:
 * each run costs a write of the head, a NOTIFY and a read of the log by every process.
 */
const rest = 4

/** Moves up to one batch: one statement, which is a transaction of its own. */
async function moveBatch(db: Db, notify: boolean): Promise<{ moved: number; head: number }> {
  const { rows } = await sql<{ moved: number; head: number }>`
    select moved, head from sequence_outbox(${batch}, ${notify ? channel : null})`.execute(db)
  return rows[0]!
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
        const { moved, head } = await moveBatch(db, notify)
        if (moved > 0) onSequenced?.(head)
        if (moved < batch) return
      }
    } catch (error) {
      onError(error)
    }
  }, rest)
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
