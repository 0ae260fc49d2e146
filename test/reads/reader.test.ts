import { parse } from 'graphql'
import { CompiledQuery, sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Db } from '../../src/database/client.ts'
import { readFlat } from '../../src/database/reader.ts'
import { isUnavailable } from '../../src/database/unavailable.ts'
import { createContext } from '../../src/graphql/context.ts'
import { createPlanner } from '../../src/graphql/planner.ts'
import { openReading, type Reading } from '../graphql/plan-reading.ts'
import { type Alliance, createAlliance } from '../support/alliance.ts'
import { itOnPglite, itOnPostgres } from '../support/database.ts'

let alliance: Alliance
let reading: Reading
beforeAll(async () => {
  alliance = await createAlliance()
  reading = await openReading(alliance)
})
afterAll(async () => {
  await reading.close()
  await alliance.close()
})

const read = (db: Db, text: string, parameters: readonly unknown[] = []) =>
  readFlat(db, CompiledQuery.raw(text), parameters)

/** The backend that reads now: the first lane, while nothing else is read. */
const backend = async ({ db }: Reading) => (await read(db, 'select pg_backend_pid()'))[0]![0] as number

const prepared = async ({ db }: Reading) =>
  (await read(db, 'select statement from pg_prepared_statements order by prepare_time')).map(([text]) => text)

async function withReading(options: { named?: boolean }, work: (reading: Reading) => Promise<void>): Promise<void> {
  const own = await openReading(alliance, options)
  try {
    await work(own)
  } finally {
    await own.close()
  }
}

describe('the reader', () => {
  itOnPostgres('names statements that come again', () =>
    withReading({}, async own => {
      const text = 'select $1::int + 1'
      expect(await read(own.db, text, [1])).toEqual([[2]])
      expect(await prepared(own)).not.toContain(text)
      expect(await read(own.db, text, [2])).toEqual([[3]])
      expect(await read(own.db, text, [3])).toEqual([[4]])
      expect((await prepared(own)).filter(one => one === text)).toHaveLength(1)
    }),
  )

  itOnPostgres('bounds the names that a connection holds, also under load', () =>
    withReading({}, async own => {
      const first = await backend(own)
      const texts = Array.from({ length: 1_300 }, (_, i) => `select ${i}`)
      const done = await Promise.all(
        texts.map(async (text, i) => {
          await read(own.db, text)
          return (await read(own.db, text))[0]![0] === i
        }),
      )
      expect(done.every(Boolean)).toBe(true)
      // One by one, all of them come by the first lane.
      for (const text of texts) for (let time = 0; time < 2; time++) await read(own.db, text)
      expect((await prepared(own)).length).toBeLessThanOrEqual(1_001)
      expect(await backend(own)).not.toBe(first)
    }),
  )

  itOnPostgres('names nothing where it may not', () =>
    withReading({ named: false }, async own => {
      for (let i = 0; i < 3; i++) await read(own.db, 'select $1::int + 1', [i])
      expect(await prepared(own)).toEqual([])
      // Those of the pool neither.
      for (let i = 0; i < 3; i++) await sql`select ${i}::int`.execute(own.db)
      const { rows } = await sql`select 1 from pg_prepared_statements`.execute(own.db)
      expect(rows).toEqual([])
    }),
  )

  itOnPostgres('reads on when a migration changed what a named statement answers', async () => {
    const { schema, services } = alliance
    const faults: unknown[] = []
    const planner = createPlanner(schema, error => faults.push(error))
    const document = parse('{ regions(first: 3) { nodes { code source } } }')
    const ask = () => {
      const context = createContext({ ...services, db: reading.db }, { actor: alliance.anonymous, locale: 'en' })
      return planner.answer(document, document.definitions[0] as never, {}, context)
    }
    const before = [await ask(), await ask(), await ask()][2]
    const text = (await prepared(reading)).find(one => String(one).includes('"regions"."source"'))
    expect(text).toBeDefined()
    await sql`alter table regions alter column source type varchar(200)`.execute(alliance.db)
    // What comes before the answer of the first, too.
    const after = await Promise.all(Array.from({ length: 10 }, ask))
    expect(after).toEqual(Array.from({ length: 10 }, () => before))
    expect(await ask()).toEqual(before)
    expect(faults).toEqual([])
  })

  itOnPostgres('outlives its backends', async () => {
    const end = async () => {
      const lanes = await Promise.all([1, 2].map(() => read(reading.db, 'select pg_backend_pid(), pg_sleep(0.01)')))
      const backends = lanes.map(([row]) => row![0])
      expect(new Set(backends).size).toBe(2)
      const cut = [1, 2, 3].map(() => read(reading.db, 'select pg_sleep(30)'))
      const outcomes = Promise.allSettled(cut)
      await expect
        .poll(async () => {
          const { rows } = await sql`
            select 1 from pg_stat_activity where pid = any(${backends}) and query like '%pg_sleep(30)%'`.execute(
            alliance.db,
          )
          return rows.length
        })
        .toBe(2)
      await sql`select pg_terminate_backend(pid) from unnest(${backends}::int[]) as pid`.execute(alliance.db)
      return outcomes
    }
    for (const outcome of await end()) {
      expect(outcome.status).toBe('rejected')
      expect(isUnavailable((outcome as PromiseRejectedResult).reason)).toBe(true)
    }
    expect(await read(reading.db, 'select 1')).toEqual([[1]])
    expect(await Promise.all([1, 2, 3].map(() => read(reading.db, 'select 1')))).toEqual([[[1]], [[1]], [[1]]])
  })

  itOnPostgres('lets a slow statement hold up its own lane alone', async () => {
    let isSlowDone = false
    const slow = read(reading.db, 'select pg_sleep(3)').then(() => {
      isSlowDone = true
    })
    // Until it counts as slow.
    await read(reading.db, 'select pg_sleep(0.1)')
    for (let i = 0; i < 20; i++) await Promise.all([1, 2, 3].map(() => read(reading.db, 'select 1')))
    expect(isSlowDone).toBe(false)
    await slow
  })

  itOnPglite('never reads within the open transaction of another', async () => {
    const { db } = alliance
    const count = async (on: Db) => (await read(on, 'select count(*)::int from portals'))[0]![0]
    let outside: Promise<unknown> | undefined
    const within: unknown[] = []
    await db
      .transaction()
      .execute(async tx => {
        await sql`insert into portals (id, name, contact, purpose, scopes, created_at)
          values (gen_random_uuid(), 'P', 'p@example.org', 'test', '{}', now())`.execute(tx)
        outside = count(db)
        // The other is asked for while this goes on.
        for (let i = 0; i < 3; i++) within.push(await count(tx))
        throw new Error('undone')
      })
      .catch(() => undefined)
    expect(within).toEqual([1, 1, 1])
    expect(await outside).toBe(0)
  })

  it('answers rows in the order of what is selected', async () => {
    expect(await read(reading.db, 'select 2 as b, 1 as a, null as c')).toEqual([[2, 1, null]])
  })
})
