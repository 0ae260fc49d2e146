import pg from 'pg'
import { afterAll, beforeAll, expect } from 'vitest'
import { seedBig } from '../bench/big-seed.ts'
import { type BigAlliance, type BigRead, openBigAlliance } from '../support/big-lists.ts'
import { createPostgresDatabase, itOnPostgres, onPostgres } from '../support/database.ts'
import { captureStatements, explain } from '../support/plans.ts'

/*
 * Whether every list stays quick when there is much: by how PostgreSQL reads the statements that the service sends, on
 * some thousand members. test/bench/big.ts does the same on a million.
 */

const sizes = { members: 20_000, events: 20_000, announcements: 10_000 }
const large = [
  'members',
  'member_facets',
  'member_search',
  'member_references',
  'member_revisions',
  'announcements',
  'announcement_revisions',
  'announcement_recipients',
  'office_terms',
  'office_term_changes',
  'initiative_signatures',
  'event_log',
  'tokens',
  'officers',
  'invitations',
  'mails',
]
const first = 10
/** The most that a page holds, twice: of so few PostgreSQL may rather sort all than read in order. */
const mostSorted = 200
const mostVisited = 40 * (first + 1)
/** What is searched by several conditions, or by a text, reads no more than this, whatever there is. */
const mostSearched = 7_000

let big: BigAlliance
let client: pg.Client

beforeAll(async () => {
  if (!onPostgres()) return
  const connectionString = await createPostgresDatabase()
  big = await openBigAlliance(connectionString, await seedBig(connectionString, sizes))
  client = new pg.Client({ connectionString })
  await client.connect()
  // So much dearer than here would it be to read all of a million.
  await client.query('set seq_page_cost = 50')
}, 600_000)

afterAll(async () => {
  await client?.end()
  await big?.close()
})

/** The cursor behind the first thousand entries, or as many full pages of a hundred as there are; null for none. */
async function deepCursor(read: BigRead): Promise<string | null> {
  let cursor: string | null = null
  for (let page = 0; page < 10; page++) {
    const { shown, end } = await read.run(100, cursor)
    if (shown < 100) break
    cursor = end
  }
  return cursor
}

async function faultsOf(read: BigRead): Promise<string[]> {
  const deep = await deepCursor(read)
  const faults: string[] = []
  for (const cursor of deep === null ? [null] : [null, deep]) {
    const statements = await captureStatements(() => read.run(first, cursor))
    expect(statements, read.name).not.toEqual([])
    // Of some thousand members a search may well read all when it is planned for its values: of a million it would not.
    for (const statement of statements)
      for (const mode of read.isSearch ? (['generic'] as const) : (['generic', 'custom'] as const)) {
        const { scanned, sorted, visited } = await explain(client, statement, mode)
        const all = scanned.filter(table => large.includes(table))
        const isGood =
          all.length === 0 && (read.isSearch ? visited <= mostSearched : sorted <= mostSorted && visited <= mostVisited)
        if (!isGood)
          faults.push(
            `${read.name}, ${cursor ? 'deep' : 'first'} page, ${mode} plan: read all of ${all.join(', ') || 'none'}, sorted ${sorted}, visited ${visited}`,
          )
      }
  }
  return faults
}

itOnPostgres('every list, filter and search reads its pages by an index', { timeout: 600_000 }, async () => {
  const faults: string[] = []
  for (const read of big.reads) faults.push(...(await faultsOf(read)))
  expect(faults).toEqual([])
})
