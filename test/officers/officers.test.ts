import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Actor, Officer } from '../../src/access/actor.ts'
import { reauthenticate } from '../../src/access/authenticate.ts'
import { createBearers } from '../../src/access/bearers.ts'
import { findTokenHolder } from '../../src/access/store.ts'
import { issueOfficerToken } from '../../src/access/tokens.ts'
import { createRights, type SignedIn } from '../../src/graphql/live-rights.ts'
import { parseId } from '../../src/ids.ts'
import type { JournalEvent } from '../../src/journal/catalog.ts'
import { keepsRepresentative } from '../../src/officers/policy.ts'
import { type Alliance, createAlliance, errorCodes, type TestMember } from '../support/alliance.ts'
import { address, call, done, invited, invitee, mutations, officerId } from './story.ts'

let alliance: Alliance
let staff: Actor
let member: TestMember
let representative: Officer
let liaison: Officer
beforeAll(async () => {
  alliance = await createAlliance()
  staff = await alliance.secretariat()
})
beforeEach(async () => {
  alliance.clock.now = new Date('2027-03-01T08:00:00Z')
  member = await alliance.member()
  representative = await alliance.officerOf(member, 'REPRESENTATIVE')
  liaison = await alliance.officerOf(member, 'LIAISON')
})
afterAll(() => alliance.close())

const idOf = (officer: Officer) => officerId(alliance, officer)
const now = (officer: Officer) => reauthenticate(alliance.db, officer.tokenId, alliance.clock.now)
/** Officers as they stand now, with the permissions of their roles. */
const fresh = async (officer: Officer) => (await now(officer)) as Officer
const rolesOf = async (of: TestMember) => {
  const rows = await alliance.db.selectFrom('officers').select('role').where('memberId', '=', of.uuid).execute()
  return rows.map(({ role }) => role).sort()
}
const eventsOf = async (id: string) => {
  const rows = alliance.db
    .selectFrom('outbox')
    .select(['type', 'detail', 'audience', 'audienceMembers'])
    .where('subject', '=', parseId(id)!.uuid)
  return rows.orderBy('id').execute()
}

describe('the officers of a member', () => {
  const list = async (actor: Actor, filter: object | null = null) => {
    const document = `query ($filter: OfficerFilter) { officers(filter: $filter, first: 100) {
      totalCount nodes { id name email role createdAt member { id } } } }`
    type Page = { totalCount: number; nodes: { id: string; role: string; email: string; member: { id: string } }[] }
    return (await alliance.as(actor).ask<{ officers: Page }>(document, { filter })).officers
  }

  it('are listed to themselves and to the secretariat, and to nobody else', async () => {
    const foreign = await alliance.officerOf(await alliance.member(), 'REPRESENTATIVE')
    const ids = [await idOf(representative), await idOf(liaison)]
    for (const actor of [liaison, representative]) {
      const page = await list(actor)
      expect(page.nodes.map(({ id }) => id).sort()).toEqual([...ids].sort())
      expect(page.totalCount).toBe(2)
    }
    expect(await list(foreign, { member: member.id })).toEqual({ totalCount: 0, nodes: [] })
    // Made in the same millisecond, they come in any order.
    const { nodes: both } = await list(staff, { member: member.id })
    expect(both.sort((a, b) => b.role.localeCompare(a.role))).toMatchObject(
      [representative, liaison].map(({ role }) => ({ role, name: '联络员小谷', member: { id: member.id } })),
    )
    expect((await list(staff, { member: member.id, roles: ['LIAISON'] })).nodes.map(({ id }) => id)).toEqual([ids[1]])
    expect((await list(staff, { roles: [] })).nodes).toEqual([])
    expect((await list(staff, { roles: ['REPRESENTATIVE', 'LIAISON'] })).totalCount).toBeGreaterThanOrEqual(3)
    expect((await list(staff, { member: member.id.replace('assoc', 'city') })).nodes).toEqual([])
    const nodes = `query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`
    const portal = await alliance.portal()
    for (const actor of [alliance.anonymous, portal, foreign])
      expect(await alliance.as(actor).ask(nodes, { ids })).toEqual({ nodes: [null, null] })
    expect(await alliance.as(liaison).ask(nodes, { ids })).toEqual({ nodes: ids.map(id => ({ id })) })
  })
})

describe('a change of role', () => {
  it('holds at once, for every token of the officer in the member', async () => {
    const id = await idOf(liaison)
    const { officer } = await done(alliance, representative, 'changeOfficerRole', { id, role: 'VIEWER' })
    expect(officer).toEqual({ id, role: 'VIEWER' })
    expect(await now(liaison)).toMatchObject({ role: 'VIEWER' })
    expect((await now(liaison))!.permissions.has('PROFILE_WRITE')).toBe(false)
    expect(await eventsOf(id)).toMatchObject([
      {
        type: 'officer.changed',
        detail: { change: 'ROLE', role: 'VIEWER', accountId: liaison.accountId, memberId: member.uuid },
        audience: 'MEMBERS',
        audienceMembers: [member.uuid],
      },
    ])
    await done(alliance, staff, 'changeOfficerRole', { id, role: 'REPRESENTATIVE' })
    expect(await now(liaison)).toMatchObject({ role: 'REPRESENTATIVE' })
  })

  it('to the same role changes nothing', async () => {
    const id = await idOf(representative)
    const before = await alliance.traces()
    await done(alliance, representative, 'changeOfficerRole', { id, role: 'REPRESENTATIVE' })
    expect(await alliance.traces()).toEqual(before)
  })

  it('takes what a former representative invited, and is pending, with it', async () => {
    const second = await alliance.officerOf(member, 'REPRESENTATIVE')
    const input = invitee(member, { role: 'REPRESENTATIVE' })
    const { invitation } = await done(alliance, second, 'inviteOfficer', { input })
    const mine = await done(alliance, representative, 'inviteOfficer', { input: invitee(member) })
    await done(alliance, representative, 'changeOfficerRole', { id: await idOf(second), role: 'LIAISON' })
    const states = async (id: string) =>
      (await alliance.as(staff).ask('query ($id: ID!) { node(id: $id) { ... on Invitation { state } } }', { id })).node
    expect(await states(invitation!.id)).toEqual({ state: 'REVOKED' })
    expect(await states(mine.invitation!.id)).toEqual({ state: 'PENDING' })
  })

  it('is felt by what the officer was about to do with its invitations', async () => {
    const second = await alliance.officerOf(member, 'REPRESENTATIVE')
    const { invitation } = await done(alliance, representative, 'inviteOfficer', { input: invitee(member) })
    await done(alliance, representative, 'changeOfficerRole', { id: await idOf(second), role: 'LIAISON' })
    const before = await alliance.traces()
    // As one who was let in a moment before, and whose request comes to its transaction now.
    for (const [mutation, variables] of [
      ['inviteOfficer', { input: invitee(member) }],
      ['inviteOfficers', { input: [invitee(member)] }],
      ['resendInvitation', { id: invitation!.id }],
      ['revokeInvitation', { id: invitation!.id }],
    ] as const)
      expect(errorCodes(await alliance.as(second).query(mutations[mutation], variables))).toEqual(['FORBIDDEN'])
    expect(await alliance.traces()).toEqual(before)
  })
})

describe('removing an officer', () => {
  it('ends its tokens for that member, and for no other', async () => {
    const other = await alliance.member()
    const { email } = await alliance.db
      .selectFrom('accounts')
      .select('email')
      .where('id', '=', liaison.accountId)
      .executeTakeFirstOrThrow()
    const person = { name: '联络员小谷', email, role: 'VIEWER' as const }
    const there = await issueOfficerToken(alliance.request(), { ...person, memberId: other.uuid })
    const second = await issueOfficerToken(alliance.request(), { ...person, role: 'LIAISON', memberId: member.uuid })
    const id = await idOf(liaison)
    const { officer } = await done(alliance, representative, 'removeOfficer', { id, reason: '离职' })
    expect(officer).toBeNull()
    const lives = async (tokenId: string) => (await reauthenticate(alliance.db, tokenId, alliance.clock.now)) !== null
    expect([await lives(liaison.tokenId), await lives(second.tokenId), await lives(there.tokenId)]).toEqual([
      false,
      false,
      true,
    ])
    expect(await rolesOf(member)).toEqual(['REPRESENTATIVE'])
    expect(await eventsOf(id)).toMatchObject([{ type: 'officer.changed', detail: { change: 'REMOVED', role: null } }])
    expect(errorCodes(await alliance.as(staff).query(mutations.removeOfficer, { id, reason: '…' }))).toEqual([
      'NOT_FOUND',
    ])
    // The token tells who it was of.
    const { tokens } = await alliance
      .as(staff)
      .ask<{ tokens: { nodes: object[] } }>(
        'query ($member: ID) { tokens(filter: { member: $member, live: false }) { nodes { holder role revokedReason } } }',
        { member: member.id },
      )
    expect(tokens.nodes).toContainEqual({ holder: '联络员小谷', role: null, revokedReason: '离职' })
  })

  it('lets who was removed be invited again', async () => {
    const { email } = await alliance.db
      .selectFrom('accounts')
      .select('email')
      .where('id', '=', liaison.accountId)
      .executeTakeFirstOrThrow()
    await done(alliance, representative, 'removeOfficer', { id: await idOf(liaison), reason: '离职' })
    const { code } = await invited(alliance, staff, member, { email })
    await done(alliance, alliance.anonymous, 'acceptInvitation', { input: { code } })
    expect(await now(liaison)).toBeNull()
    expect(await rolesOf(member)).toEqual(['LIAISON', 'REPRESENTATIVE'])
  })
})

describe('leaving and handing over', () => {
  it.each(['leaveMember', 'handOver'] as const)(
    'by %s takes what the officer invited, and is pending, with it',
    async mutation => {
      const second = await alliance.officerOf(member, 'REPRESENTATIVE')
      const { invitation } = await done(alliance, second, 'inviteOfficer', { input: invitee(member) })
      const mine = await done(alliance, representative, 'inviteOfficer', { input: invitee(member) })
      const input = mutation === 'handOver' ? { input: { to: await idOf(liaison) } } : {}
      await done(alliance, second, mutation, input)
      const state = async (id: string) =>
        (await alliance.as(staff).ask('query ($id: ID!) { node(id: $id) { ... on Invitation { state } } }', { id }))
          .node
      expect(await state(invitation!.id)).toEqual({ state: 'REVOKED' })
      expect(await state(mine.invitation!.id)).toEqual({ state: 'PENDING' })
    },
  )

  it('an officer leaves by itself', async () => {
    const viewer = await alliance.officerOf(member, 'VIEWER')
    const id = await idOf(viewer)
    await done(alliance, viewer, 'leaveMember')
    expect(await now(viewer)).toBeNull()
    expect(await rolesOf(member)).toEqual(['LIAISON', 'REPRESENTATIVE'])
    expect(await eventsOf(id)).toMatchObject([{ detail: { change: 'LEFT' } }])
  })

  it('the representative becomes liaison, or leaves, and another is representative in the same moment', async () => {
    const to = await idOf(liaison)
    const outcome = await done(alliance, representative, 'handOver', { input: { to } })
    expect(outcome).toMatchObject({
      officer: { id: to, role: 'REPRESENTATIVE' },
      own: { id: await idOf(representative), role: 'LIAISON' },
    })
    const back = { to: await idOf(representative), leave: true }
    const left = await done(alliance, await fresh(liaison), 'handOver', { input: back })
    expect(left).toMatchObject({ officer: { id: back.to, role: 'REPRESENTATIVE' }, own: null })
    expect(await now(liaison)).toBeNull()
    expect(await rolesOf(member)).toEqual(['REPRESENTATIVE'])
  })

  it.each([
    ['oneself', async () => idOf(representative), 'INVALID', ['input', 'to'], '请指定您以外的人员。'],
    [
      'an officer of another member',
      async () => idOf(await alliance.officerOf(await alliance.member())),
      'NOT_FOUND',
      ['input', 'to'],
      '本成员没有这个人员。',
    ],
  ])('is not to %s', async (_, toWhom, code, field, message) => {
    const to = await toWhom()
    const before = await alliance.traces()
    const { userErrors } = await call(alliance, representative, 'handOver', { input: { to } }, 'zh-Hans')
    expect(userErrors).toEqual([{ code, field, message }])
    expect(await alliance.traces()).toEqual(before)
  })

  it('is for officers: the secretariat is told what to use instead', async () => {
    const before = await alliance.traces()
    const left = await call(alliance, staff, 'leaveMember')
    expect(left.userErrors).toMatchObject([{ code: 'WRONG_STATUS', message: expect.stringContaining('removeOfficer') }])
    const handed = await call(alliance, staff, 'handOver', { input: { to: await idOf(liaison) } }, 'zh-Hans')
    expect(handed.userErrors).toMatchObject([
      { code: 'WRONG_STATUS', message: expect.stringContaining('您不代表任何成员') },
    ])
    expect(await alliance.traces()).toEqual(before)
  })
})

describe('the last representative', () => {
  it('can’t be removed, demoted, or leave, whoever asks', async () => {
    const id = await idOf(representative)
    const before = await alliance.traces()
    const zh = '这是该成员的最后一位代表。请先任命其他代表，或办理移交。'
    for (const actor of [staff, representative]) {
      const removed = await call(alliance, actor, 'removeOfficer', { id, reason: '…' }, 'zh-Hans')
      expect(removed.userErrors).toEqual([{ code: 'WRONG_STATUS', field: ['id'], message: zh }])
      const demoted = await call(alliance, actor, 'changeOfficerRole', { id, role: 'LIAISON' }, 'zh-Hans')
      expect(demoted.userErrors).toEqual([{ code: 'WRONG_STATUS', field: ['role'], message: zh }])
    }
    const left = await call(alliance, representative, 'leaveMember')
    expect(left.userErrors).toMatchObject([{ code: 'WRONG_STATUS', message: expect.stringContaining('hand over') }])
    expect(await alliance.traces()).toEqual(before)
  })

  it.each(['remove', 'leave', 'demote'] as const)('stays when two %s at once', async step => {
    const representatives = [representative]
    for (let i = 0; i < 3; i++) representatives.push(await alliance.officerOf(member, 'REPRESENTATIVE'))
    const ids = await Promise.all(representatives.map(idOf))
    const outcomes = await Promise.all(
      representatives.map((actor, i) => {
        if (step === 'leave') return call(alliance, actor, 'leaveMember')
        if (step === 'demote') return call(alliance, staff, 'changeOfficerRole', { id: ids[i], role: 'VIEWER' })
        return call(alliance, staff, 'removeOfficer', { id: ids[i], reason: '…' })
      }),
    )
    expect(outcomes.filter(({ userErrors }) => userErrors.length > 0)).toHaveLength(1)
    expect((await rolesOf(member)).filter(role => role === 'REPRESENTATIVE')).toHaveLength(1)
  })

  it('is kept by a rule on rows', () => {
    const officers = [
      { id: 'a', role: 'REPRESENTATIVE' },
      { id: 'b', role: 'LIAISON' },
    ] as const
    expect(keepsRepresentative(officers, 'a', null)).toBe(false)
    expect(keepsRepresentative(officers, 'a', 'LIAISON')).toBe(false)
    expect(keepsRepresentative(officers, 'b', null)).toBe(true)
    expect(keepsRepresentative([...officers, { id: 'c', role: 'REPRESENTATIVE' }], 'a', null)).toBe(true)
    expect(keepsRepresentative([{ id: 'b', role: 'LIAISON' }], 'b', null)).toBe(true)
  })
})

describe('who acts for a member', () => {
  it.each([
    ['anonymous', () => alliance.anonymous, 'UNAUTHENTICATED'],
    ['a portal', () => alliance.portal(), 'FORBIDDEN'],
    ['a liaison', async () => liaison, 'FORBIDDEN'],
    [
      'a representative of another',
      async () => alliance.officerOf(await alliance.member(), 'REPRESENTATIVE'),
      'NOT_FOUND',
    ],
  ] as const)('is not decided by %s', async (_, by, code) => {
    const actor = await by()
    const id = await idOf(await alliance.officerOf(member, 'VIEWER'))
    const before = await alliance.traces()
    const ask = async (mutation: keyof typeof mutations, variables: Record<string, unknown>) =>
      errorCodes(await alliance.as(actor).query(mutations[mutation], variables))
    expect(await ask('changeOfficerRole', { id, role: 'LIAISON' })).toEqual([code])
    expect(await ask('removeOfficer', { id, reason: '…' })).toEqual([code])
    if (code !== 'NOT_FOUND') expect(await ask('handOver', { input: { to: id } })).toEqual([code])
    if (actor !== liaison && code !== 'NOT_FOUND') expect(await ask('leaveMember', {})).toEqual([code])
    expect(await alliance.traces()).toEqual(before)
  })

  it('is not decided by who has just lost the role', async () => {
    const second = await alliance.officerOf(member, 'REPRESENTATIVE')
    await done(alliance, representative, 'changeOfficerRole', { id: await idOf(second), role: 'LIAISON' })
    const before = await alliance.traces()
    // As a process would that has not heard of it yet.
    const asBefore = await alliance
      .as(second)
      .query(mutations.removeOfficer, { id: await idOf(representative), reason: '…' })
    expect(errorCodes(asBefore)).toEqual(['FORBIDDEN'])
    const handed = await call(alliance, second, 'handOver', { input: { to: await idOf(liaison) } }, 'zh-Hans')
    expect(handed.userErrors).toMatchObject([{ code: 'WRONG_STATUS', message: '只有代表可以移交。' }])
    expect(await alliance.traces()).toEqual(before)
  })

  it('needs a reason to be removed', async () => {
    const id = await idOf(liaison)
    const { userErrors } = await call(alliance, representative, 'removeOfficer', { id, reason: ' ' })
    expect(userErrors).toMatchObject([{ code: 'REQUIRED', field: ['reason'] }])
    expect(await now(liaison)).not.toBeNull()
  })
})

describe('news of an officer', () => {
  const event = (officer: Officer, more: object = {}) =>
    ({
      type: 'officer.changed',
      subject: '',
      detail: { change: 'ROLE', role: 'VIEWER', accountId: officer.accountId, memberId: officer.memberId, ...more },
    }) as unknown as JournalEvent

  it('have its bearer looked up anew, and no other', async () => {
    const bearers = createBearers()
    const lookUp = (officer: Officer) => bearers.find(alliance.services.db, officer.tokenId)
    await lookUp(liaison)
    await lookUp(representative)
    bearers.forget([event(liaison)])
    expect(await alliance.countStatements(() => lookUp(liaison))).toBe(1)
    expect(await alliance.countStatements(() => lookUp(representative))).toBe(0)
    bearers.forget([event(liaison, { memberId: representative.accountId })])
    expect(await alliance.countStatements(() => lookUp(liaison))).toBe(0)
  })

  it('have its live subscriptions checked before anything more is sent, and no others', () => {
    const rights = createRights(async () => new Map(), alliance.services.now)
    const listeners = [liaison, representative].map((actor): { actor: SignedIn; checkedAt: number } => ({
      actor,
      checkedAt: 1,
    }))
    rights.notice([event(liaison)], listeners)
    expect(listeners.map(({ checkedAt }) => checkedAt)).toEqual([0, 1])
  })

  it('find no role where there is no officer any more, should a token have outlived it', async () => {
    await alliance.db.deleteFrom('officers').where('accountId', '=', liaison.accountId).execute()
    expect(await findTokenHolder(alliance.db, liaison.tokenId)).toMatchObject({ role: null, revokedAt: null })
    expect(await now(liaison)).toBeNull()
  })
})

it('an address is that of one account, whoever was invited by it', async () => {
  const email = address()
  const other = await alliance.member()
  for (const of of [member, other]) {
    const { code } = await invited(alliance, staff, of, { email })
    await done(alliance, alliance.anonymous, 'acceptInvitation', { input: { code } })
  }
  const accounts = await alliance.db.selectFrom('accounts').select('id').where('email', '=', email).execute()
  expect(accounts).toHaveLength(1)
})
