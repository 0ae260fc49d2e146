import { parse } from 'graphql'
import { CompiledQuery } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import type { FlatRows } from '../../src/database/reader.ts'
import { setReader } from '../../src/database/reader.ts'
import { refreshShares } from '../../src/database/shares.ts'
import { createContext } from '../../src/graphql/context.ts'
import { createPlanner, type Planner } from '../../src/graphql/planner.ts'
import { memberById, members } from '../../src/members/reads.ts'
import { findRelated, readRelated } from '../../src/reads/related.ts'
import { createSelection, joinOne, placeOf } from '../../src/reads/selection.ts'
import { anyRelation } from '../../src/reads/source.ts'
import { type Alliance, createAlliance, places, type TestMember } from '../support/alliance.ts'

let alliance: Alliance
let planner: Planner
let staff: Actor
let guild: TestMember
let gone: TestMember
/** What plans read: the SQL, and the rows as the database answered them. */
const sent: { readonly text: string; readonly rows: FlatRows }[] = []

beforeAll(async () => {
  alliance = await createAlliance()
  const { db, member } = alliance
  staff = await alliance.secretariat()
  for (const region of [places.chengdu, places.mianyang, places.guangzhou, places.shenzhen]) {
    const city = await member({ kind: 'CITY', region })
    guild = await member({
      region,
      profile: { parentId: city.uuid, fields: ['digital_twin'], capabilities: ['computing_power'] },
    })
    for (let i = 0; i < 12; i++)
      await member({
        kind: 'COMPANY',
        region,
        profile: { leadId: guild.uuid, fields: ['virtual_human'] },
        externalReferences: [{ system: 'crm.example.org', value: `${region}-${i}` }],
      })
  }
  await refreshShares(db)
  gone = await member({ region: places.chengdu, status: 'WITHDRAWN' })
  setReader(db, {
    rows: async (text, parameters) => {
      const { rows } = await db.executeQuery<Record<string, unknown>>(CompiledQuery.raw(text, [...parameters]))
      const flat = rows.map(row => Object.values(row))
      sent.push({ text, rows: flat })
      return flat
    },
    close: async () => undefined,
  })
  planner = createPlanner(alliance.schema, error => {
    throw error
  })
})
afterAll(() => alliance.close())
beforeEach(() => {
  sent.length = 0
})

async function ask(source: string, actor: Actor = alliance.anonymous, variables: Record<string, unknown> = {}) {
  const document = parse(source)
  const context = createContext(alliance.services, { actor, locale: 'en' })
  return planner.answer(document, document.definitions[0] as never, variables, context)
}

const texts = () => sent.map(({ text }) => text).join('\n')

describe('the statements of a plan', () => {
  it('are as many for fifty rows as for two', async () => {
    const nested = (first: number) => `{
      members(first: ${first}, orderBy: { by: JOINED }) {
        totalCount
        nodes {
          id
          profile { name fields { label } capabilities { code } parent { id profile { name } } lead { profile { name } } }
          region { name province { name } parent { name } }
          externalReferences { value }
          ... on City {
            companies(first: ${first}) { totalCount nodes { id externalReferences { value } region { name } } }
            associations(first: ${first}) { nodes { profile { fields { label } parent { id } } } }
          }
        }
      }
    }`
    const of = async (first: number) => {
      let rows = 0
      const statements = await alliance.countStatements(async () => {
        rows = ((await ask(nested(first)))!.members as { nodes: unknown[] }).nodes.length
      })
      return { rows, statements }
    }
    const few = await of(2)
    const many = await of(50)
    expect(few.rows).toBe(2)
    expect(many.rows).toBe(50)
    // Members and their number, references, fields, capabilities; companies, their number and references; associations and their fields.
    expect(many.statements).toBe(10)
    expect(few.statements).toBe(10)
  })

  it('read no column and no table that is not asked for', async () => {
    await ask('{ members(first: 2) { nodes { id } } }')
    expect(sent).toHaveLength(1)
    expect(texts()).not.toMatch(/names|summaries|descriptions|sources|regions|member_references|vocabulary_terms/)
    sent.length = 0
    await ask('{ members(first: 2) { nodes { id profile { summary } region { name } } } }')
    expect(sent).toHaveLength(1)
    expect(texts()).toMatch(/"summaries"/)
    expect(texts()).toMatch(/"regions"/)
    expect(texts()).not.toMatch(/descriptions|sources/)
  })

  it('answer no text that nobody reads: what only sorts, and the key of a joined row beside the column that names it', async () => {
    await ask('{ members(first: 50) { nodes { externalReferences { value } } } }')
    const references = sent.find(({ text }) => text.includes('member_references'))!.rows.flat()
    expect(references).toContain(`${places.chengdu}-1`)
    expect(references).not.toContain('crm.example.org')
    sent.length = 0
    const answer = await ask('{ members(first: 50) { nodes { profile { lead { id } } } } }')
    const { nodes } = answer!.members as { nodes: { profile: { lead: { id: string } | null } }[] }
    expect(nodes.filter(({ profile }) => profile.lead?.id === guild.id)).not.toHaveLength(0)
    const led = sent[0]!.rows.filter(
      row => row.includes(guild.uuid) && row.filter(one => one === 'ASSOCIATION').length > 0,
    )
    expect(led).not.toHaveLength(0)
    for (const row of led) expect(row.filter(one => one === guild.uuid)).toHaveLength(1)
  })

  it('read what is skipped as little', async () => {
    const source = `query ($with: Boolean!) {
      members(first: 2) { nodes { id ... @include(if: $with) { externalReferences { value } region { name } } } }
    }`
    await ask(source, alliance.anonymous, { with: false })
    expect(texts()).not.toMatch(/member_references|"regions"/)
    await ask(source, alliance.anonymous, { with: true })
    expect(texts()).toMatch(/member_references/)
  })

  it('are none where no row is asked for, and one for a number alone', async () => {
    expect(await alliance.countStatements(() => ask('{ asOf __typename members(first: 5) { __typename } }'))).toBe(0)
    expect(await alliance.countStatements(() => ask('{ members(first: 5) { totalCount } }'))).toBe(1)
    expect(await alliance.countStatements(() => ask('{ members(first: 5) { pageInfo { hasNextPage } } }'))).toBe(1)
  })

  it('are shared by fragments on several types', async () => {
    await ask(
      `{ members(first: 50) { nodes { __typename
        ... on City { externalReferences { value } } ...Refs ... on Company { ...Refs } ... on Association { ...Refs } } } }
      fragment Refs on Member { externalReferences { system } }`,
    )
    // Of cities other fields are merged.
    expect(sent.filter(({ text }) => text.includes('member_references')).length).toBeLessThanOrEqual(2)
    sent.length = 0
    await ask(
      `{ members(first: 50) { nodes { __typename ... on Company { ...Refs } ... on Association { ...Refs } } } }
      fragment Refs on Member { externalReferences { system } }`,
    )
    expect(sent.filter(({ text }) => text.includes('member_references'))).toHaveLength(1)
  })

  it('keep back in the database what the caller may not see', async () => {
    const source = `query ($id: ID!) {
      member(id: $id) { id }
      members(first: 100) { nodes { id profile { parent { id } } } }
    }`
    const isRead = () => sent.some(({ rows }) => rows.flat().includes(gone.uuid))
    await ask(source, alliance.anonymous, { id: gone.id })
    expect(sent.length).toBeGreaterThan(0)
    expect(isRead()).toBe(false)
    await ask(source, staff, { id: gone.id })
    expect(isRead()).toBe(true)
  })

  it('are not sent for rows that a guard keeps back, nor for another kind than was asked', async () => {
    const officer = await alliance.officerOf(guild)
    const history = `query ($id: ID!) { member(id: $id) { profileHistory(first: 1) { nodes { version } } } }`
    const company = await alliance.member({ kind: 'COMPANY' })
    expect(await ask(history, officer, { id: company.id })).toEqual({ member: { profileHistory: null } })
    expect(sent).toHaveLength(1)
    sent.length = 0
    const wrong = company.id.replace('company_', 'city_')
    expect(await ask(history, staff, { id: wrong })).toEqual({ member: null })
    expect(sent).toHaveLength(1)
    sent.length = 0
    expect(await ask(history, staff, { id: company.id })).toEqual({
      member: { profileHistory: { nodes: [{ version: 1 }] } },
    })
    expect(sent).toHaveLength(2)
  })

  it('have the same text for callers who see the same, and for other values', async () => {
    const source = 'query ($id: ID!) { member(id: $id) { id contacts { name } } }'
    const [one, other] = [await alliance.officerOf(guild), await alliance.officerOf(await alliance.member())]
    await ask(source, one, { id: guild.id })
    const before = texts()
    sent.length = 0
    await ask(source, other, { id: guild.id })
    expect(texts()).toBe(before)
    expect(before).not.toContain(guild.uuid)
  })
})

describe('a plan', () => {
  it('answers the same when it has made many objects', async () => {
    const document = parse(
      `{ members(first: 50) { nodes { constructor: id __typename profile { name, _1: founded } } } }`,
    )
    const run = () =>
      planner.answer(
        document,
        document.definitions[0] as never,
        {},
        createContext(alliance.services, { actor: staff, locale: 'en' }),
      )
    const first = JSON.stringify(await run())
    expect(JSON.parse(first).members.nodes).toHaveLength(50)
    for (let time = 0; time < 20; time++) expect(JSON.stringify(await run())).toBe(first)
  })
})

describe('a selection', () => {
  it('does not grow once it was read', async () => {
    const relation = anyRelation(memberById)
    const selection = createSelection(relation.source)
    placeOf(selection, 0, 'id')
    const rows = await readRelated(alliance.db, staff, selection, relation, [guild.uuid])
    expect(rows).toEqual([[guild.uuid]])
    expect(placeOf(selection, 0, 'id')).toBe(0)
    expect(() => placeOf(selection, 0, 'kind')).toThrow(/members/)
    expect(() => joinOne(selection, 0, 'parentId', relation)).toThrow(/members/)
  })

  it('of whole rows serves all relations of a source', async () => {
    const byCode = {
      ...memberById,
      to: 'pinyinKey' as const,
      many: { order: ['id'], direction: 'desc', most: null },
    } as const
    const [row] = await findRelated(alliance.db, staff, memberById, [guild.uuid])
    const [same] = await findRelated(alliance.db, staff, byCode, [row!.pinyinKey])
    expect(same).toEqual(row)
    expect(row!.id).toBe(guild.uuid)
    expect(Object.keys(row!)).toEqual(members.whole)
  })
})
