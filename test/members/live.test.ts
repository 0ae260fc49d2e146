import type { GraphQLResolveInfo } from 'graphql'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { createContext } from '../../src/graphql/context.ts'
import type { LiveSource } from '../../src/graphql/live.ts'
import type { JournalEvent } from '../../src/journal/catalog.ts'
import { findMeeting, type MemberFilter, meeting } from '../../src/members/list.ts'
import { updateProfile } from '../../src/members/service.ts'
import { visibleMembers } from '../../src/members/store.ts'
import { decideMembership } from '../../src/membership/service.ts'
import { type Alliance, createAlliance, places, type TestMember } from '../support/alliance.ts'

let alliance: Alliance
let member: TestMember
beforeAll(async () => {
  alliance = await createAlliance()
  member = await alliance.member({ region: places.chengdu })
})
afterAll(() => alliance.close())

/** What a listener is told of the latest event of the member. */
async function told(actor: Actor, filter?: object) {
  const context = () => createContext(alliance.services, { actor, locale: 'zh-Hans' })
  const subscribe = alliance.schema.getSubscriptionType()?.getFields().memberChanged?.subscribe
  const info = { fieldNodes: [], path: { key: 'memberChanged' } } as unknown as GraphQLResolveInfo
  const source = (await subscribe?.(null, { filter }, context(), info)) as LiveSource
  const event = await alliance.db
    .selectFrom('outbox')
    .selectAll()
    .where('subject', '=', member.uuid)
    .orderBy('id', 'desc')
    .executeTakeFirstOrThrow()
  expect(source.types.has(event.type as JournalEvent['type'])).toBe(true)
  return source.payload({ ...event, seq: 1 } as unknown as JournalEvent, context())
}

it('tells a mirror of a change of the profile, with the member as it stands now', async () => {
  await updateProfile(alliance.request(), member.row, { expectedVersion: 2, profile: { size: 9 } })
  const portal = await alliance.portal()
  expect(await told(portal)).toMatchObject({ change: 'PROFILE', memberId: member.id, member: { size: 9 } })
  expect(await told(portal, { regions: [places.sichuan] })).toMatchObject({ member: { size: 9 } })
})

it('tells of a member that does not meet the filter, or is no longer to be seen, by its id alone', async () => {
  const portal = await alliance.portal()
  const gone = { memberId: member.id, member: null }
  expect(await told(portal, { regions: [places.shenzhen] })).toEqual({ ...gone, change: 'PROFILE' })
  await decideMembership(alliance.request(), member.row, 'WITHDRAW', { expectedVersion: 3, reason: '退会' })
  expect(await told(portal)).toEqual({ ...gone, change: 'MEMBERSHIP' })
  const secretariat = await alliance.secretariat()
  expect(await told(secretariat)).toMatchObject({ change: 'MEMBERSHIP', member: { status: 'WITHDRAWN' } })
})

it('finds the same by many filters at once as by each', async () => {
  const { db } = alliance
  await alliance.member({ region: places.shenzhen })
  const rows = await db.selectFrom('members').select(['id', 'updatedAt', 'search', 'status']).execute()
  await db.insertInto('memberReferences').values({ memberId: member.uuid, system: 'yungu', value: '1' }).execute()
  const filters: MemberFilter[] = [
    {},
    { kinds: [] },
    { kinds: ['COMPANY', 'CITY'] },
    { associationKinds: ['ALLIANCE'] },
    { regions: [places.sichuan] },
    { regions: [places.shenzhen, places.chengdu], kinds: ['COMPANY'] },
    { fields: ['virtual_human'], capabilities: null },
    { capabilities: ['none'] },
    { statuses: ['ADMITTED', 'WITHDRAWN'] },
    { name: rows[0]!.search.slice(0, 3) },
    { name: 'nothing like it' },
    { updatedSince: rows[0]!.updatedAt },
    { externalReference: { system: 'yungu', value: '1' } },
    { externalReference: { system: 'yungu', value: '2' } },
  ]
  const wanted = filters.flatMap(filter => rows.map(({ id }) => ({ id, filter })))
  for (const actor of [await alliance.portal(), await alliance.secretariat()]) {
    const found = await findMeeting({ db, actor }, wanted)
    for (const filter of filters) {
      const alone = await db
        .selectFrom('members')
        .select('id')
        .where(visibleMembers(actor))
        .where(meeting(filter))
        .execute()
      const together = found.filter((row, i) => row && wanted[i]!.filter === filter).map(row => row!.id)
      expect(together.sort(), JSON.stringify(filter)).toEqual(alone.map(({ id }) => id).sort())
    }
  }
})

it('refuses who may not follow, and a filter that nothing could meet, before anything is sent', async () => {
  await expect(told(alliance.anonymous)).rejects.toThrow('DIRECTORY_FOLLOW')
  await expect(told(await alliance.portal([]))).rejects.toThrow('DIRECTORY_FOLLOW')
  await expect(told(await alliance.portal(), { regions: ['成都'] })).rejects.toThrow('six digits')
})
