import { sql } from 'kysely'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { change, changeAtOnce, programRequest, type Request } from '../../src/access/request.ts'
import type { Database } from '../../src/database/client.ts'
import { statement } from '../../src/database/statement.ts'
import { transact } from '../../src/database/transaction.ts'
import { newUuid } from '../../src/ids.ts'
import type { NewEvent } from '../../src/journal/catalog.ts'
import { createNews } from '../../src/journal/news.ts'
import { appendingEvent, type Reported } from '../../src/journal/outbox.ts'
import { createDatabase } from '../support/database.ts'

let database: Database
let told: NewEvent[][]
let request: Request
beforeEach(async () => {
  database = await createDatabase()
  told = []
  request = programRequest(database.db, new Date(), 'test', events => void told.push([...events]))
})
afterEach(() => database.close())

const event = (): NewEvent<'portal.registered'> => ({
  type: 'portal.registered',
  subject: newUuid(),
  detail: {},
  audience: 'SECRETARIAT',
})
const outbox = async () =>
  (await database.db.selectFrom('outbox').select('subject').orderBy('id').execute()).map(({ subject }) => subject)

it('a change reports its events in their order, and tells this process of them', async () => {
  const events = [event(), event(), event()]
  const answer = await change(request, async (_, report) => {
    for (const each of events) await report(each)
    return 'made'
  })
  expect(answer).toBe('made')
  expect(await outbox()).toEqual(events.map(({ subject }) => subject))
  expect(told).toEqual([events])
})

it('a change that fails reports nothing, and one without events wakes nobody', async () => {
  const failing = change(request, async (_, report) => {
    await report(event())
    throw new Error('changed my mind')
  })
  await expect(failing).rejects.toThrow('changed my mind')
  expect(await outbox()).toEqual([])
  told = []
  await change(request, async () => undefined)
  expect(told).toEqual([])
})

it('a change that is tried again reports once', async () => {
  const first = event()
  let attempts = 0
  await change(request, async (_, report) => {
    await report(first)
    if (++attempts < 3) throw Object.assign(new Error('deadlock detected'), { code: '40P01' })
  })
  expect(await outbox()).toEqual([first.subject])
  expect(told).toEqual([[first]])
})

it('a change within another is undone with it', async () => {
  const outer = transact(database.db, async tx => {
    await change({ ...request, db: tx }, (_, report) => report(event()))
    throw new Error('changed my mind')
  })
  await expect(outer).rejects.toThrow('changed my mind')
  expect(await outbox()).toEqual([])
})

it('a change of one statement reports for the row that it changed, and not without one', async () => {
  const [changed, missed] = [event(), event()]
  await sql`create table changes (value integer)`.execute(database.db)
  const value = (input: { value: number | null }) => input.value
  const writing = statement<{ value: number | null } & Reported>`
    with changed as (insert into changes select ${value}::integer where ${value}::integer is not null returning value)
    ${appendingEvent}`
  expect(await changeAtOnce(request, changed, writing, { value: 7 })).toBe(true)
  expect(await changeAtOnce(request, missed, writing, { value: null })).toBe(false)
  expect((await sql`select value from changes`.execute(database.db)).rows).toEqual([{ value: 7 }])
  expect(await outbox()).toEqual([changed.subject])
  expect(told).toEqual([[changed]])
})

it('a change of one statement that met a deadlock is tried again', async () => {
  await sql`create sequence attempts`.execute(database.db)
  await sql`create function third_time() returns integer language plpgsql as $$
    declare attempt integer := nextval('attempts');
    begin
      if attempt < 3 then raise exception 'deadlock detected' using errcode = '40P01'; end if;
      return attempt;
    end $$`.execute(database.db)
  const first = event()
  const writing = statement<Reported>`
    with changed as materialized (select third_time() as value) ${appendingEvent}`
  expect(await changeAtOnce(request, first, writing, {})).toBe(true)
  expect(await outbox()).toEqual([first.subject])
  expect(told).toEqual([[first]])
})

it('news reach every listener, also when one of them fails', () => {
  const errors: unknown[] = []
  const heard: number[] = []
  const news = createNews(error => errors.push(error))
  news.onCommitted(() => {
    throw new Error('deaf')
  })
  news.onCommitted(events => heard.push(events.length))
  news.tell([event(), event()])
  expect(heard).toEqual([2])
  expect(errors.map(String)).toEqual(['Error: deaf'])
})
