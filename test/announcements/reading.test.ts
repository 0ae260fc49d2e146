import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor, Officer } from '../../src/access/actor.ts'
import { newUuid, parseId, writeId } from '../../src/ids.ts'
import { type Alliance, createAlliance, errorCodes, type TestMember } from '../support/alliance.ts'
import { itOnPostgres } from '../support/database.ts'
import { call, done, drafted, footprint, mutations, type Outcome, published } from './story.ts'

let alliance: Alliance
let staff: Actor
let addressed: TestMember
let other: TestMember
const actors: Record<string, Actor> = {}
const deadline = '2026-12-01T00:00:00Z'

beforeAll(async () => {
  alliance = await createAlliance()
  staff = await alliance.secretariat()
  addressed = await alliance.member({ names: '云谷数字协会' })
  other = await alliance.member({ names: '另谷数字协会' })
  actors.staff = staff
  actors.anonymous = alliance.anonymous
  actors.portal = await alliance.portal()
  actors.addressed = await alliance.officerOf(addressed)
  actors.other = await alliance.officerOf(other)
  actors.listed = await alliance.officerOf(await alliance.member({ status: 'LISTED' }))
})
afterAll(() => alliance.close())

const only = (member: TestMember) => ({ audience: { include: [{ members: [member.id] }] } })

interface Seen {
  readonly announcement: object | null
  readonly node: object | null
  readonly announcements: { readonly nodes: { readonly id: string }[]; readonly totalCount: number }
}

/** Whether an actor sees an announcement: by id, as a node and in the list alike. */
async function sees(actor: Actor, id: string): Promise<boolean> {
  const document = `query ($id: ID!) {
    announcement(id: $id) { id } node(id: $id) { id } announcements(first: 100) { nodes { id } totalCount } }`
  const seen = await alliance.as(actor).ask<Seen>(document, { id })
  const ways = [seen.announcement !== null, seen.node !== null, seen.announcements.nodes.some(node => node.id === id)]
  expect(new Set(ways).size).toBe(1)
  expect(seen.announcements.totalCount).toBe(seen.announcements.nodes.length)
  return ways[0]!
}

/** The names of the actors who see an announcement. */
async function whoSees(id: string): Promise<string[]> {
  const names: string[] = []
  for (const [name, actor] of Object.entries(actors)) if (await sees(actor, id)) names.push(name)
  return names
}

interface Receipt {
  readonly readAt: string | null
  readonly acknowledgedAt: string | null
  readonly remindedAt: string | null
}

async function inbox(officer: Actor, filter: object = {}) {
  const document = `query ($filter: InboxFilter) { inbox(filter: $filter, first: 100) { totalCount nodes { id
    receipt { readAt acknowledgedAt remindedAt } } } }`
  const answer = await alliance
    .as(officer)
    .ask<{ inbox: { totalCount: number; nodes: { id: string; receipt: Receipt | null }[] } }>(document, { filter })
  expect(answer.inbox.totalCount).toBe(answer.inbox.nodes.length)
  return answer.inbox.nodes
}

const inboxIds = async (officer: Actor, filter: object = {}) => (await inbox(officer, filter)).map(({ id }) => id)

describe('who sees an announcement', () => {
  it('that is a draft or scheduled: the secretariat', async () => {
    const { id } = await drafted(alliance, staff)
    expect(await whoSees(id)).toEqual(['staff'])
    await done(alliance, staff, 'schedule', { id, expectedVersion: 1, publishAt: '2027-01-01T00:00:00Z' })
    expect(await whoSees(id)).toEqual(['staff'])
  })

  it('that is public: everybody, also once it is retracted', async () => {
    const { id } = await published(alliance, staff)
    expect(await whoSees(id)).toEqual(Object.keys(actors))
    await done(alliance, staff, 'retract', { id, expectedVersion: 2, reason: '有误' })
    expect(await whoSees(id)).toEqual(Object.keys(actors))
    const { announcement } = await alliance
      .as(alliance.anonymous)
      .ask('query ($id: ID!) { announcement(id: $id) { status retractionReason title } }', { id })
    expect(announcement).toEqual({
      status: 'RETRACTED',
      retractionReason: '有误',
      title: 'Joint conference of Yungu',
    })
  })

  it('that is addressed to a member: its officers and the secretariat', async () => {
    const { id } = await published(alliance, staff, only(addressed))
    expect(await whoSees(id)).toEqual(['staff', 'addressed'])
    await done(alliance, staff, 'retract', { id, expectedVersion: 2, reason: '有误' })
    expect(await whoSees(id)).toEqual(['staff', 'addressed'])
  })

  it('that was published before a member was admitted: only if it is public', async () => {
    const toAll = await published(alliance, staff, { audience: { include: [{ allMembers: true }] } })
    const toEverybody = await published(alliance, staff)
    const late = await alliance.officerOf(await alliance.member())
    expect(await sees(late, toAll.id)).toBe(false)
    expect(await sees(late, toEverybody.id)).toBe(true)
    expect(await inboxIds(late)).toEqual([])
  })

  it('whose member is suspended: still; has left: no longer', async () => {
    const { id } = await published(alliance, staff, only(addressed))
    const officer = actors.addressed as Officer
    expect(await sees({ ...officer, memberStatus: 'SUSPENDED' }, id)).toBe(true)
    expect(await sees({ ...officer, memberStatus: 'LISTED' }, id)).toBe(false)
  })

  it('cannot be found out by a filter', async () => {
    await drafted(alliance, staff, {
      titles: [{ locale: 'en', text: 'Secret' }],
      bodies: [{ locale: 'en', text: 'x' }],
    })
    const document = `query ($filter: AnnouncementFilter) { announcements(filter: $filter) { totalCount } }`
    for (const filter of [{ statuses: ['DRAFT', 'SCHEDULED'] }, { title: 'secret' }]) {
      for (const name of ['anonymous', 'portal', 'addressed', 'listed']) {
        const answer = await alliance.as(actors[name]!).ask(document, { filter })
        expect(answer).toEqual({ announcements: { totalCount: 0 } })
      }
      const { announcements } = await alliance.as(staff).ask(document, { filter })
      expect(announcements!.totalCount).not.toBe(0)
    }
  })

  it('an unknown id is nothing, and another type or no id an error', async () => {
    const document = 'query ($id: ID!) { announcement(id: $id) { id } }'
    expect(await alliance.as(staff).ask(document, { id: writeId('Announcement', newUuid()) })).toEqual({
      announcement: null,
    })
    for (const id of [addressed.id, 'ann_1', ''])
      expect(errorCodes(await alliance.as(staff).query(document, { id }))).toEqual(['BAD_USER_INPUT'])
  })
})

describe('an inbox', () => {
  it('holds what is addressed to the member, the latest first, also what is public', async () => {
    const officer = await alliance.officerOf(await alliance.member())
    const first = await published(alliance, staff)
    alliance.clock.now = new Date(alliance.clock.now.getTime() + 1000)
    const second = await published(alliance, staff, { ...only(addressed), category: 'CALL' })
    alliance.clock.now = new Date(alliance.clock.now.getTime() + 1000)
    const third = await published(alliance, staff, {
      audience: { include: [{ allMembers: true }] },
      urgency: 'CRITICAL',
    })
    expect(await inboxIds(officer)).toEqual([third.id, first.id])
    expect((await inboxIds(actors.addressed!)).slice(0, 3)).toEqual([third.id, second.id, first.id])
    expect(await inboxIds(actors.addressed!, { categories: ['CALL'] })).toEqual([second.id])
    expect(await inboxIds(officer, { urgencies: ['CRITICAL'] })).toEqual([third.id])
    const page = '{ inbox(first: 1) { nodes { id } pageInfo { hasNextPage endCursor } } }'
    const { inbox: one } = await alliance
      .as(officer)
      .ask<{ inbox: { nodes: { id: string }[]; pageInfo: { endCursor: string } } }>(page)
    const next = `{ inbox(first: 1, after: "${one.pageInfo.endCursor}") { nodes { id } pageInfo { hasNextPage } } }`
    expect(await alliance.as(officer).ask(next)).toEqual({
      inbox: { nodes: [{ id: first.id }], pageInfo: { hasNextPage: false } },
    })
  })

  it('tells what an officer has not read, for each officer alone', async () => {
    const member = await alliance.member()
    const one = await alliance.officerOf(member)
    const two = await alliance.officerOf(member, 'VIEWER')
    const { id } = await published(alliance, staff, only(member))
    await done(alliance, one, 'markRead', { id })
    const readAt = alliance.clock.now.toISOString()
    alliance.clock.now = new Date(alliance.clock.now.getTime() + 1000)
    await done(alliance, one, 'markRead', { id, read: true })
    expect((await inbox(one))[0]!.receipt).toEqual({ readAt, acknowledgedAt: null, remindedAt: null })
    expect((await inbox(two))[0]!.receipt).toEqual({ readAt: null, acknowledgedAt: null, remindedAt: null })
    expect(await inboxIds(one, { unread: true })).toEqual([])
    expect(await inboxIds(two, { unread: true })).toEqual([id])
    await done(alliance, one, 'markRead', { id, read: false })
    expect(await inboxIds(one, { unread: true })).toEqual([id])
  })

  it('tells what the member has not acknowledged, for all its officers', async () => {
    const member = await alliance.member()
    const one = await alliance.officerOf(member)
    const two = await alliance.officerOf(member, 'VIEWER')
    const asked = await published(alliance, staff, { ...only(member), acknowledgeBy: deadline })
    const unasked = await published(alliance, staff, only(member))
    const taken = await published(alliance, staff, { ...only(member), acknowledgeBy: deadline })
    await done(alliance, staff, 'retract', { id: taken.id, expectedVersion: 2, reason: '有误' })
    expect(await inboxIds(two, { unacknowledged: true })).toEqual([asked.id])
    await done(alliance, one, 'acknowledge', { id: asked.id })
    expect(await inboxIds(two, { unacknowledged: true })).toEqual([])
    expect((await inboxIds(two, {})).toSorted()).toEqual([asked.id, unasked.id, taken.id].toSorted())
  })

  it.each(['first: 0', 'first: 1000', 'first: 1000000', 'after: "x"', 'first: 1, last: 1'])(
    'refuses %s',
    async args => {
      for (const field of ['inbox', 'announcements'])
        expect(errorCodes(await alliance.as(actors.addressed!).query(`{ ${field}(${args}) { totalCount } }`))).toEqual([
          'BAD_USER_INPUT',
        ])
    },
  )
})

/** Waits until a connection to this database waits for a lock of another one. */
async function someoneWaits(): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    const { rows } = await sql`select from pg_locks join pg_stat_activity using (pid)
      where not granted and datname = current_database()`.execute(alliance.db)
    if (rows.length > 0) return
    await sleep(10)
  }
  throw new Error('Nobody waited.')
}

describe('an acknowledgement', () => {
  it('is the organisation’s, made once, by whom and when', async () => {
    const one = await alliance.officerOf(addressed)
    const two = await alliance.officerOf(addressed, 'REPRESENTATIVE')
    const { id } = await published(alliance, staff, {
      audience: { include: [{ members: [addressed.id, other.id] }] },
      acknowledgeBy: deadline,
    })
    await done(alliance, one, 'acknowledge', { id })
    const acknowledgedAt = alliance.clock.now.toISOString()
    alliance.clock.now = new Date(alliance.clock.now.getTime() + 1000)
    const before = await footprint(alliance)
    await done(alliance, two, 'acknowledge', { id })
    expect(await footprint(alliance)).toEqual(before)
    const document = `query ($id: ID!, $acknowledged: Boolean) { announcement(id: $id) { version
      recipients(acknowledged: $acknowledged) { totalCount nodes {
        member { id } acknowledgedAt acknowledgedBy remindedAt } } } }`
    const of = async (acknowledged?: boolean) =>
      (await alliance.as(staff).ask<{ announcement: object }>(document, { id, acknowledged })).announcement
    const has = { member: { id: addressed.id }, acknowledgedAt, acknowledgedBy: '联络员小谷', remindedAt: null }
    const hasNot = { member: { id: other.id }, acknowledgedAt: null, acknowledgedBy: null, remindedAt: null }
    // By pinyin: lìng before yún.
    expect(await of()).toEqual({ version: 2, recipients: { totalCount: 2, nodes: [hasNot, has] } })
    expect(await of(true)).toEqual({ version: 2, recipients: { totalCount: 1, nodes: [has] } })
    expect(await of(false)).toEqual({ version: 2, recipients: { totalCount: 1, nodes: [hasNot] } })
  })

  it('may come after the deadline', async () => {
    const { now } = alliance.clock
    const { id } = await published(alliance, staff, { ...only(addressed), acknowledgeBy: deadline })
    alliance.clock.now = new Date('2026-12-02T00:00:00Z')
    await done(alliance, actors.addressed!, 'acknowledge', { id })
    alliance.clock.now = now
  })

  it('is refused to whom it was not addressed, and once it is retracted', async () => {
    const open = await published(alliance, staff, {
      audience: { include: [{ public: true }], exclude: [{ members: [other.id] }] },
    })
    const closed = await published(alliance, staff, only(addressed))
    const taken = await published(alliance, staff, only(addressed))
    await done(alliance, staff, 'retract', { id: taken.id, expectedVersion: 2, reason: '有误' })
    const before = await footprint(alliance)
    const faults = async (name: string, id: string) =>
      (await call(alliance, actors[name]!, 'acknowledge', { id })).userErrors.map(({ code }) => code)
    expect(await faults('other', open.id)).toEqual(['INVALID'])
    expect(await faults('addressed', taken.id)).toEqual(['WRONG_STATUS'])
    for (const mutation of ['acknowledge', 'markRead'] as const) {
      const result = await alliance.as(actors.other!).query(mutations[mutation], { id: closed.id })
      expect(errorCodes(result)).toEqual(['NOT_FOUND'])
    }
    expect(await footprint(alliance)).toEqual(before)
  })

  itOnPostgres('waits for a retraction that is under way', async () => {
    const { id } = await published(alliance, staff, only(addressed))
    let acknowledging: Promise<Outcome> | undefined
    await alliance.db.transaction().execute(async tx => {
      await tx
        .updateTable('announcements')
        .set({ status: 'RETRACTED', retractedAt: alliance.clock.now, retractionReason: '有误' })
        .where('id', '=', parseId(id)!.uuid)
        .execute()
      acknowledging = call(alliance, actors.addressed!, 'acknowledge', { id })
      await someoneWaits()
    })
    expect((await acknowledging)!.userErrors.map(({ code }) => code)).toEqual(['WRONG_STATUS'])
  })

  it('of ten officers at once is one', async () => {
    const { id } = await published(alliance, staff, only(addressed))
    const before = await alliance.count('outbox')
    await Promise.all(Array.from({ length: 10 }, () => done(alliance, actors.addressed!, 'acknowledge', { id })))
    expect((await alliance.count('outbox')) - before).toBe(1)
  })
})

describe('a reminder', () => {
  it('goes to the admitted organisations that have not acknowledged', async () => {
    const suspended = await alliance.member()
    const { id } = await published(alliance, staff, {
      audience: { include: [{ members: [addressed.id, other.id, suspended.id] }] },
      acknowledgeBy: deadline,
    })
    await alliance.db.updateTable('members').set({ status: 'SUSPENDED' }).where('id', '=', suspended.uuid).execute()
    await done(alliance, actors.addressed!, 'acknowledge', { id })
    const remindedAt = alliance.clock.now.toISOString()
    expect(await call(alliance, staff, 'remind', { id })).toMatchObject({
      announcement: { version: 3 },
      remindedCount: 1,
      userErrors: [],
    })
    const receipt = async (name: string) =>
      (await inbox(actors[name]!)).find(announcement => announcement.id === id)!.receipt
    expect(await receipt('other')).toEqual({ readAt: null, acknowledgedAt: null, remindedAt })
    expect(await receipt('addressed')).toMatchObject({ remindedAt: null })
    await done(alliance, actors.other!, 'acknowledge', { id })
    const before = await footprint(alliance)
    expect(await call(alliance, staff, 'remind', { id })).toMatchObject({ remindedCount: 0, userErrors: [] })
    expect(await footprint(alliance)).toEqual(before)
  })

  it('is refused when nobody is asked, and after retraction', async () => {
    const unasked = await published(alliance, staff)
    const taken = await published(alliance, staff, { acknowledgeBy: deadline })
    await done(alliance, staff, 'retract', { id: taken.id, expectedVersion: 2, reason: '有误' })
    const before = await footprint(alliance)
    for (const { id } of [unasked, taken]) {
      const { announcement, userErrors } = await call(alliance, staff, 'remind', { id })
      expect([announcement, userErrors.map(({ code }) => code)]).toEqual([null, ['WRONG_STATUS']])
    }
    expect(await footprint(alliance)).toEqual(before)
  })
})
