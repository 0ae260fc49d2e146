import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { type AnnouncementFilter, findMeeting } from '../../src/announcements/list.ts'
import { newUuid, parseId, writeId } from '../../src/ids.ts'
import { type Alliance, createAlliance, type TestMember } from '../support/alliance.ts'
import { call, done, drafted, eventsSoFar, heard, published } from './story.ts'

let alliance: Alliance
let staff: Actor
let addressed: TestMember
const actors: Record<string, Actor> = {}
const deadline = '2026-12-01T00:00:00Z'
const uuidOf = (id: string) => parseId(id)!.uuid

beforeAll(async () => {
  alliance = await createAlliance()
  staff = await alliance.secretariat()
  addressed = await alliance.member()
  actors.staff = staff
  actors.anonymous = alliance.anonymous
  actors.portal = await alliance.portal()
  actors.addressed = await alliance.officerOf(addressed)
  actors.other = await alliance.officerOf(await alliance.member())
})
afterAll(() => alliance.close())

const onlyAddressed = () => ({ audience: { include: [{ members: [addressed.id] }] } })

/** Who hears what since then: the changes by the name of the actor, or how many publications. */
async function changesHeard(since: number, args?: Record<string, unknown>) {
  const told: Record<string, string> = {}
  for (const [name, actor] of Object.entries(actors)) {
    const events = await heard(alliance, actor, 'announcementChanged', since, args)
    if (events.length > 0) told[name] = events.map(({ change }) => change).join(' ')
  }
  return told
}

async function publicationsHeard(since: number, args?: Record<string, unknown>) {
  const told: Record<string, string[]> = {}
  for (const [name, actor] of Object.entries(actors)) {
    const events = await heard(alliance, actor, 'announcementPublished', since, args)
    if (events.length > 0) told[name] = events.map(({ announcement }) => announcement.id)
  }
  return told
}

describe('announcementPublished', () => {
  it('tells everybody of a public one, and of one addressed to a member its officers and the secretariat', async () => {
    const since = await eventsSoFar(alliance)
    const open = await published(alliance, staff)
    const closed = await published(alliance, staff, onlyAddressed())
    const [both, one] = [[open, closed].map(({ id }) => uuidOf(id)), [uuidOf(open.id)]]
    expect(await publicationsHeard(since)).toEqual({
      staff: both,
      anonymous: one,
      portal: one,
      addressed: both,
      other: one,
    })
  })

  it('tells of one that was retracted since', async () => {
    const since = await eventsSoFar(alliance)
    const { id } = await published(alliance, staff)
    await done(alliance, staff, 'retract', { id, expectedVersion: 2, reason: '有误' })
    const [event] = await heard(alliance, alliance.anonymous, 'announcementPublished', since)
    expect(event!.announcement).toMatchObject({ id: uuidOf(id), status: 'RETRACTED' })
  })

  it('tells only of what meets the filter', async () => {
    const since = await eventsSoFar(alliance)
    const { id } = await published(alliance, staff, { category: 'POLICY', urgency: 'URGENT' })
    await published(alliance, staff, { category: 'POLICY', ...onlyAddressed() })
    const filters = [
      [{ categories: ['POLICY'], public: true }, [uuidOf(id)]],
      [{ urgencies: ['URGENT'], title: 'yungu' }, [uuidOf(id)]],
      [{ categories: ['NEWS'] }, []],
      [{ title: 'nothing like it' }, []],
    ] as const
    for (const [filter, expected] of filters) {
      const events = await heard(alliance, staff, 'announcementPublished', since, { filter })
      expect(events.map(({ announcement }) => announcement.id)).toEqual(expected)
    }
  })

  it('tells of the same by many filters at once as the list does by each', async () => {
    await published(alliance, staff, { category: 'POLICY', urgency: 'URGENT' })
    await published(alliance, staff, { category: 'EVENT', ...onlyAddressed() })
    await drafted(alliance, staff, { category: 'POLICY' })
    const out = await alliance.db.selectFrom('announcements').select(['id', 'publishedAt']).execute()
    const moments = out.flatMap(({ publishedAt }) => publishedAt ?? [])
    const filters: AnnouncementFilter[] = [
      {},
      { categories: [] },
      { categories: ['POLICY', 'EVENT'] },
      { urgencies: ['URGENT'], public: true },
      { public: false },
      { title: 'yungu', categories: null },
      { title: '' },
      { title: '元宇宙', urgencies: ['NORMAL'] },
      { title: 'nothing like it' },
      ...moments.map(publishedSince => ({ publishedSince })),
    ]
    const list = `query ($filter: AnnouncementFilter) { announcements(filter: $filter, first: 100) { nodes { id } } }`
    const wanted = filters.flatMap(filter => out.map(({ id }) => ({ id, filter })))
    for (const [name, actor] of Object.entries(actors)) {
      const found = await findMeeting({ db: alliance.db, actor }, wanted)
      for (const filter of filters) {
        const { announcements } = await alliance
          .as(actor)
          .ask<{ announcements: { nodes: { id: string }[] } }>(list, { filter: JSON.parse(JSON.stringify(filter)) })
        const told = found.filter((row, i) => row && wanted[i]!.filter === filter).map(row => row!.id)
        const listed = announcements.nodes.map(({ id }) => uuidOf(id))
        expect(told.sort(), `${name} ${JSON.stringify(filter)}`).toEqual(listed.sort())
      }
      // Read once, so that what is told of it can be shared.
      expect(new Set(found).size).toBe(new Set(found.map(row => row?.id)).size)
    }
  })

  it('refuses statuses', async () => {
    for (const field of ['announcementPublished', 'announcementChanged'] as const)
      await expect(heard(alliance, staff, field, 0, { filter: { statuses: ['DRAFT'] } })).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
      })
  })
})

describe('announcementChanged', () => {
  it('tells the secretariat alone of what is not out', async () => {
    const since = await eventsSoFar(alliance)
    const { id } = await drafted(alliance, staff)
    await done(alliance, staff, 'edit', { id, input: { expectedVersion: 1, category: 'EVENT' } })
    await done(alliance, staff, 'schedule', { id, expectedVersion: 2, publishAt: deadline })
    await done(alliance, staff, 'unschedule', { id, expectedVersion: 3 })
    expect(await changesHeard(since)).toEqual({ staff: 'DRAFTED EDITED SCHEDULED UNSCHEDULED' })
    await done(alliance, staff, 'publish', { id, expectedVersion: 4 })
    // Also when it is out by the time that a late listener hears of it.
    expect(await changesHeard(since)).toEqual({ staff: 'DRAFTED EDITED SCHEDULED UNSCHEDULED' })
  })

  it('tells those who may see it of edits and the retraction', async () => {
    const open = await published(alliance, staff)
    const closed = await published(alliance, staff, onlyAddressed())
    const since = await eventsSoFar(alliance)
    for (const { id } of [open, closed]) {
      await done(alliance, staff, 'edit', { id, input: { expectedVersion: 2, category: 'EVENT', reason: '更正' } })
      await done(alliance, staff, 'retract', { id, expectedVersion: 3, reason: '有误' })
    }
    const twice = 'EDITED RETRACTED EDITED RETRACTED'
    const once = 'EDITED RETRACTED'
    expect(await changesHeard(since)).toEqual({
      staff: twice,
      anonymous: once,
      portal: once,
      addressed: twice,
      other: once,
    })
    expect(await changesHeard(since, { filter: { public: false } })).toEqual({ staff: once, addressed: once })
    expect(await changesHeard(since, { id: open.id })).toEqual({
      staff: once,
      anonymous: once,
      portal: once,
      addressed: once,
      other: once,
    })
  })

  it('tells an organisation and the secretariat of its reminder and its acknowledgement', async () => {
    const { id } = await published(alliance, staff, { acknowledgeBy: deadline })
    const since = await eventsSoFar(alliance)
    await done(alliance, actors.addressed!, 'acknowledge', { id })
    await done(alliance, staff, 'remind', { id })
    await done(alliance, actors.other!, 'acknowledge', { id })
    expect(await changesHeard(since)).toEqual({
      staff: 'ACKNOWLEDGED REMINDED ACKNOWLEDGED',
      addressed: 'ACKNOWLEDGED',
      other: 'REMINDED ACKNOWLEDGED',
    })
  })

  it('names at most a thousand members in one event', async () => {
    await sql`insert into members (id, kind, association_kind, status, names, pinyin_key, stroke_key, latin_key, search,
        created_at, updated_at)
      select gen_random_uuid(), kind, association_kind, status, names, pinyin_key, stroke_key, latin_key, search,
        created_at, updated_at
      from members, generate_series(1, 2001) where members.id = ${addressed.uuid}::uuid`.execute(alliance.db)
    const { id } = await published(alliance, staff, { acknowledgeBy: deadline })
    const since = await eventsSoFar(alliance)
    expect(await call(alliance, staff, 'remind', { id })).toMatchObject({ remindedCount: 2003 })
    const events = await alliance.db.selectFrom('outbox').select('audienceMembers').where('id', '>', since).execute()
    expect(events.map(({ audienceMembers }) => audienceMembers.length)).toEqual([1000, 1000, 3])
    expect(new Set(events.flatMap(({ audienceMembers }) => audienceMembers)).size).toBe(2003)
    expect(await changesHeard(since)).toMatchObject({ addressed: 'REMINDED', other: 'REMINDED' })
  })

  it('refuses an id that the listener cannot see', async () => {
    const closed = await published(alliance, staff, onlyAddressed())
    const since = await eventsSoFar(alliance)
    const follow = (id: string) => heard(alliance, actors.other!, 'announcementChanged', since, { id })
    for (const id of [closed.id, writeId('Announcement', newUuid())])
      await expect(follow(id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    for (const id of [addressed.id, 'ann_x']) await expect(follow(id)).rejects.toMatchObject({ code: 'BAD_USER_INPUT' })
    expect(await heard(alliance, actors.addressed!, 'announcementChanged', since, { id: closed.id })).toEqual([])
  })
})
