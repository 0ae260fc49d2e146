import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Actor, Staff } from '../../src/access/actor.ts'
import { reauthenticate } from '../../src/access/authenticate.ts'
import { issueOfficerToken, issueSecretariatToken } from '../../src/access/tokens.ts'
import { removeStaff } from '../../src/officers/staff.ts'
import { type Alliance, createAlliance, errorCodes } from '../support/alliance.ts'
import { address, call, done, invitee, mutations } from './story.ts'

let alliance: Alliance
let staff: Staff
beforeAll(async () => {
  alliance = await createAlliance()
})
beforeEach(async () => {
  await alliance.db.updateTable('accounts').set({ isSecretariat: false }).execute()
  staff = await alliance.secretariat()
})
afterAll(() => alliance.close())

const emailOf = async ({ accountId }: Staff) => {
  const account = alliance.db.selectFrom('accounts').select('email').where('id', '=', accountId)
  return (await account.executeTakeFirstOrThrow()).email
}
const list = async (actor: Actor) => {
  const document = `{ staff(first: 100) { totalCount nodes { name email createdAt } } }`
  type Page = { totalCount: number; nodes: { name: string; email: string }[] }
  return (await alliance.as(actor).ask<{ staff: Page }>(document)).staff
}
const standing = ({ tokenId }: { tokenId: string }) => reauthenticate(alliance.db, tokenId, alliance.clock.now)
const reason = '离职'

describe('the staff', () => {
  it('is listed to the secretariat, with no others', async () => {
    const other = await alliance.secretariat()
    await alliance.officerOf(await alliance.member())
    const page = await list(staff)
    expect(page.totalCount).toBe(2)
    expect(page.nodes.map(({ email }) => email)).toEqual([await emailOf(staff), await emailOf(other)])
  })

  it.each([
    ['anonymous', async () => alliance.anonymous, 'UNAUTHENTICATED'],
    ['a representative', async () => alliance.officerOf(await alliance.member(), 'REPRESENTATIVE'), 'FORBIDDEN'],
    ['a portal', () => alliance.portal(), 'FORBIDDEN'],
  ])('is neither seen nor removed by %s', async (_, make, code) => {
    const actor = await make()
    const other = await alliance.secretariat()
    const email = await emailOf(other)
    const before = await alliance.traces()
    expect(errorCodes(await alliance.as(actor).query('{ staff { nodes { name } } }'))).toEqual([code])
    expect(errorCodes(await alliance.as(actor).query(mutations.removeStaff, { email, reason }))).toEqual([code])
    expect(await alliance.traces()).toEqual(before)
    expect(await standing(other)).toMatchObject({ kind: 'SECRETARIAT' })
  })
})

describe('removing one of the staff', () => {
  it('ends the tokens as staff and what was invited, and nothing else', async () => {
    const member = await alliance.member()
    const other = await alliance.secretariat()
    const email = await emailOf(other)
    const person = { name: '小云', email }
    const second = await issueSecretariatToken(alliance.request(), person)
    const own = await issueOfficerToken(alliance.request(), { ...person, memberId: member.uuid, role: 'LIAISON' })
    const mine = await done(alliance, other, 'inviteStaff', { input: { name: '甲', email: address() } })
    const theirs = await done(alliance, other, 'inviteOfficer', { input: invitee(member) })
    const kept = await done(alliance, staff, 'inviteStaff', { input: { name: '乙', email: address() } })
    const outcome = await done(alliance, staff, 'removeStaff', { email: ` ${email.toUpperCase()}`, reason })
    expect(outcome.email).toBe(email)
    expect([await standing(other), await standing(second)]).toEqual([null, null])
    expect(await standing(own)).toMatchObject({ kind: 'OFFICER' })
    const token = alliance.db.selectFrom('tokens').select('revokedReason').where('id', '=', other.tokenId)
    expect(await token.execute()).toEqual([{ revokedReason: reason }])
    expect((await list(staff)).nodes.map(({ email }) => email)).toEqual([await emailOf(staff)])
    const document = `query ($code: String!) { invitation(code: $code) { state } }`
    const states = await Promise.all(
      [mine, theirs, kept].map(({ code }) => alliance.as(alliance.anonymous).ask(document, { code })),
    )
    expect(states.map(({ invitation }) => invitation?.state)).toEqual(['REVOKED', 'REVOKED', 'PENDING'])
    const events = await alliance.db
      .selectFrom('outbox')
      .select(['type', 'audience', 'actor'])
      .where('subject', 'in', [other.accountId, other.tokenId])
      .where('type', '!=', 'token.issued')
      .orderBy('id')
      .execute()
    const told = { audience: 'SECRETARIAT', actor: `account:${staff.accountId}` }
    expect(events).toEqual([
      { ...told, type: 'token.revoked' },
      { ...told, type: 'staff.removed' },
    ])
  })

  it('ends an invitation by which it would be staff again', async () => {
    const email = address()
    const { code } = await done(alliance, staff, 'inviteStaff', { input: { name: '甲', email } })
    await issueSecretariatToken(alliance.request(), { name: '甲', email })
    await done(alliance, staff, 'removeStaff', { email, reason })
    const { userErrors } = await call(alliance, alliance.anonymous, 'acceptInvitation', { input: { code } })
    expect(userErrors).toMatchObject([{ code: 'WRONG_STATUS' }])
  })

  it('needs a reason, and somebody who is of the staff', async () => {
    const officer = await alliance.officerOf(await alliance.member())
    const { email } = await alliance.db
      .selectFrom('accounts')
      .select('email')
      .where('id', '=', officer.accountId)
      .executeTakeFirstOrThrow()
    const other = await emailOf(await alliance.secretariat())
    const before = await alliance.traces()
    for (const [input, code] of [
      [{ email: other, reason: ' ' }, 'REQUIRED'],
      [{ email, reason }, 'NOT_FOUND'],
    ] as const)
      expect((await call(alliance, staff, 'removeStaff', input)).userErrors).toMatchObject([{ code }])
    expect(await alliance.traces()).toEqual(before)
  })

  it('is not for the last one, oneself or another', async () => {
    const email = await emailOf(staff)
    const before = await alliance.traces()
    for (const remove of [
      call(alliance, staff, 'removeStaff', { email, reason }, 'zh-Hans'),
      removeStaff(alliance.request(), email, reason),
    ])
      expect(await remove.catch(({ faults }) => ({ userErrors: faults }))).toMatchObject({
        userErrors: [{ code: 'WRONG_STATUS', field: ['email'] }],
      })
    expect(await alliance.traces()).toEqual(before)
    await alliance.secretariat()
    await done(alliance, staff, 'removeStaff', { email, reason })
    expect(await standing(staff)).toBeNull()
  })

  it('of all at once leaves one', async () => {
    const emails = [await emailOf(staff)]
    for (let i = 0; i < 3; i++) emails.push(await emailOf(await alliance.secretariat()))
    const outcomes = await Promise.allSettled(emails.map(email => removeStaff(alliance.request(), email, reason)))
    expect(outcomes.filter(({ status }) => status === 'rejected')).toMatchObject([
      { reason: { faults: [{ code: 'WRONG_STATUS' }] } },
    ])
    const left = await alliance.db.selectFrom('accounts').select('id').where('isSecretariat', '=', true).execute()
    expect(left).toHaveLength(1)
  })

  it('is not done by who was removed meanwhile', async () => {
    const other = await alliance.secretariat()
    const third = await alliance.secretariat()
    await done(alliance, staff, 'removeStaff', { email: await emailOf(other), reason })
    const email = await emailOf(third)
    expect(errorCodes(await alliance.as(other).query(mutations.removeStaff, { email, reason }))).toEqual(['FORBIDDEN'])
    expect(await standing(third)).not.toBeNull()
  })
})
