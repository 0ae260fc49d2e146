import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import type { PageArgs } from '../../src/database/page.ts'
import type { Shares } from '../../src/database/shares.ts'
import { askDirectory, bodiesWithin, directory } from '../../src/members/directory.ts'
import { type MemberFilter, type MemberOrder, meeting } from '../../src/members/list.ts'
import { placeFacet } from '../../src/members/route.ts'
import { visibleMembers } from '../../src/members/store.ts'
import { findPages } from '../../src/reads/listing.ts'
import { type Alliance, createAlliance, places } from '../support/alliance.ts'

/*
 * Whatever way a list is read, by the stretches of its facets, by the last change or whole, it shows the same members in
 * the same order as the plain conditions on all members.
 */

let alliance: Alliance
let staff: Actor

/** Where nothing is known to be common, all that can be is read whole; where all is, in the order of the list. */
const nothingCommon: Shares = { rows: () => 0, of: () => 0, beginning: () => 0, since: () => 0 }
const allCommon: Shares = { rows: () => 1e6, of: () => 0.5, beginning: () => 0.5, since: () => 0.5 }
const rareTerms: Shares = { ...allCommon, of: (_, value) => (/[fc][a-z]/.test(value) ? 0.001 : 0.5) }

const kinds = ['CITY', 'ASSOCIATION', 'COMPANY'] as const
const statuses = ['LISTED', 'ADMITTED', 'SUSPENDED', 'WITHDRAWN', 'EXPELLED'] as const
const fields = ['digital_twin', 'virtual_human', 'industrial_metaverse']
const sorts = ['ALLIANCE', 'MEDIA'] as const
const where = [
  places.sichuan,
  places.chengdu,
  places.jinjiang,
  places.mianyang,
  places.chongqing,
  places.shenzhen,
  null,
]

beforeAll(async () => {
  alliance = await createAlliance()
  staff = await alliance.secretariat()
  for (let i = 0; i < 70; i++) {
    const kind = kinds[i % 3]!
    const at = where[i % where.length]!
    await alliance.member({
      kind,
      region: kind === 'CITY' ? (at ?? places.chengdu) : at,
      associationKind: kind === 'ASSOCIATION' ? sorts[i % 2]! : null,
      status: statuses[i % 5]!,
      names: { 'zh-Hans': `云谷${'青岚锦川'.charAt(i % 4)}第${i % 9}院`, en: `Yungu ${i % 7}` },
      profile: {
        fields: fields.slice(i % 3, (i % 3) + (i % 2) + 1),
        capabilities: i % 4 === 0 ? ['computing_power'] : [],
      },
      externalReferences: [{ system: 'x', value: `${i}` }],
    })
  }
  // What a list asks for may change afterwards.
  await sql`update members set fields = '{virtual_human}', region_code = '440100' where joining_number % 9 = 1 and kind <> 'CITY'`.execute(
    alliance.db,
  )
  await sql`update members set names = '{"en": "Changed"}', search = 'changed', latin_key = 'changed' where joining_number % 9 = 2`.execute(
    alliance.db,
  )
  await sql`update members set updated_at = '2026-11-24T00:00:00Z' where joining_number % 9 = 3`.execute(alliance.db)
}, 120_000)
afterAll(() => alliance.close())

const keys: Record<MemberOrder['by'], string> = {
  PINYIN: 'pinyin_key, stroke_key, id',
  STROKES: 'stroke_key, pinyin_key, id',
  NAME: 'latin_key, id',
  JOINED: 'coalesce(joining_number, 2147483647), id',
  UPDATED: 'updated_at, id',
}

async function plainly(actor: Actor, filter: MemberFilter, { by, direction }: MemberOrder): Promise<string[]> {
  const rows = await alliance.db
    .selectFrom('members')
    .select('id')
    .where(visibleMembers(actor))
    .where(meeting(filter))
    .orderBy(sql.raw(keys[by]))
    .execute()
  const ids = rows.map(({ id }) => id)
  return direction === 'DESC' ? ids.reverse() : ids
}

type Ask = (args: PageArgs) => Promise<{ ids: string[]; next: string | null; total: number }>

/** Every page of a list, one after the other; also checks that it counts what it shows. */
async function paged(ask: Ask): Promise<string[]> {
  const all: string[] = []
  let after: string | null = null
  let total = 0
  do {
    const page = await ask({ first: 7, after })
    all.push(...page.ids)
    total = page.total
    after = page.next
  } while (after !== null)
  expect(total).toBe(all.length)
  return all
}

const filters: MemberFilter[] = [
  {},
  { kinds: ['CITY'] },
  { kinds: ['COMPANY', 'CITY'], statuses: ['LISTED', 'ADMITTED'] },
  { kinds: [] },
  { statuses: ['ADMITTED', 'SUSPENDED'] },
  { statuses: ['WITHDRAWN'] },
  { statuses: ['LISTED'] },
  { statuses: ['LISTED', 'EXPELLED'] },
  { regions: [places.sichuan] },
  { regions: [places.chengdu, places.sichuan, places.jinjiang, places.shenzhen, places.shenzhen] },
  { regions: [places.jinjiang], kinds: ['ASSOCIATION'] },
  { regions: ['999999'] },
  { associationKinds: ['MEDIA'] },
  { associationKinds: ['ALLIANCE', 'MEDIA'], regions: [places.sichuan], statuses: ['ADMITTED'] },
  { associationKinds: ['MEDIA'], kinds: ['COMPANY'] },
  { fields: ['digital_twin', 'virtual_human', 'digital_twin'] },
  { fields: ['digital_twin', 'virtual_human'], capabilities: ['computing_power'] },
  { fields: ['virtual_human'], regions: [places.sichuan], statuses: ['ADMITTED', 'WITHDRAWN'] },
  { capabilities: ['nothing'] },
  { name: '青' },
  { name: '青第' },
  { name: '青第4院', kinds: ['ASSOCIATION'] },
  { name: "g'\\ %" },
  { name: 'changed', regions: [places.sichuan] },
  { name: '' },
  { updatedSince: new Date('2026-11-23T12:00:00Z') },
  { updatedSince: new Date('2026-11-23T12:00:00Z'), fields: ['virtual_human'] },
  { updatedSince: new Date('2020-01-01T00:00:00Z'), regions: [places.sichuan] },
  { externalReference: { system: 'x', value: '4' } },
]

describe.each([
  ['nothing is common', nothingCommon],
  ['everything is', allCommon],
  ['terms are rare', rareTerms],
])('where %s, a list shows the same as the plain conditions', (_, shares) => {
  it.each(Object.keys(keys) as MemberOrder['by'][])('%s', { timeout: 120_000 }, async by => {
    for (const actor of [alliance.anonymous, staff])
      for (const filter of filters)
        for (const direction of ['ASC', 'DESC'] as const) {
          const asked = askDirectory({ db: alliance.db, actor }, filter, { by, direction }, { shares })
          const shown = await paged(async args => {
            const [unread] = findPages(alliance.db, actor, directory, asked, [[]], args)
            const page = await unread?.read()
            const { rows, hasNextPage, cursorAt, count } = page!
            const next = hasNextPage ? cursorAt(rows.length - 1) : null
            return { ids: rows.map(({ id }) => id), next, total: await count() }
          })
          expect(shown, JSON.stringify({ filter, direction })).toEqual(await plainly(actor, filter, { by, direction }))
        }
  })
})

it('the lists of many places at once show the same, too', { timeout: 120_000 }, async () => {
  const codes = [places.chengdu, places.sichuan, places.chongqing, places.jinjiang]
  for (const by of Object.keys(keys) as MemberOrder['by'][])
    for (const filter of filters.filter(({ kinds, regions }) => !kinds && !regions)) {
      const order = { by, direction: 'ASC' } as const
      const whole: MemberFilter = { ...filter, kinds: ['COMPANY'] }
      const asked = askDirectory({ db: alliance.db, actor: staff }, whole, order, {
        isOfPlaces: true,
        shares: allCommon,
      })
      const ofs = codes.map(code => [placeFacet(code)])
      const unread = findPages(alliance.db, staff, bodiesWithin, asked, ofs, { first: 100 })
      const pages = await Promise.all(unread.map(page => page.read()))
      for (const [i, code] of codes.entries())
        expect(
          pages[i]!.rows.map(({ id }) => id),
          JSON.stringify({ filter, by, code }),
        ).toEqual(await plainly(staff, { ...whole, regions: [code] }, order))
    }
})
