import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/database/client.ts'
import { type PageOrder, readPage } from '../../src/database/page.ts'
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

describe('pages', () => {
  const order: PageOrder = {
    name: 'code',
    direction: 'asc',
    keys: [
      { expression: sql`position`, type: 'int' },
      { expression: sql`code`, type: 'text' },
    ],
  }
  const query = () => database.db.selectFrom('vocabularyTerms').select('code').where('vocabulary', '=', 'FIELD')
  const codes = (page: { rows: readonly { code: string }[] }) => page.rows.map(({ code }) => code).join('')

  beforeAll(async () => {
    const terms = [...'abcdefghij'].map((code, i) => ({
      vocabulary: 'FIELD' as const,
      code,
      position: Math.floor(i / 3),
      labels: '{}',
      source: 'test',
    }))
    await database.db
      .insertInto('vocabularyTerms')
      .values(terms as never)
      .execute()
  })

  it('go forward to the end, each row once', async () => {
    const one = await readPage(query(), order, { first: 4 })
    expect([codes(one), one.hasNextPage, one.hasPreviousPage]).toEqual(['abcd', true, false])
    const two = await readPage(query(), order, { first: 4, after: one.cursorAt(one.rows.length - 1) })
    expect([codes(two), two.hasNextPage, two.hasPreviousPage]).toEqual(['efgh', true, true])
    const three = await readPage(query(), order, { first: 4, after: two.cursorAt(two.rows.length - 1) })
    expect([codes(three), three.hasNextPage]).toEqual(['ij', false])
    expect(await three.count()).toBe(10)
  })

  it('go backward from the end', async () => {
    const one = await readPage(query(), order, { last: 4 })
    expect([codes(one), one.hasNextPage, one.hasPreviousPage]).toEqual(['ghij', false, true])
    const two = await readPage(query(), order, { last: 7, before: one.cursorAt(0) })
    expect([codes(two), two.hasNextPage, two.hasPreviousPage]).toEqual(['abcdef', true, false])
  })

  it('go downward', async () => {
    const down: PageOrder = { ...order, direction: 'desc' }
    const one = await readPage(query(), down, { first: 3 })
    expect(codes(one)).toBe('jih')
    expect(codes(await readPage(query(), down, { first: 3, after: one.cursorAt(one.rows.length - 1) }))).toBe('gfe')
  })

  it.each([
    [{ first: 0 }, 'from 1 to 100'],
    [{ first: 1000 }, 'from 1 to 100'],
    [{ last: -1 }, 'from 1 to 100'],
    [{ first: 1_000_000 }, 'from 1 to 100'],
    [{ first: 1, last: 1 }, 'not both'],
    [{ last: 1, after: 'x' }, 'with "first"'],
    [{ after: 'rubbish' }, 'The cursor is not one of this list'],
    [{ after: Buffer.from('["other","1","a"]').toString('base64url') }, 'The cursor is not one of this list'],
    [{ after: Buffer.from('["code","x","a"]').toString('base64url') }, 'The cursor is not one of this list'],
    [{ after: Buffer.from('["code","1","a\\u0000"]').toString('base64url') }, 'The cursor is not one of this list'],
    [{ after: Buffer.from('{"a":1}').toString('base64url') }, 'The cursor is not one of this list'],
  ])('refuse %j', async (args, message) => {
    await expect(readPage(query(), order, args)).rejects.toThrow(message)
  })
})
