import { type CompiledQuery, sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { type Alliance, createAlliance, type TestMember } from '../support/alliance.ts'
import { done, published, statementsOf } from './story.ts'

let alliance: Alliance
let staff: Actor
let officer: Actor
let member: TestMember

beforeAll(async () => {
  alliance = await createAlliance()
  staff = await alliance.secretariat()
  member = await alliance.member()
  officer = await alliance.officerOf(member)
})
afterAll(() => alliance.close())

const page = (fields: string) => (first: number) => `{ announcements(first: ${first}) { nodes { ${fields} } } }`
const inbox = (fields: string) => (first: number) => `{ inbox(first: ${first}) { nodes { ${fields} } } }`

describe('a list', () => {
  it('costs as many statements for 50 as for 5', async () => {
    for (let i = 0; i < 60; i++)
      await published(alliance, staff, i % 2 ? {} : { audience: { include: [{ members: [member.id] }] } })
    for (const [actor, document, expected] of [
      [alliance.anonymous, page('id title attachments { url } isPinned receipt { readAt }'), 1],
      [alliance.anonymous, page('body bodies { text }'), 2],
      [officer, page('body receipt { readAt acknowledgedAt }'), 3],
      [officer, inbox('title receipt { readAt }'), 2],
      [staff, page('audience { include { public members { id } } exclude { public } }'), 3],
      [staff, page('recipients(first: 2) { nodes { member { id } acknowledgedBy } }'), 3],
      [staff, page('all: recipients { totalCount } not: recipients(acknowledged: false) { totalCount }'), 3],
      [staff, page('revisions(first: 2) { totalCount nodes { by title body } }'), 4],
    ] as const)
      for (const first of [5, 50]) expect(await statementsOf(alliance, actor, document(first))).toHaveLength(expected)
  })

  it('costs a plan one statement, and one for each list within', async () => {
    for (const [actor, document, expected] of [
      [alliance.anonymous, page('id title body isPinned attachments { url }'), 1],
      [officer, page('body receipt { readAt acknowledgedAt }'), 1],
      [officer, inbox('title receipt { readAt }'), 1],
      [officer, first => `{ inbox(first: ${first}, filter: { unread: true }) { totalCount nodes { id } } }`, 2],
      [staff, page('recipients(first: 2) { nodes { member { id } acknowledgedBy } }'), 2],
      [staff, first => `{ tokens(first: ${first}) { totalCount nodes { holder member { id } portal { name } } } }`, 2],
      [staff, first => `{ portals(first: ${first}) { nodes { name member { id } } } }`, 1],
    ] as [Actor, (first: number) => string, number][])
      for (const first of [5, 50])
        expect(await statementsOf(alliance, actor, document(first), true), document(first)).toHaveLength(expected)
  })

  it('reads the texts and the audience only when they are asked for', async () => {
    const long = /bodies|audience|snapshot|search/
    for (const [actor, document] of [
      [alliance.anonymous, page('id title titles { text } attachments { url }')],
      [officer, page('id')],
      [officer, inbox('id')],
      [staff, page('id title recipients { nodes { acknowledgedAt } }')],
    ] as const)
      for (const statement of await statementsOf(alliance, actor, document(5))) expect(statement.sql).not.toMatch(long)
    const [list, texts] = await statementsOf(alliance, alliance.anonymous, page('body')(5))
    expect(list!.sql).not.toMatch(long)
    expect(texts!.sql).toContain('"bodies"')
    const [, revisions] = await statementsOf(alliance, staff, page('revisions { nodes { version title } }')(5))
    expect(revisions!.sql).not.toMatch(/bodies|"snapshot"/)
  })

  it('tells of every page what is wrong with its arguments', async () => {
    await expect(statementsOf(alliance, staff, page('recipients(first: 0) { totalCount }')(2))).rejects.toThrow(
      '"first"',
    )
  })
})

it('shows within one request what each of its mutations made', async () => {
  const { id } = await published(alliance, staff)
  const edit = (version: number, text: string) => `editAnnouncement(id: "${id}", input: { expectedVersion: ${version},
    bodies: [{ locale: "en", text: "${text}" }], reason: "x" }) { announcement { body revisions(first: 1) { nodes { version } } } }`
  const answer = await alliance.as(staff).ask(`mutation { a: ${edit(2, 'second')} b: ${edit(3, 'third')} }`)
  const made = (body: string, version: number) => ({ announcement: { body, revisions: { nodes: [{ version }] } } })
  expect(answer).toEqual({ a: made('second', 3), b: made('third', 4) })

  const receipt = '{ announcement { receipt { readAt acknowledgedAt } } }'
  const both = await alliance
    .as(officer)
    .ask(
      `mutation { a: markAnnouncementRead(id: "${id}") ${receipt} b: acknowledgeAnnouncement(id: "${id}") ${receipt} }`,
    )
  const readAt = alliance.clock.now.toISOString()
  expect([both.a, both.b]).toEqual([
    { announcement: { receipt: { readAt, acknowledgedAt: null } } },
    { announcement: { receipt: { readAt, acknowledgedAt: readAt } } },
  ])
})

/** The most rows that a step of a statement touched, by PostgreSQL's own account. */
async function mostTouched({ sql: statement, parameters }: CompiledQuery): Promise<number> {
  const explained = { sql: `explain (analyze, costs off, timing off) ${statement}`, parameters } as CompiledQuery
  const { rows } = await alliance.db.executeQuery<Record<string, string>>(explained)
  const plan = rows.map(row => Object.values(row)[0]!).join('\n')
  const counts = [...plan.matchAll(/actual rows=([\d.]+) loops=(\d+)|Removed by \w+: (\d+)/g)]
  expect(counts.length).toBeGreaterThan(0)
  return Math.max(
    ...counts.map(([, rows, loops, removed]) => (removed ? Number(removed) : Number(rows) * Number(loops))),
  )
}

it('reads of a long list little more than the page', async () => {
  const { id } = await published(alliance, staff)
  await done(alliance, staff, 'retract', { id, expectedVersion: 2, reason: '有误' })
  // 4,000 with texts of 1.6 KB, of one sort after the other: public and to all, public alone, to the member alone, to others, drafts.
  await sql`
    insert into announcements (id, version, status, category, urgency, titles, search, bodies, attachments, audience,
      is_public, acknowledge_by, pinned_until, published_at, created_at, updated_at)
    select ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, 2,
      case when i % 5 = 4 then 'DRAFT' else 'PUBLISHED' end, 'NEWS', 'NORMAL', '{"en": "x"}', 'x',
      jsonb_build_object('en', (select string_agg(md5(i::text || j), '') from generate_series(1, 50) j)), '[]',
      '{"include": [], "exclude": []}', i % 5 < 2, case when i % 2 = 0 then now() end,
      case when i % 3 = 0 then '2026-11-20'::timestamptz when i > 3995 then '2027-01-01'::timestamptz end,
      case when i % 5 <> 4 then at end, at, at
    from generate_series(1, 4000) i, lateral (select '2026-01-01'::timestamptz + i * interval '1 hour' as at) moment`.execute(
    alliance.db,
  )
  await sql`
    insert into announcement_recipients
      (announcement_id, member_id, published_at, is_public, is_asked, acknowledged_at, place)
    select id, ${member.uuid}::uuid, published_at, is_public, acknowledge_by is not null,
      case when right(id::text, 3) <> '200' then now() end, 1
    from announcements where id < '00000000-0000-7000-8001-000000000000' and published_at is not null
      and right(id::text, 12)::int % 5 in (0, 2)`.execute(alliance.db)
  await sql`analyze announcements, announcement_recipients`.execute(alliance.db)

  const cursor = `pageInfo { endCursor hasNextPage }`
  for (const actor of [alliance.anonymous, officer, staff]) {
    let after = ''
    // From the first page on, which has the pinned ones, to one in the middle.
    for (let i = 0; i < 8; i++) {
      const document = `{ announcements(first: 50${after}) { nodes { id } ${cursor} } }`
      const [statement] = await statementsOf(alliance, actor, document)
      expect(await mostTouched(statement!)).toBeLessThanOrEqual(3 * 51)
      const { announcements } = await alliance.as(actor).ask(document)
      expect(announcements!.pageInfo!.hasNextPage).toBe(true)
      after = `, after: "${announcements!.pageInfo!.endCursor}"`
    }
    const [end] = await statementsOf(alliance, actor, '{ announcements(last: 50) { nodes { id } } }')
    expect(await mostTouched(end!)).toBeLessThanOrEqual(3 * 51)
  }
  for (const filter of ['', ', filter: { unread: true }', ', filter: { unacknowledged: true }']) {
    const [statement] = await statementsOf(alliance, officer, `{ inbox(first: 50${filter}) { nodes { id } } }`)
    expect(await mostTouched(statement!)).toBeLessThanOrEqual(3 * 51)
  }
  // A plan joins to the page what its rows name.
  for (const list of ['announcements(first: 50)', 'inbox(first: 50)', 'inbox(first: 50, filter: { unread: true })']) {
    const document = `{ ${list} { nodes { id title receipt { readAt } } } }`
    const [statement] = await statementsOf(alliance, officer, document, true)
    expect(await mostTouched(statement!), list).toBeLessThanOrEqual(3 * 51)
  }
})
