import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { parseId } from '../../src/ids.ts'
import { startDeliverer } from '../../src/mail/deliverer.ts'
import { marks } from '../../src/mail/marks.ts'
import { decideMembership } from '../../src/membership/service.ts'
import { invitationCode } from '../../src/officers/invitations.ts'
import { mayGrant } from '../../src/officers/policy.ts'
import { type Alliance, createAlliance, errorCodes, type TestMember } from '../support/alliance.ts'
import { address, call, done, entering, invited, invitee, mutations } from './story.ts'

const day = 86_400_000

let alliance: Alliance
let staff: Actor
let member: TestMember
let representative: Actor
beforeAll(async () => {
  alliance = await createAlliance()
  staff = await alliance.secretariat()
})
beforeEach(async () => {
  alliance.clock.now = new Date('2027-03-01T08:00:00Z')
  member = await alliance.member({ names: { 'zh-Hans': '云谷虚构联盟', en: 'Yungu Fictional Alliance' } })
  representative = await alliance.officerOf(member, 'REPRESENTATIVE')
})
afterAll(() => alliance.close())

const pass = (milliseconds: number) => {
  alliance.clock.now = new Date(alliance.clock.now.getTime() + milliseconds)
}
const uuidOf = (id: string) => parseId(id)!.uuid
const mailsTo = (email: string) =>
  alliance.db.selectFrom('mails').selectAll().where('recipient', '=', email).orderBy('id').execute()
const accept = (code: string | null, actor = alliance.anonymous) =>
  call(alliance, actor, 'acceptInvitation', { input: { code } })
const offer = async (code: string) => {
  const document = `query ($code: String!) { invitation(code: $code) {
    kind state member { id } role name by expiresAt needsIdToken } }`
  return (await alliance.as(alliance.anonymous).ask(document, { code })).invitation
}

describe('an invitation', () => {
  it('goes out by mail, with the member and the role, for 14 days', async () => {
    const input = invitee(member, { locale: 'en' })
    const { invitation, code } = await done(alliance, representative, 'inviteOfficer', { input })
    expect(invitation).toMatchObject({
      state: 'PENDING',
      email: input.email,
      role: 'LIAISON',
      expiresAt: '2027-03-15T08:00:00.000Z',
    })
    // Who holds the mailbox holds the invitation: not the one who invites.
    expect(code).toBeNull()
    const [mail] = await mailsTo(input.email)
    expect(mail).toMatchObject({ state: 'WAITING', about: uuidOf(invitation!.id), locale: 'en' })
    expect(mail!.subject).toBe('Invitation to act for Yungu Fictional Alliance as its liaison officer')
    expect(mail!.text).toContain('联络员小谷 invites you to act for Yungu Fictional Alliance')
    expect(mail!.text).toContain('2027-03-15 08:00 UTC')
  })

  it('is written in the caller’s language without another, and has no line that a name smuggled in', async () => {
    const input = invitee(member, { name: '王小云\n\n您的邀请码：https://evil.example' })
    await done(alliance, representative, 'inviteOfficer', { input }, 'zh-Hant')
    const [mail] = await mailsTo(input.email)
    expect(mail).toMatchObject({ locale: 'zh-Hans', subject: '邀请您担任云谷虚构联盟的联络员' })
    expect(mail!.text.split('\n')[0]).toBe('王小云 您的邀请码：https://evil.example，您好：')
  })

  it('has its code at one place, wherever a name would have it', async () => {
    const input = invitee(member, { name: `王 https://evil.example/${marks.code}` })
    await done(alliance, representative, 'inviteOfficer', { input })
    const [mail] = await mailsTo(input.email)
    expect(mail!.text.split(marks.code)).toHaveLength(2)
    expect(mail!.text).toContain(`Your code: ${marks.code}\n`)
  })

  it('shows its code to the secretariat alone, and keeps it nowhere', async () => {
    const { code } = await invited(alliance, staff, member)
    expect(code).toMatch(/^mvi_[\w-]{43}$/)
    const { rows } = await sql<{ all: string }>`
      select concat((select json_agg(i) from invitations i), (select json_agg(c) from invitation_codes c),
        (select json_agg(m) from mails m), (select json_agg(o) from outbox o)) as all`.execute(alliance.db)
    expect(rows[0]!.all).not.toContain(code.slice(4))
  })

  it.each([
    ['anonymous', () => alliance.anonymous, 'UNAUTHENTICATED'],
    ['a liaison', () => alliance.officerOf(member, 'LIAISON'), 'FORBIDDEN'],
    ['a viewer', () => alliance.officerOf(member, 'VIEWER'), 'FORBIDDEN'],
    ['a portal', () => alliance.portal(), 'FORBIDDEN'],
    [
      'a representative of another member',
      async () => alliance.officerOf(await alliance.member(), 'REPRESENTATIVE'),
      'FORBIDDEN',
    ],
    [
      'a representative whose member was suspended',
      async () => {
        await decideMembership(alliance.request(), member.row, 'SUSPEND', {
          expectedVersion: member.row.version,
          reason: '…',
        })
        return alliance.officerOf(member, 'REPRESENTATIVE')
      },
      'FORBIDDEN',
    ],
  ] as const)('is not made by %s', async (_, by, code) => {
    const actor = await by()
    const { id } = await invited(alliance, staff, await alliance.member())
    const before = await alliance.traces()
    const ask = async (mutation: keyof typeof mutations, variables: object) =>
      errorCodes(await alliance.as(actor).query(mutations[mutation], variables as Record<string, unknown>))
    expect(await ask('inviteOfficer', { input: invitee(member) })).toEqual([code])
    expect(await ask('inviteOfficers', { input: [invitee(member), invitee(member)] })).toEqual([code])
    const staffInput = { name: '王小云', email: address() }
    expect(await ask('inviteStaff', { input: staffInput })).toEqual([code === 'UNAUTHENTICATED' ? code : 'FORBIDDEN'])
    for (const mutation of ['resendInvitation', 'revokeInvitation'] as const)
      expect([code, 'NOT_FOUND']).toContain((await ask(mutation, { id }))[0])
    expect(await alliance.traces()).toEqual(before)
  })

  it('to the staff is not made by a representative', async () => {
    const before = await alliance.traces()
    const input = { name: '王小云', email: address() }
    expect(errorCodes(await alliance.as(representative).query(mutations.inviteStaff, { input }))).toEqual(['FORBIDDEN'])
    expect(await alliance.traces()).toEqual(before)
  })

  it('grants no role above one’s own', () => {
    const officer = (role: string) => ({ kind: 'OFFICER', role }) as never
    const granted = (by: string) =>
      ['VIEWER', 'LIAISON', 'REPRESENTATIVE'].filter(role => mayGrant(officer(by), role as never))
    expect(granted('VIEWER')).toEqual(['VIEWER'])
    expect(granted('LIAISON')).toEqual(['VIEWER', 'LIAISON'])
    expect(granted('REPRESENTATIVE')).toEqual(['VIEWER', 'LIAISON', 'REPRESENTATIVE'])
    expect(mayGrant(alliance.anonymous, 'VIEWER')).toBe(false)
  })

  it('grants no role above one’s own, whatever permission led there', async () => {
    const liaison = { ...(await alliance.officerOf(member, 'LIAISON')), permissions: representative.permissions }
    const before = await alliance.traces()
    const { userErrors } = await call(alliance, liaison, 'inviteOfficer', {
      input: invitee(member, { role: 'REPRESENTATIVE' }),
    })
    expect(userErrors).toMatchObject([{ code: 'INVALID', field: ['input', 'role'] }])
    expect(await alliance.traces()).toEqual(before)
  })

  it.each([
    [{ name: ' ' }, 'REQUIRED', 'name', '此处不能为空。'],
    [{ email: 'nobody' }, 'INVALID', 'email', '不是有效的邮箱地址，请填写类似 office@example.org 的地址。'],
    [{ expiresAt: '2027-03-01T08:00:00Z' }, 'IN_THE_PAST', 'expiresAt', '邀请的有效期须在将来。'],
    [{ expiresAt: '2027-04-30T08:00:01Z' }, 'INVALID', 'expiresAt', '邀请的有效期最长为 60 天。'],
    [{ member: 'city_00000000000000000000000000' }, 'NOT_FOUND', 'member', '没有这个成员。'],
  ])('with %j is refused', async (bad, code, field, message) => {
    const before = await alliance.traces()
    const input = invitee(member, bad)
    const { userErrors } = await call(alliance, staff, 'inviteOfficer', { input }, 'zh-Hans')
    expect(userErrors).toEqual([{ code, field: ['input', field], message }])
    const english = await call(alliance, staff, 'inviteOfficer', { input })
    expect(english.userErrors[0]!.message).toMatch(/^[ -~]+$/)
    expect(await alliance.traces()).toEqual(before)
  })

  it('is one for each address and member', async () => {
    const email = address()
    const first = await invited(alliance, staff, member, { email })
    const before = await alliance.traces()
    const again = await call(alliance, representative, 'inviteOfficer', {
      input: invitee(member, { email: email.toUpperCase() }),
    })
    expect(again).toMatchObject({
      invitation: { id: first.id, state: 'PENDING' },
      code: null,
      userErrors: [{ code: 'TAKEN', field: ['input', 'email'] }],
    })
    expect(await alliance.traces()).toEqual(before)
    await invited(alliance, staff, await alliance.member(), { email })
    const { email: own } = await alliance.db
      .selectFrom('accounts')
      .innerJoin('officers', 'officers.accountId', 'accounts.id')
      .select('email')
      .where('memberId', '=', member.uuid)
      .executeTakeFirstOrThrow()
    const officer = await call(alliance, staff, 'inviteOfficer', { input: invitee(member, { email: own }) })
    expect(officer).toMatchObject({ invitation: null, userErrors: [{ code: 'TAKEN' }] })
  })

  it('is one also when it is made several times at once', async () => {
    const input = invitee(member)
    const outcomes = await Promise.all(
      Array.from({ length: 5 }, () => call(alliance, staff, 'inviteOfficer', { input })),
    )
    expect(outcomes.filter(({ userErrors }) => userErrors.length === 0)).toHaveLength(1)
    expect(await mailsTo(input.email)).toHaveLength(1)
  })

  it('may be for a listed body, and not for one that has left', async () => {
    await invited(alliance, staff, await alliance.member({ status: 'LISTED' }))
    const left = await alliance.member({ status: 'WITHDRAWN' })
    const { userErrors } = await call(alliance, staff, 'inviteOfficer', { input: invitee(left) }, 'zh-Hans')
    expect(userErrors).toMatchObject([{ code: 'WRONG_STATUS', message: '该成员已离开联盟，不再有人代表其行事。' }])
  })
})

describe('a bulk invitation', () => {
  it('tells the outcome of each row, and a bad one undoes no other', async () => {
    const known = await invited(alliance, staff, member, { email: 'known@yungu.example' })
    await alliance.db
      .updateTable('accounts')
      .set({ email: 'officer@yungu.example' })
      .where('id', '=', 'accountId' in representative ? representative.accountId : '')
      .execute()
    const emails = ['a@yungu.example', 'known@yungu.example', 'officer@yungu.example', 'nobody', 'A@yungu.example']
    const input = emails.map(email => invitee(member, { email }))
    const { rows, userErrors } = await done(alliance, staff, 'inviteOfficers', { input })
    expect(userErrors).toEqual([])
    expect(rows.map(({ email, outcome }) => [email, outcome])).toEqual([
      ['a@yungu.example', 'INVITED'],
      ['known@yungu.example', 'ALREADY_INVITED'],
      ['officer@yungu.example', 'ALREADY_OFFICER'],
      ['nobody', 'REFUSED'],
      ['A@yungu.example', 'ALREADY_INVITED'],
    ])
    expect(rows[0]).toMatchObject({ userErrors: [], code: expect.stringMatching(/^mvi_/) })
    expect(rows[1]).toMatchObject({ invitation: { id: known.id }, userErrors: [{ field: ['input', '1', 'email'] }] })
    expect(rows[3]).toMatchObject({
      invitation: null,
      userErrors: [{ code: 'INVALID', field: ['input', '3', 'email'] }],
    })
    expect(await mailsTo('a@yungu.example')).toHaveLength(1)
  })

  it('of another member’s officers does nothing at all', async () => {
    const other = await alliance.member()
    const before = await alliance.traces()
    const input = [invitee(member), invitee(other)]
    expect(errorCodes(await alliance.as(representative).query(mutations.inviteOfficers, { input }))).toEqual([
      'FORBIDDEN',
    ])
    expect(await alliance.traces()).toEqual(before)
  })

  it('has at most a hundred rows', async () => {
    const before = await alliance.traces()
    const input = Array.from({ length: 101 }, () => invitee(member))
    const { rows, userErrors } = await call(alliance, representative, 'inviteOfficers', { input })
    expect({ rows, userErrors }).toMatchObject({ rows: [], userErrors: [{ code: 'TOO_LONG', field: ['input'] }] })
    expect(await alliance.traces()).toEqual(before)
  })
})

describe('before it is accepted', () => {
  it('an invitation can be read by its code, and shows no address', async () => {
    const { code } = await invited(alliance, staff, member)
    expect(await offer(code)).toEqual({
      kind: 'OFFICER',
      state: 'PENDING',
      member: { id: member.id },
      role: 'LIAISON',
      name: '王小云',
      by: '秘书处小云',
      expiresAt: '2027-03-15T08:00:00.000Z',
      needsIdToken: false,
    })
    expect(await offer(` ${code}\n`)).not.toBeNull()
    for (const wrong of ['', 'mvi_x', `${code.slice(0, -1)}${code.endsWith('A') ? 'E' : 'A'}`])
      expect(await offer(wrong)).toBeNull()
    const { __type } = await alliance
      .as(alliance.anonymous)
      .ask<{ __type: { fields: { name: string }[] } }>(`{ __type(name: "InvitationOffer") { fields { name } } }`)
    expect(__type.fields.map(({ name }) => name)).not.toContain('email')
  })

  it('an invitation that is sent anew has a new code, and the old one ends', async () => {
    const { id, code } = await invited(alliance, staff, member)
    pass(15 * day)
    expect(await offer(code)).toMatchObject({ state: 'EXPIRED' })
    const again = await done(alliance, staff, 'resendInvitation', { id })
    expect(again.invitation).toMatchObject({ id, state: 'PENDING', expiresAt: '2027-03-30T08:00:00.000Z' })
    expect(await offer(code)).toBeNull()
    expect((await accept(code)).userErrors).toMatchObject([{ code: 'NOT_FOUND', field: ['input', 'code'] }])
    expect(await mailsTo(again.invitation!.email)).toHaveLength(2)
    expect((await accept(again.code)).secret).toMatch(/^mva_/)
    const late = await call(alliance, staff, 'resendInvitation', { id }, 'zh-Hans')
    expect(late.userErrors).toMatchObject([
      { code: 'WRONG_STATUS', message: expect.stringContaining('该邀请的状态为') },
    ])
  })

  it('officers have five mails a day sent to an address, and the secretariat more', async () => {
    const { invitation } = await done(alliance, representative, 'inviteOfficer', { input: invitee(member) })
    const { id, email } = invitation!
    for (let i = 0; i < 4; i++) await done(alliance, representative, 'resendInvitation', { id })
    for (const [locale, message] of [
      ['en', 'sent 5 mails within a day'],
      ['zh-Hans', '5 封邮件'],
    ] as const) {
      const { userErrors } = await call(alliance, representative, 'resendInvitation', { id }, locale)
      expect(userErrors).toMatchObject([{ code: 'TOO_MANY', field: ['id'], message: expect.stringContaining(message) }])
    }
    // Nor by way of another invitation.
    const other = await alliance.member()
    const elsewhere = await alliance.officerOf(other, 'REPRESENTATIVE')
    const again = await call(alliance, elsewhere, 'inviteOfficer', { input: invitee(other, { email }) })
    expect(again.userErrors).toMatchObject([{ code: 'TOO_MANY', field: ['input', 'email'] }])
    expect(await mailsTo(email)).toHaveLength(5)
    await done(alliance, staff, 'resendInvitation', { id })
    pass(day)
    await done(alliance, representative, 'resendInvitation', { id })
  })

  it('officers invite 200 a day', async () => {
    const rows = (count: number) => ({ input: Array.from({ length: count }, () => invitee(member)) })
    for (const _ of [1, 2]) {
      const outcome = await done(alliance, representative, 'inviteOfficers', rows(100))
      expect(new Set(outcome.rows.map(row => row.outcome))).toEqual(new Set(['INVITED']))
    }
    const late = await done(alliance, representative, 'inviteOfficers', rows(1))
    expect(late.rows).toMatchObject([{ outcome: 'REFUSED', userErrors: [{ code: 'TOO_MANY' }] }])
    await done(alliance, staff, 'inviteOfficers', rows(1))
  })

  it('an expired invitation is not sent anew beside a later one', async () => {
    const email = address()
    const { id } = await invited(alliance, staff, member, { email })
    pass(15 * day)
    const later = await invited(alliance, staff, member, { email })
    expect(await call(alliance, staff, 'resendInvitation', { id })).toMatchObject({
      userErrors: [{ code: 'TAKEN', field: ['id'] }],
    })
    await done(alliance, staff, 'resendInvitation', { id: later.id })
  })

  it('an invitation can be revoked, and revoking it again changes nothing', async () => {
    const { id, code } = await invited(alliance, staff, member)
    const revoked = await done(alliance, representative, 'revokeInvitation', { id, reason: '写错了' })
    expect(revoked.invitation).toMatchObject({ state: 'REVOKED' })
    const before = await alliance.traces()
    pass(1000)
    await done(alliance, representative, 'revokeInvitation', { id, reason: '又一次' })
    expect((await accept(code)).userErrors).toMatchObject([
      { code: 'WRONG_STATUS', field: ['input', 'code'], message: 'This invitation was revoked.' },
    ])
    expect(await offer(code)).toMatchObject({ state: 'REVOKED' })
    expect(await alliance.traces()).toEqual(before)
  })

  it('invitations are listed with their states, also after their time, to those who may see them', async () => {
    const other = await alliance.member()
    const foreign = await invited(alliance, staff, other)
    const ids = {
      PENDING: (await invited(alliance, staff, member, { expiresAt: '2027-04-20T00:00:00Z' })).id,
      EXPIRED: (await invited(alliance, staff, member)).id,
      REVOKED: (await invited(alliance, staff, member)).id,
      ACCEPTED: '',
    }
    const accepted = await invited(alliance, staff, member)
    ids.ACCEPTED = accepted.id
    await accept(accepted.code)
    await done(alliance, staff, 'revokeInvitation', { id: ids.REVOKED })
    pass(15 * day)
    const list = async (actor: Actor, filter: object | null = null) => {
      const document = `query ($filter: InvitationFilter) { invitations(filter: $filter, first: 100) {
        totalCount nodes { id state by mail { state } } } }`
      type Page = { nodes: { id: string; state: string; by: string; mail: object | null }[]; totalCount: number }
      return (await alliance.as(actor).ask<{ invitations: Page }>(document, { filter })).invitations
    }
    const fresh = await alliance.officerOf(member, 'REPRESENTATIVE')
    const all = await list(fresh)
    expect(all.nodes.map(({ id, state }) => [state, id])).toEqual(
      (['ACCEPTED', 'REVOKED', 'EXPIRED', 'PENDING'] as const).map(state => [state, ids[state]]),
    )
    expect(all.totalCount).toBe(4)
    expect(all.nodes[0]).toMatchObject({ by: '秘书处小云', mail: null })
    for (const [state, id] of Object.entries(ids))
      expect((await list(fresh, { states: [state] })).nodes.map(node => node.id)).toEqual([id])
    expect((await list(fresh, { member: other.id })).nodes).toEqual([])
    expect((await list(staff, { member: other.id })).nodes).toMatchObject([
      { id: foreign.id, state: 'EXPIRED', mail: { state: 'WAITING' } },
    ])
    const node = `query ($id: ID!) { node(id: $id) { id } }`
    for (const actor of [alliance.anonymous, fresh, await alliance.officerOf(other, 'LIAISON')])
      expect(await alliance.as(actor).ask(node, { id: foreign.id })).toEqual({ node: null })
    expect(await alliance.as(staff).ask(node, { id: foreign.id })).toEqual({ node: { id: foreign.id } })
  })
})

describe('the mail of an invitation', () => {
  /** Sends what waits, and answers what was sent, by address. */
  async function post(): Promise<Map<string, string>> {
    const sent = new Map<string, string>()
    const deliverer = startDeliverer({
      db: alliance.db,
      now: () => alliance.clock.now,
      transport: { send: async ({ recipient, text }) => void sent.set(recipient, text) },
      publicUrl: 'https://alliance.example',
      codes: { INVITATION: invitationCode },
      onSent: () => undefined,
      onFailed: () => undefined,
      onLogged: () => undefined,
      onError: error => expect(error).toBeUndefined(),
    })
    await deliverer.idle()
    await deliverer.stop()
    return sent
  }
  const codeIn = (text: string | undefined) => /mvi_[\w-]{43}/.exec(text ?? '')?.[0] ?? null

  it('carries a code that accepts it', async () => {
    const { invitation } = await done(alliance, representative, 'inviteOfficer', { input: invitee(member) })
    const code = codeIn((await post()).get(invitation!.email))
    expect(await accept(code)).toMatchObject({ invitation: { state: 'ACCEPTED' }, userErrors: [] })
  })

  it('is not sent any more once it was revoked, accepted or sent anew', async () => {
    const revoked = await done(alliance, representative, 'inviteOfficer', { input: invitee(member) })
    await done(alliance, representative, 'revokeInvitation', { id: revoked.invitation!.id })
    const again = await done(alliance, representative, 'inviteOfficer', { input: invitee(member) })
    await done(alliance, representative, 'resendInvitation', { id: again.invitation!.id })
    const sent = await post()
    expect(sent.has(revoked.invitation!.email)).toBe(false)
    const states = async (email: string) => (await mailsTo(email)).map(({ state }) => state)
    expect(await states(revoked.invitation!.email)).toEqual(['WITHDRAWN'])
    expect(await states(again.invitation!.email)).toEqual(['WITHDRAWN', 'SENT'])
    expect(await accept(codeIn(sent.get(again.invitation!.email)))).toMatchObject({ userErrors: [] })
  })
})

describe('accepting', () => {
  it('makes an officer with a token, and tells the journal who it was', async () => {
    const { id, code } = await invited(alliance, staff, member, { role: 'REPRESENTATIVE' })
    const outcome = await done(alliance, alliance.anonymous, 'acceptInvitation', { input: { code } })
    expect(outcome.invitation).toEqual({ state: 'ACCEPTED', role: 'REPRESENTATIVE' })
    expect(outcome.expiresAt).toBe('2027-05-30T08:00:00.000Z')
    const officer = await entering(alliance, outcome.secret)
    expect(officer).toMatchObject({ kind: 'OFFICER', memberId: member.uuid, role: 'REPRESENTATIVE', name: '王小云' })
    const actor = `account:${'accountId' in officer && officer.accountId}`
    const events = await alliance.db
      .selectFrom('outbox')
      .select(['type', 'actor', 'onBehalfOf', 'audience', 'audienceMembers', 'detail'])
      .where('actor', '=', actor)
      .orderBy('id')
      .execute()
    expect(events.map(({ type }) => type)).toEqual(['invitation.changed', 'officer.changed', 'token.issued'])
    expect(events[0]).toMatchObject({ onBehalfOf: member.uuid, audience: 'MEMBERS', audienceMembers: [member.uuid] })
    expect(events[1]!.detail).toMatchObject({ change: 'JOINED', role: 'REPRESENTATIVE', memberId: member.uuid })
    expect(JSON.stringify(events)).not.toContain('yungu.example')
    const { node } = await alliance
      .as(staff)
      .ask(`query ($id: ID!) { node(id: $id) { ... on Invitation { acceptedAt revokedAt revokedBy } } }`, { id })
    expect(node).toEqual({ acceptedAt: '2027-03-01T08:00:00.000Z', revokedAt: null, revokedBy: null })
  })

  it('happens once, also when two do so at once', async () => {
    const { code } = await invited(alliance, staff, member)
    const outcomes = await Promise.all([accept(code), accept(code), accept(code)])
    expect(outcomes.filter(({ secret }) => secret !== null)).toHaveLength(1)
    expect(outcomes.flatMap(({ userErrors }) => userErrors)).toMatchObject([
      { code: 'WRONG_STATUS', message: 'This invitation was accepted already. It can be used once.' },
      { code: 'WRONG_STATUS', field: ['input', 'code'] },
    ])
  })

  it.each([
    ['unknown', async () => `mvi_${'A'.repeat(43)}`, 'NOT_FOUND', '没有使用此邀请码的邀请'],
    ['malformed', async () => 'mvi_x', 'NOT_FOUND', '没有使用此邀请码的邀请'],
    [
      'past its time',
      async () => {
        const { code } = await invited(alliance, staff, member)
        pass(14 * day)
        return code
      },
      'WRONG_STATUS',
      '此邀请已于 2027-03-15T08:00:00.000Z 到期',
    ],
    [
      'used',
      async () => {
        const { code } = await invited(alliance, staff, member)
        await accept(code)
        return code
      },
      'WRONG_STATUS',
      '此邀请已被接受',
    ],
    [
      'for a member that has left',
      async () => {
        const { code } = await invited(alliance, staff, member)
        await decideMembership(alliance.request(), member.row, 'WITHDRAW', {
          expectedVersion: member.row.version,
          reason: '…',
        })
        return code
      },
      'WRONG_STATUS',
      '该成员已离开联盟',
    ],
  ])('a code that is %s does nothing', async (_, codeOf, code, message) => {
    const input = { code: await codeOf() }
    const before = await alliance.traces()
    const outcome = await call(alliance, alliance.anonymous, 'acceptInvitation', { input }, 'zh-Hans')
    expect(outcome).toMatchObject({
      invitation: null,
      secret: null,
      expiresAt: null,
      userErrors: [{ code, field: ['input', 'code'], message: expect.stringContaining(message) }],
    })
    const { userErrors } = await call(alliance, alliance.anonymous, 'acceptInvitation', { input })
    expect(userErrors[0]!.message).toMatch(/^[ -~]+$/)
    expect(await alliance.traces()).toEqual(before)
  })

  it('is nothing for who acts for the member already: the role stays', async () => {
    const email = address()
    const { code } = await invited(alliance, staff, member, { email, role: 'VIEWER' })
    const account = 'accountId' in representative ? representative.accountId : ''
    await alliance.db.updateTable('accounts').set({ email }).where('id', '=', account).execute()
    const before = await alliance.traces()
    expect(await accept(code)).toMatchObject({ secret: null, userErrors: [{ code: 'TAKEN' }] })
    expect(await alliance.traces()).toEqual(before)
  })

  it('lets one person act for several members, by one account', async () => {
    const email = address()
    const other = await alliance.member()
    const first = await accept((await invited(alliance, staff, member, { email })).code)
    const second = await accept((await invited(alliance, staff, other, { email, role: 'VIEWER' })).code)
    const [here, there] = [await entering(alliance, first.secret), await entering(alliance, second.secret)]
    expect([here, there]).toMatchObject([
      { memberId: member.uuid, role: 'LIAISON' },
      { memberId: other.uuid, role: 'VIEWER' },
    ])
    expect('accountId' in here && here.accountId).toBe('accountId' in there && there.accountId)
  })

  it('makes staff of who was invited to it', async () => {
    const input = { name: '周小三', email: address() }
    const { invitation, code } = await done(alliance, staff, 'inviteStaff', { input })
    expect(invitation).toMatchObject({ role: null, state: 'PENDING' })
    expect(await offer(code!)).toMatchObject({ kind: 'STAFF', member: null, role: null })
    expect((await mailsTo(input.email))[0]!.subject).toBe('Invitation to join the staff of the secretariat')
    expect(await entering(alliance, (await accept(code)).secret)).toMatchObject({ kind: 'SECRETARIAT', name: '周小三' })
    const again = await call(alliance, staff, 'inviteStaff', { input })
    expect(again.userErrors).toMatchObject([{ code: 'TAKEN', field: ['input', 'email'] }])
  })
})
