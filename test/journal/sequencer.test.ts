import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../src/database/client.ts'
import { startSequencer } from '../../src/journal/sequencer.ts'
import { createDatabase, itOnPostgres } from '../support/database.ts'
import { openAgain, readWholeLog, unexpected, upTo, write } from './story.ts'

let database: Database
beforeEach(async () => {
  database = await createDatabase()
})
afterEach(() => database.close())

const start = (options: Partial<Parameters<typeof startSequencer>[0]> = {}) =>
  startSequencer({ ...database, onError: unexpected, ...options })

async function countOutbox(): Promise<number> {
  return (await database.db.selectFrom('outbox').select('id').execute()).length
}

describe('the sequencer', () => {
  it('moves what writers committed, none of what they rolled back, without a hole and in their order', async () => {
    const { db } = database
    const sequencer = start()
    const committed: string[][] = []
    const writer = async (number: number) => {
      const mine: string[] = []
      for (let i = 0; i < 40; i++) {
        if ((i * 7 + number) % 5 === 0) {
          const failing = db.transaction().execute(async tx => {
            await write(tx, {}, {})
            throw new Error('changed my mind')
          })
          await expect(failing).rejects.toThrow()
        } else mine.push(...(await write(db, ...Array.from({ length: (i % 3) + 1 }, () => ({})))))
        sequencer.wake()
      }
      committed.push(mine)
    }
    await Promise.all(upTo(8).map(writer))
    await sequencer.idle()

    const log = await readWholeLog(db)
    expect(log.map(event => event.seq)).toEqual(upTo(log.length))
    expect(log.map(event => event.subject).sort()).toEqual(committed.flat().sort())
    // What one writer committed one after the other stands in that order.
    for (const mine of committed) {
      const own = new Set(mine)
      expect(log.flatMap(event => (own.has(event.subject) ? event.subject : []))).toEqual(mine)
    }
    expect(await countOutbox()).toBe(0)
    await sequencer.stop()
  })

  it('keeps all that an event says', async () => {
    const sequencer = start()
    const member = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b'
    const detail = { version: 3, fields: ['shortNames', 'a_b'] }
    await write(database.db, { audience: 'MEMBERS', audienceMembers: [member], detail })
    sequencer.wake()
    await sequencer.idle()
    const event = await database.db.selectFrom('eventLog').selectAll().executeTakeFirstOrThrow()
    expect(event).toMatchObject({ seq: 1, type: 'member.profile', detail, audience: 'MEMBERS', actor: 'test' })
    expect(event.audienceMembers).toEqual([member])
    await sequencer.stop()
  })

  it('moves more than one batch in one run, and tells of each', async () => {
    const heads: number[] = []
    const sequencer = start({ onSequenced: seq => heads.push(seq) })
    await sql`insert into outbox (type, subject, detail, audience, actor, at)
      select 'member.profile', gen_random_uuid(), '{}', 'PUBLIC', 'test', now() from generate_series(1, 1200)`.execute(
      database.db,
    )
    sequencer.wake()
    await sequencer.idle()
    expect(heads).toEqual([500, 1000, 1200])
    expect((await readWholeLog(database.db)).map(event => event.seq)).toEqual(upTo(1200))
    await sequencer.stop()
  })

  it('finds what nobody woke it for', async () => {
    await write(database.db, {}, {})
    const { promise: sequenced, resolve } = Promise.withResolvers<number>()
    const sequencer = start({ onSequenced: resolve })
    expect(await sequenced).toBe(2)
    await sequencer.stop()
  })

  it('reports an error, leaves all in place, and does it when it can', async () => {
    const { promise: failed, resolve: onError } = Promise.withResolvers<unknown>()
    const { promise: sequenced, resolve: onSequenced } = Promise.withResolvers<number>()
    await sql`alter table event_log rename to event_log_away`.execute(database.db)
    const sequencer = start({ onError, onSequenced })
    await write(database.db, {})
    sequencer.wake()
    expect(String(await failed)).toContain('event_log')
    expect(await countOutbox()).toBe(1)
    await sql`alter table event_log_away rename to event_log`.execute(database.db)
    expect(await sequenced).toBe(1)
    await sequencer.stop()
  })

  it('finishes its run when it is stopped, and begins none after', async () => {
    const sequencer = start()
    await write(database.db, {})
    sequencer.wake()
    await sequencer.stop()
    expect(await readWholeLog(database.db)).toHaveLength(1)
    await write(database.db, {})
    sequencer.wake()
    await sequencer.idle()
    expect(await readWholeLog(database.db)).toHaveLength(1)
  })

  itOnPostgres('sees what was committed while it waited for another sequencer', async () => {
    const other = openAgain(database.connectionString!)
    const { promise: isHeld, resolve: held } = Promise.withResolvers<void>()
    const { promise: mayRelease, resolve: release } = Promise.withResolvers<void>()
    const holding = other.db.transaction().execute(async tx => {
      await sql`select seq from journal_head for update`.execute(tx)
      held()
      await mayRelease
    })
    await isHeld
    await write(database.db, {})
    const sequencer = start()
    sequencer.wake()
    // It waits for the lock now: the event that is committed meanwhile is moved by this very run.
    for (let waits = false; !waits; ) {
      const { rows } = await sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`.execute(other.db)
      waits = rows.length > 0
    }
    await write(database.db, {})
    release()
    await holding
    await sequencer.idle()
    expect(await readWholeLog(database.db)).toHaveLength(2)
    await sequencer.stop()
    await other.close()
  })

  itOnPostgres('shares the work with others, each event once', async () => {
    const others = upTo(3).map(() => openAgain(database.connectionString!))
    const sequencers = [database, ...others].map(({ db, connectionString }) =>
      startSequencer({ db, connectionString, onError: unexpected }),
    )
    const written = await Promise.all(
      upTo(400).map(async i => {
        const subjects = await write(database.db, {}, {})
        sequencers[i % sequencers.length]!.wake()
        return subjects
      }),
    )
    await Promise.all(sequencers.map(sequencer => sequencer.idle()))
    const log = await readWholeLog(database.db)
    expect(log.map(event => event.seq)).toEqual(upTo(800))
    expect(log.map(event => event.subject).sort()).toEqual(written.flat().sort())
    await Promise.all(sequencers.map(sequencer => sequencer.stop()))
    await Promise.all(others.map(other => other.close()))
  })
})
