import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { type Entry, plainEntry } from '../../src/access/entry.ts'
import { createProvider } from '../../src/access/oidc.ts'
import { issueOfficerToken, issueSecretariatToken } from '../../src/access/tokens.ts'
import { decideMembership } from '../../src/membership/service.ts'
import { address, call, done, entering, invited, mutations, officerId } from '../officers/story.ts'
import { type Alliance, createAlliance, errorCodes, type TestMember } from '../support/alliance.ts'
import { clientId, forge, makeKey, type ProviderKey, type SignInServer, startSignIn } from '../support/sign-in.ts'

const hour = 3_600_000

let alliance: Alliance
let staff: Actor
let member: TestMember
let key: ProviderKey
let server: SignInServer
beforeAll(async () => {
  alliance = await createAlliance()
  key = await makeKey('first')
  server = await startSignIn([key])
})
beforeEach(async () => {
  // The provider goes by the true time.
  alliance.clock.now = new Date()
  enter({ provider: createProvider({ issuer: server.issuer, clientId }), sessionLife: 12 * hour })
  staff = await alliance.secretariat()
  member = await alliance.member()
})
afterAll(async () => {
  await server.close()
  await alliance.close()
})

function enter(entry: Partial<Entry>): void {
  Object.assign(alliance.services, { entry: { ...plainEntry, ...entry } })
}

let people = 0
const somebody = () => `person-${++people}`

/** Accepts an invitation with an ID token. */
const accept = async (code: string, subject: string | null, claims = {}) =>
  call(alliance, alliance.anonymous, 'acceptInvitation', {
    input: { code, idToken: subject === null ? null : await server.signIn(subject, claims) },
  })
const signIn = async (subject: string, more: object = {}, locale: 'en' | 'zh-Hans' = 'en') =>
  call(alliance, alliance.anonymous, 'signIn', { input: { idToken: await server.signIn(subject), ...more } }, locale)

/** Somebody who accepted an invitation to a member. */
async function joined(of = member, more: object = {}, subject = somebody()): Promise<string> {
  const { code } = await invited(alliance, staff, of, more)
  const { userErrors } = await accept(code, subject)
  expect(userErrors).toEqual([])
  return subject
}

describe('accepting with a sign-in', () => {
  it('links it to the account, and answers a token of short life', async () => {
    const subject = somebody()
    const { code } = await invited(alliance, staff, member)
    const document = `query ($code: String!) { invitation(code: $code) { needsIdToken } }`
    expect(await alliance.as(alliance.anonymous).ask(document, { code })).toEqual({
      invitation: { needsIdToken: true },
    })
    const accepted = await accept(code, subject)
    expect(accepted.expiresAt).toBe(new Date(alliance.clock.now.getTime() + 12 * hour).toISOString())
    const officer = await entering(alliance, accepted.secret)
    expect(officer).toMatchObject({ kind: 'OFFICER', memberId: member.uuid, role: 'LIAISON' })
    const again = await signIn(subject)
    const actor = await entering(alliance, again.secret)
    expect(actor).toMatchObject({ kind: 'OFFICER', memberId: member.uuid })
    expect('accountId' in actor && actor.accountId).toBe('accountId' in officer && officer.accountId)
    const events = await alliance.db
      .selectFrom('outbox')
      .select(['actor', 'onBehalfOf'])
      .where('type', '=', 'token.issued')
      .orderBy('id', 'desc')
      .limit(1)
      .execute()
    expect(events).toEqual([{ actor: `account:${'accountId' in actor && actor.accountId}`, onBehalfOf: member.uuid }])
  })

  it('needs one: the code alone does nothing', async () => {
    const { code } = await invited(alliance, staff, member)
    const before = await alliance.traces()
    expect(await accept(code, null)).toMatchObject({
      secret: null,
      userErrors: [{ code: 'REQUIRED', field: ['input', 'idToken'] }],
    })
    const other = await forge(await makeKey(key.kid), { iss: server.issuer, aud: clientId, sub: 'x' })
    const forged = await call(
      alliance,
      alliance.anonymous,
      'acceptInvitation',
      { input: { code, idToken: other } },
      'zh-Hans',
    )
    expect(forged.userErrors).toMatchObject([{ code: 'INVALID', message: 'ID 令牌无效：其签名有误。' }])
    expect(await alliance.traces()).toEqual(before)
  })

  it('with an unknown code does not even ask the provider', async () => {
    const asked = server.asked.get('/jwks') ?? 0
    const idToken = await server.signIn(somebody())
    const { userErrors } = await call(alliance, alliance.anonymous, 'acceptInvitation', {
      input: { code: `mvi_${'A'.repeat(43)}`, idToken },
    })
    expect(userErrors).toMatchObject([{ code: 'NOT_FOUND' }])
    expect(server.asked.get('/jwks') ?? 0).toBe(asked)
  })

  it('by one person for two members under two addresses is one account', async () => {
    const subject = await joined()
    const other = await alliance.member()
    await joined(other, { email: address() }, subject)
    const identities = await alliance.db
      .selectFrom('accountIdentities')
      .select('accountId')
      .where('subject', '=', subject)
      .execute()
    const offices = await alliance.db
      .selectFrom('officers')
      .select('memberId')
      .where('accountId', '=', identities[0]!.accountId)
      .execute()
    expect(identities).toHaveLength(1)
    expect(offices.map(({ memberId }) => memberId).sort()).toEqual([member.uuid, other.uuid].sort())
  })

  it('by somebody else than the account is linked to does nothing', async () => {
    const email = address()
    await joined(member, { email })
    const { code } = await invited(alliance, staff, await alliance.member(), { email })
    const before = await alliance.traces()
    const outcome = await accept(code, somebody())
    expect(outcome).toMatchObject({ secret: null, userErrors: [{ code: 'TAKEN', field: ['input', 'idToken'] }] })
    expect(await alliance.traces()).toEqual(before)
  })

  describe.each([
    [
      'an officer',
      async (email: string) => {
        const office = { memberId: (await alliance.member()).uuid, role: 'LIAISON' } as const
        return issueOfficerToken(alliance.request(), { name: '周小三', email, ...office })
      },
    ],
    ['one of the staff', (email: string) => issueSecretariatToken(alliance.request(), { name: '周小三', email })],
  ])('by the address of %s who never signed in', (_, make) => {
    it.each([
      ['no address', () => ({})],
      ['an address that is not verified', (email: string) => ({ email, email_verified: false })],
      ['an address of which nothing is said', (email: string) => ({ email })],
      ['a word for its being verified', (email: string) => ({ email, email_verified: 'true' })],
      ['another address', () => ({ email: 'evil@yungu.example', email_verified: true })],
    ])('does nothing with a sign-in that has %s', async (_, claims) => {
      const email = address()
      await make(email)
      const { code } = await invited(alliance, staff, member, { email, role: 'VIEWER' })
      const subject = somebody()
      const before = await alliance.traces()
      const outcome = await accept(code, subject, claims(email))
      expect(outcome).toMatchObject({ secret: null, userErrors: [{ code: 'TAKEN', field: ['input', 'idToken'] }] })
      expect(await alliance.traces()).toEqual(before)
      expect((await signIn(subject, { staff: true })).userErrors).toMatchObject([{ code: 'NOT_FOUND' }])
    })

    it('links the sign-in that has it verified', async () => {
      const email = address()
      await make(email)
      const { code } = await invited(alliance, staff, member, { email })
      const { secret } = await accept(code, somebody(), { email: email.toUpperCase(), email_verified: true })
      const actor = await entering(alliance, secret)
      const account = await alliance.db.selectFrom('accounts').select('id').where('email', '=', email).execute()
      expect(account).toEqual([{ id: 'accountId' in actor && actor.accountId }])
    })
  })

  it('three times at once by one person, twice under one address, is one account, too', async () => {
    const subject = somebody()
    const email = address()
    const other = await alliance.member()
    const codes = [
      (await invited(alliance, staff, member, { email })).code,
      (await invited(alliance, staff, other, { email })).code,
      (await invited(alliance, staff, await alliance.member())).code,
    ]
    const outcomes = await Promise.all(codes.map(code => accept(code, subject)))
    expect(outcomes.flatMap(({ userErrors }) => userErrors)).toEqual([])
    const accounts = await Promise.all(
      outcomes.map(async ({ secret }) => {
        const actor = await entering(alliance, secret)
        return 'accountId' in actor && actor.accountId
      }),
    )
    expect(new Set(accounts).size).toBe(1)
  })
})

describe('signing in', () => {
  it('makes an ordinary token, which ends by its time and by signing out', async () => {
    const { secret, expiresAt, members } = await signIn(await joined())
    expect(members).toEqual([])
    expect(secret).toMatch(/^mva_/)
    const actor = await entering(alliance, secret)
    expect(actor).toMatchObject({ role: 'LIAISON', expiresAt: new Date(expiresAt!) })
    await done(alliance, actor, 'signOut')
    await expect(entering(alliance, secret)).rejects.toThrow('was revoked')
    const anonymous = await alliance.as(alliance.anonymous).query(mutations.signOut)
    expect(errorCodes(anonymous)).toEqual(['UNAUTHENTICATED'])
  })

  it('for one of several members needs to know for which', async () => {
    const subject = await joined()
    const other = await alliance.member({ names: '云谷虚构研究院' })
    await joined(other, { role: 'VIEWER' }, subject)
    const before = await alliance.traces()
    const unclear = await signIn(subject, {}, 'zh-Hans')
    expect(unclear).toMatchObject({
      secret: null,
      expiresAt: null,
      members: [{ id: member.id }, { id: other.id }],
      userErrors: [{ code: 'INVALID', field: ['input', 'member'], message: expect.stringContaining('云谷虚构研究院') }],
    })
    const foreign = await alliance.member()
    const wrong = await signIn(subject, { member: foreign.id })
    expect(wrong.userErrors).toMatchObject([{ code: 'NOT_FOUND', field: ['input', 'member'] }])
    const kind = await signIn(subject, { member: other.id.replace('assoc', 'city') })
    expect(kind.userErrors).toMatchObject([{ code: 'NOT_FOUND', field: ['input', 'member'] }])
    const notStaff = await signIn(subject, { staff: true }, 'zh-Hans')
    expect(notStaff.userErrors).toMatchObject([{ field: ['input', 'staff'], message: '您不是秘书处人员。' }])
    const after = (await alliance.traces()) as Record<string, unknown>
    expect(after.tokens).toEqual((before as Record<string, unknown>).tokens)
    const clear = await signIn(subject, { member: other.id })
    expect(await entering(alliance, clear.secret)).toMatchObject({ memberId: other.uuid, role: 'VIEWER' })
  })

  it('as staff', async () => {
    const subject = somebody()
    const { code } = await done(alliance, staff, 'inviteStaff', { input: { name: '周小三', email: address() } })
    await accept(code!, subject)
    expect(await entering(alliance, (await signIn(subject)).secret)).toMatchObject({ kind: 'SECRETARIAT' })
    await joined(member, {}, subject)
    expect((await signIn(subject)).userErrors).toMatchObject([{ code: 'INVALID', field: ['input', 'member'] }])
    const asStaff = await signIn(subject, { staff: true })
    expect(await entering(alliance, asStaff.secret)).toMatchObject({ kind: 'SECRETARIAT' })
    const asOfficer = await signIn(subject, { member: member.id })
    expect(await entering(alliance, asOfficer.secret)).toMatchObject({ kind: 'OFFICER' })
  })

  it('as staff ends with the removal from the staff, also when both happen at once', async () => {
    for (const isAtOnce of [false, true]) {
      const subject = somebody()
      const email = address()
      const { code } = await done(alliance, staff, 'inviteStaff', { input: { name: '周小三', email } })
      await accept(code!, subject)
      const remove = done(alliance, staff, 'removeStaff', { email, reason: '…' })
      if (!isAtOnce) await remove
      const [outcome] = await Promise.all([signIn(subject, { staff: true }), remove])
      if (outcome.secret !== null) await expect(entering(alliance, outcome.secret)).rejects.toThrow('was revoked')
      else expect(outcome.userErrors).toMatchObject([{ code: 'INVALID', field: ['input', 'staff'] }])
      expect((await signIn(subject)).userErrors).toMatchObject([{ code: 'WRONG_STATUS' }])
    }
  })

  it('of who is linked to no account is told so', async () => {
    const before = await alliance.traces()
    const { userErrors, secret } = await signIn(somebody(), {}, 'zh-Hans')
    expect(secret).toBeNull()
    expect(userErrors).toEqual([
      {
        code: 'NOT_FOUND',
        field: ['input', 'idToken'],
        message: '此登录尚未关联任何账户，请先用它接受邀请。',
      },
    ])
    expect(await alliance.traces()).toEqual(before)
  })

  it('of who acts for nobody any more is told so', async () => {
    const removed = await joined()
    const actor = await entering(alliance, (await signIn(removed)).secret)
    if (actor.kind !== 'OFFICER') throw new Error('no officer')
    await done(alliance, staff, 'removeOfficer', { id: await officerId(alliance, actor), reason: '…' })
    const gone = await joined()
    await decideMembership(alliance.request(), member.row, 'EXPEL', {
      expectedVersion: member.row.version,
      reason: '…',
    })
    for (const subject of [removed, gone])
      expect((await signIn(subject)).userErrors).toMatchObject([
        { code: 'WRONG_STATUS', message: expect.stringContaining('You act for no member any more') },
      ])
  })

  it('with a provider that is down is SERVICE_UNAVAILABLE, and tokens go on working', async () => {
    const subject = await joined()
    const { secret } = await signIn(subject)
    const idToken = await server.signIn(subject)
    const { port } = server
    await server.close()
    enter({ provider: createProvider({ issuer: server.issuer, clientId }), sessionLife: hour })
    const down = await alliance.as(alliance.anonymous).query(mutations.signIn, { input: { idToken } })
    expect(errorCodes(down)).toEqual(['SERVICE_UNAVAILABLE'])
    const { code } = await invited(alliance, staff, member)
    const accepting = await alliance
      .as(alliance.anonymous)
      .query(mutations.acceptInvitation, { input: { code, idToken } })
    expect(errorCodes(accepting)).toEqual(['SERVICE_UNAVAILABLE'])
    expect(await entering(alliance, secret)).toMatchObject({ kind: 'OFFICER' })
    server = await startSignIn([key], { port })
    enter({ provider: createProvider({ issuer: server.issuer, clientId }), sessionLife: hour })
    expect((await accept(code, somebody())).userErrors).toEqual([])
  })

  it('where there is no sign-in is told so', async () => {
    enter({})
    const { userErrors } = await signIn(somebody(), {}, 'zh-Hans')
    expect(userErrors).toMatchObject([{ code: 'WRONG_STATUS', message: '本服务未配置登录，请使用令牌。' }])
  })
})
