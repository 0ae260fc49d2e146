import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { anonymous } from '../../src/access/actor.ts'
import type { Database } from '../../src/database/client.ts'
import type { PageArgs, PageOrder } from '../../src/database/page.ts'
import { findPages } from '../../src/reads/listing.ts'
import { listing, source } from '../../src/reads/source.ts'
import type { TermRow } from '../../src/vocabularies/store.ts'
import { createDatabase } from '../support/database.ts'

let database: Database
beforeAll(async () => {
  database = await createDatabase()
})
afterAll(() => database.close())

describe('pages', () => {
  const order: PageOrder = {
    name: 'code',
    direction: 'asc',
    keys: [
      { expression: sql`position`, type: 'int' },
      { expression: sql`code`, type: 'text' },
    ],
  }
  const fields = listing(source<TermRow>('vocabularyTerms'), db =>
    db.selectFrom('vocabularyTerms').where('vocabulary', '=', 'FIELD'),
  )
  /** A page of the terms, and the number of all. */
  async function read(args: PageArgs, by = order) {
    const [unread] = findPages(database.db, anonymous, fields, { input: {}, order: by }, [[]], args)
    return { ...(await unread!.read()), total: await unread!.count() }
  }
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
    const one = await read({ first: 4 })
    expect([codes(one), one.hasNextPage, one.hasPreviousPage]).toEqual(['abcd', true, false])
    const two = await read({ first: 4, after: one.cursorAt(one.rows.length - 1) })
    expect([codes(two), two.hasNextPage, two.hasPreviousPage]).toEqual(['efgh', true, true])
    const three = await read({ first: 4, after: two.cursorAt(two.rows.length - 1) })
    expect([codes(three), three.hasNextPage]).toEqual(['ij', false])
    expect(three.total).toBe(10)
  })

  it('go backward from the end', async () => {
    const one = await read({ last: 4 })
    expect([codes(one), one.hasNextPage, one.hasPreviousPage]).toEqual(['ghij', false, true])
    const two = await read({ last: 7, before: one.cursorAt(0) })
    expect([codes(two), two.hasNextPage, two.hasPreviousPage]).toEqual(['abcdef', true, false])
  })

  it('go downward', async () => {
    const down: PageOrder = { ...order, direction: 'desc' }
    const one = await read({ first: 3 }, down)
    expect(codes(one)).toBe('jih')
    expect(codes(await read({ first: 3, after: one.cursorAt(one.rows.length - 1) }, down))).toBe('gfe')
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
    await expect(read(args)).rejects.toThrow(message)
  })
})
