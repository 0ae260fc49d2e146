import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { reauthenticate } from '../../src/access/authenticate.ts'
import type { MembershipStatus } from '../../src/access/permissions.ts'
import { issuePortalKey, registerPortal } from '../../src/access/tokens.ts'
import { writeId } from '../../src/ids.ts'
import { type Decision, statusAfter } from '../../src/membership/policy.ts'
import { type Alliance, createAlliance, errorCodes, type TestMember } from '../support/alliance.ts'

interface Outcome {
  outcome: {
    member: {
      version: number
      membership: { status: string; joiningNumber: number | null; joinedOn: string | null }
    } | null
    userErrors: { code: string; field: string[]; message: string }[]
  }
}

const mutations = ['admitMember', 'suspendMember', 'reinstateMember', 'withdrawMember', 'expelMember'] as const
const decide = (mutation: (typeof mutations)[number]) => `mutation ($id: ID!, $input: MembershipDecisionInput!) {
  outcome: ${mutation}(id: $id, input: $input) {
    member { version membership { status joiningNumber joinedOn } }
    userErrors { code field message }
  }
}`

let alliance: Alliance
let secretariat: Actor
beforeAll(async () => {
  alliance = await createAlliance()
  secretariat = await alliance.secretariat()
})
afterAll(() => alliance.close())

async function send(mutation: (typeof mutations)[number], member: TestMember, version: number, more: object = {}) {
  const input = { expectedVersion: version, reason: '理事会决定', ...more }
  return (await alliance.as(secretariat).ask<Outcome>(decide(mutation), { id: member.id, input })).outcome
}

describe('the table of decisions', () => {
  const allowed: Record<Decision, Partial<Record<MembershipStatus, MembershipStatus>>> = {
    ADMIT: { LISTED: 'ADMITTED', WITHDRAWN: 'ADMITTED', EXPELLED: 'ADMITTED' },
    SUSPEND: { ADMITTED: 'SUSPENDED' },
    REINSTATE: { SUSPENDED: 'ADMITTED' },
    WITHDRAW: { ADMITTED: 'WITHDRAWN', SUSPENDED: 'WITHDRAWN' },
    EXPEL: { ADMITTED: 'EXPELLED', SUSPENDED: 'EXPELLED' },
  }
  const statuses = ['LISTED', 'ADMITTED', 'SUSPENDED', 'WITHDRAWN', 'EXPELLED'] as const
  it.each(Object.keys(allowed) as Decision[])('%s leads where the SDL says, and from nowhere else', decision => {
    for (const status of statuses) expect(statusAfter(status, decision)).toBe(allowed[decision][status] ?? null)
  })
})

describe('a decision on a membership', () => {
  it.each(mutations)('%s is for the secretariat alone', async mutation => {
    const member = await alliance.member({ status: mutation === 'admitMember' ? 'LISTED' : 'ADMITTED' })
    const input = { expectedVersion: member.row.version, reason: 'x' }
    for (const [actor, code] of [
      [alliance.anonymous, 'UNAUTHENTICATED'],
      [await alliance.officerOf(member, 'REPRESENTATIVE'), 'FORBIDDEN'],
      [await alliance.portal(), 'FORBIDDEN'],
    ] as const) {
      const before = await alliance.traces()
      expect(errorCodes(await alliance.as(actor).query(decide(mutation), { id: member.id, input }))).toEqual([code])
      expect(await alliance.traces()).toEqual(before)
    }
  })

  it('is logged from the first to the last, with who, when, why and the document', async () => {
    alliance.clock.now = new Date('2026-11-30T16:30:00Z')
    const member = await alliance.member({ status: 'LISTED' })
    const admitted = await send('admitMember', member, 1, { document: '云谷纪要〔2026〕1号' })
    // Half past midnight of the next day in Shanghai.
    expect(admitted).toEqual({
      member: {
        version: 2,
        membership: { status: 'ADMITTED', joiningNumber: expect.any(Number), joinedOn: '2026-12-01' },
      },
      userErrors: [],
    })
    await send('suspendMember', member, 2)
    await send('reinstateMember', member, 3)
    await send('suspendMember', member, 4)
    await send('expelMember', member, 5)
    alliance.clock.now = new Date('2027-01-05T00:00:00Z')
    const again = await send('admitMember', member, 6, { reason: ' 重新入会 ' })
    expect(again.member).toEqual({ version: 7, membership: admitted.member?.membership })

    const { member: read } = await alliance
      .as(await alliance.officerOf(member))
      .ask('query ($id: ID!) { member(id: $id) { membership { transitions { from to at by reason document } } } }', {
        id: member.id,
      })
    const by = '秘书处小云'
    const first = { at: '2026-11-30T16:30:00.000Z', by, reason: '理事会决定', document: null }
    expect(read).toEqual({
      membership: {
        transitions: [
          { from: 'EXPELLED', to: 'ADMITTED', at: '2027-01-05T00:00:00.000Z', by, reason: '重新入会', document: null },
          { ...first, from: 'SUSPENDED', to: 'EXPELLED' },
          { ...first, from: 'ADMITTED', to: 'SUSPENDED' },
          { ...first, from: 'SUSPENDED', to: 'ADMITTED' },
          { ...first, from: 'ADMITTED', to: 'SUSPENDED' },
          { ...first, from: 'LISTED', to: 'ADMITTED', document: '云谷纪要〔2026〕1号' },
        ],
      },
    })
  })

  it('tells the journal, open to all, by ids only', async () => {
    const member = await alliance.member({ status: 'ADMITTED' })
    await send('withdrawMember', member, 2)
    const event = await alliance.db
      .selectFrom('outbox')
      .selectAll()
      .where('subject', '=', member.uuid)
      .orderBy('id', 'desc')
      .executeTakeFirstOrThrow()
    expect(event).toMatchObject({
      type: 'member.membership',
      detail: { from: 'ADMITTED', to: 'WITHDRAWN', version: 3 },
      audience: 'PUBLIC',
    })
  })

  it.each(['withdrawMember', 'expelMember'] as const)(
    '%s ends the tokens of its officers and hides it',
    async mutation => {
      const member = await alliance.member()
      const officer = await alliance.officerOf(member)
      const stranger = await alliance.officerOf(await alliance.member())
      expect((await send(mutation, member, 2)).userErrors).toEqual([])
      expect(await reauthenticate(alliance.db, officer.tokenId, alliance.clock.now)).toBeNull()
      expect(await reauthenticate(alliance.db, stranger.tokenId, alliance.clock.now)).not.toBeNull()
      const revoked = alliance.db.selectFrom('outbox').select('type').where('subject', '=', officer.tokenId)
      expect((await revoked.execute()).map(({ type }) => type)).toEqual(['token.issued', 'token.revoked'])
      const one = 'query ($id: ID!) { member(id: $id) { id } }'
      expect(await alliance.as(stranger).ask(one, { id: member.id })).toEqual({ member: null })
      // A new admission does not give the old tokens back.
      await send('admitMember', member, 3)
      expect(await reauthenticate(alliance.db, officer.tokenId, alliance.clock.now)).toBeNull()
    },
  )

  it('ends the keys of the portals that a member ran, and gives them no new ones', async () => {
    const member = await alliance.member()
    const portalId = await registerPortal(alliance.request(), {
      name: '云谷门户',
      contact: 'portal@example.org',
      purpose: '测试',
      memberId: member.uuid,
      scopes: [],
    })
    const other = await alliance.portal()
    const key = await issuePortalKey(alliance.request(), portalId)
    await send('expelMember', member, 2)
    expect(await reauthenticate(alliance.db, key.tokenId, alliance.clock.now)).toBeNull()
    expect(await reauthenticate(alliance.db, other.tokenId, alliance.clock.now)).not.toBeNull()

    const foreign = (await alliance.member()).id.replace('assoc', 'city')
    const before = await alliance.traces()
    const answers = await alliance.as(secretariat).ask<Record<string, { userErrors: object[] }>>(
      `mutation ($portal: ID!, $member: ID!, $foreign: ID!) {
        key: issuePortalKey(portal: $portal) { userErrors { code field } }
        portal: registerPortal(input: { name: "x", contact: "x", purpose: "x", member: $member, scopes: [] }) {
          userErrors { code field }
        }
        foreign: registerPortal(input: { name: "x", contact: "x", purpose: "x", member: $foreign, scopes: [] }) {
          userErrors { code field }
        }
      }`,
      { portal: writeId('Portal', portalId), member: member.id, foreign },
    )
    expect(answers).toEqual({
      key: { userErrors: [{ code: 'WRONG_STATUS', field: ['portal'] }] },
      portal: { userErrors: [{ code: 'WRONG_STATUS', field: ['input', 'member'] }] },
      foreign: { userErrors: [{ code: 'NOT_FOUND', field: ['input', 'member'] }] },
    })
    expect(await alliance.traces()).toEqual(before)
  })

  it('is told NOT_FOUND of an id of another kind', async () => {
    const member = await alliance.member({ status: 'LISTED' })
    const input = { expectedVersion: 1, reason: 'x' }
    const id = member.id.replace('assoc', 'company')
    const before = await alliance.traces()
    expect(errorCodes(await alliance.as(secretariat).query(decide('admitMember'), { id, input }))).toEqual([
      'NOT_FOUND',
    ])
    expect(await alliance.traces()).toEqual(before)
  })

  it('suspends rights, not tokens', async () => {
    const member = await alliance.member()
    const officer = await alliance.officerOf(member)
    await send('suspendMember', member, 2)
    const now = await reauthenticate(alliance.db, officer.tokenId, alliance.clock.now)
    expect(now?.permissions.has('PROFILE_WRITE')).toBe(false)
    expect(now?.permissions.has('PROFILE_HISTORY_READ')).toBe(true)
  })

  it.each<[string, object, string, string[]]>([
    ['no reason', { reason: ' ' }, 'REQUIRED', ['input', 'reason']],
    ['too long a reason', { reason: 'x'.repeat(501) }, 'TOO_LONG', ['input', 'reason']],
    ['too long a document', { document: 'x'.repeat(201) }, 'TOO_LONG', ['input', 'document']],
    ['an old version', { expectedVersion: 1 }, 'CONFLICT', ['input', 'expectedVersion']],
    ['a status that does not allow it', {}, 'WRONG_STATUS', ['id']],
  ])('is refused with %s', async (_, more, code, field) => {
    const member = await alliance.member({ status: 'ADMITTED' })
    const before = await alliance.traces()
    const { userErrors } = await send('admitMember', member, 2, more)
    expect(userErrors).toMatchObject([{ code, field }])
    expect(await alliance.traces()).toEqual(before)
  })
})

it('gives concurrent admissions distinct numbers without a hole', async () => {
  const members = await Promise.all(Array.from({ length: 12 }, () => alliance.member({ status: 'LISTED' })))
  const { last } = await alliance.db
    .selectFrom('members')
    .select(eb => eb.fn.max('joiningNumber').as('last'))
    .executeTakeFirstOrThrow()
  const outcomes = await Promise.all(members.map(member => send('admitMember', member, 1)))
  const numbers = outcomes.map(({ member }) => member?.membership.joiningNumber ?? 0).sort((a, b) => a - b)
  expect(numbers).toEqual(members.map((_, i) => Number(last) + 1 + i))
})
