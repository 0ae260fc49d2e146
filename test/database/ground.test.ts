import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/database/client.ts'
import { transact } from '../../src/database/transaction.ts'
import { createDatabase, itOnPostgres } from '../support/database.ts'

let database: Database
beforeAll(async () => {
  database = await createDatabase()
})
afterAll(() => database.close())

describe('both drivers answer alike', () => {
  it('reads int8 as number, date and interval as text, bytea as Buffer, timestamptz as Date', async () => {
    const { rows } = await sql<Record<string, unknown>>`
      select 4611686018427::int8 as big, date '2022-09-26' as day, interval '1 day 2 hours' as span,
        '\\x00ff'::bytea as bytes, timestamptz '2026-11-23T08:00:00.123Z' as moment, 1.50::numeric as money,
        '{"aB": [1]}'::jsonb as doc, array['x', 'y'] as list`.execute(database.db)
    expect(rows[0]).toEqual({
      big: 4611686018427,
      day: '2022-09-26',
      span: '1 day 02:00:00',
      bytes: Buffer.from([0, 255]),
      moment: new Date('2026-11-23T08:00:00.123Z'),
      money: '1.50',
      doc: { aB: [1] },
      list: ['x', 'y'],
    })
  })

  it('refuses an int8 that a number cannot hold', async () => {
    await expect(sql`select 9007199254740993::int8`.execute(database.db)).rejects.toThrow('beyond 2^53')
  })
})

describe('transactions', () => {
  it('are tried again after a serialization failure, and give up after five times', async () => {
    let runs = 0
    const failing = transact(database.db, async tx => {
      runs++
      await sql`do $$ begin raise exception 'meant' using errcode = '40001'; end $$`.execute(tx)
    })
    await expect(failing).rejects.toThrow('meant')
    expect(runs).toBe(5)
    await expect(
      transact(database.db, async tx => {
        if (runs++ < 7) await sql`do $$ begin raise exception 'meant' using errcode = '40P01'; end $$`.execute(tx)
        return 'done'
      }),
    ).resolves.toBe('done')
  })

  it('keep what runs beside them out', async () => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>()
    const before = await database.db
      .selectFrom('outbox')
      .select(sql<number>`count(*)`.as('n'))
      .executeTakeFirstOrThrow()
    const failing = database.db.transaction().execute(async tx => {
      await sql`insert into outbox (type, subject, detail, audience, actor, at)
        values ('x', gen_random_uuid(), '{}', 'PUBLIC', 'test', now())`.execute(tx)
      await held
      throw new Error('rolled back')
    })
    const beside = database.db.selectFrom('outbox').select(sql<number>`count(*)`.as('n')).executeTakeFirstOrThrow()
    release()
    await expect(failing).rejects.toThrow('rolled back')
    expect(await beside).toEqual(before)
  })
})

itOnPostgres('a connection that the server ends amid a transaction fails this one, not the process', async () => {
  const { db } = database
  const { promise: isEnded, resolve: ended } = Promise.withResolvers<void>()
  const { promise: pid, resolve: begun } = Promise.withResolvers<number>()
  const transaction = db.transaction().execute(async tx => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx)
    begun(rows[0]!.pid)
    await isEnded
    await sql`select 1`.execute(tx)
  })
  const outcome = expect(transaction).rejects.toThrow()
  const victim = await pid
  await sql`select pg_terminate_backend(${victim})`.execute(db)
  for (let gone = false; !gone; )
    gone = (await sql`select 1 from pg_stat_activity where pid = ${victim}`.execute(db)).rows.length === 0
  ended()
  await outcome
  expect((await sql<{ one: number }>`select 1 as one`.execute(db)).rows).toEqual([{ one: 1 }])
})
