import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { authenticate } from '../../src/access/authenticate.ts'
import { type Bearers, createBearers } from '../../src/access/bearers.ts'
import { programRequest } from '../../src/access/request.ts'
import { type IssuedToken, issueOfficerToken, issueSecretariatToken, revokeToken } from '../../src/access/tokens.ts'
import { newUuid } from '../../src/ids.ts'
import { decideMembership } from '../../src/membership/service.ts'
import { type Alliance, createAlliance, type TestMember } from '../support/alliance.ts'

let alliance: Alliance
let member: TestMember
let bearers: Bearers
beforeAll(async () => {
  alliance = await createAlliance()
})
beforeEach(async () => {
  bearers = createBearers()
  member = await alliance.member()
})
afterAll(() => alliance.close())

/** A request of this process, whose commits the bearers are told of; of another process they are not. */
const here = () => programRequest(alliance.db, alliance.clock.now, 'test', bearers.forget)
const elsewhere = () => programRequest(alliance.db, alliance.clock.now, 'test')

const enter = ({ secret }: Pick<IssuedToken, 'secret'>, now = alliance.clock.now) =>
  authenticate(alliance.db, `Bearer ${secret}`, now, bearers.find)
const lookUps = (work: () => Promise<unknown>) => alliance.countStatements(work)

let made = 0
const staff = () => issueSecretariatToken(here(), { name: '周三', email: `zhou-${++made}@example.org` })
const officer = (role: 'LIAISON' | 'VIEWER' = 'LIAISON', email = `lin-${++made}@example.org`) =>
  issueOfficerToken(here(), { memberId: member.uuid, role, name: '林一', email })

describe('the bearer of a token', () => {
  it('is looked up once', async () => {
    const token = await staff()
    const actor = await enter(token)
    expect(await lookUps(async () => expect(await enter(token)).toEqual(actor))).toBe(0)
  })

  it('is refused at once where its token was revoked', async () => {
    const token = await staff()
    await enter(token)
    await revokeToken(here(), token.tokenId, 'lost')
    await expect(enter(token)).rejects.toThrow('was revoked')
  })

  it('that was kept until the journal told of a revocation elsewhere is refused after it', async () => {
    const token = await staff()
    await enter(token)
    await revokeToken(elsewhere(), token.tokenId, 'lost')
    expect(await enter(token)).toMatchObject({ tokenId: token.tokenId })
    bearers.forget([{ type: 'token.revoked', subject: token.tokenId, detail: {} }])
    await expect(enter(token)).rejects.toThrow('was revoked')
  })

  it('is refused from the moment on when the token expires, without a look', async () => {
    const token = await staff()
    const { expiresAt } = (await enter(token)) as { expiresAt: Date }
    expect(await enter(token, new Date(expiresAt.getTime() - 60_000))).toMatchObject({ tokenId: token.tokenId })
    const late = () => expect(enter(token, expiresAt)).rejects.toThrow('expired')
    expect(await lookUps(late)).toBe(0)
  })

  it('has its new role at once, with every token of its account', async () => {
    const token = await officer('LIAISON', 'wu@example.org')
    const other = await officer()
    expect(await enter(token)).toMatchObject({ role: 'LIAISON' })
    await enter(other)
    await officer('VIEWER', 'wu@example.org')
    const changed = await enter(token)
    expect(changed).toMatchObject({ role: 'VIEWER' })
    expect(changed.permissions.has('PROFILE_WRITE')).toBe(false)
    expect(await lookUps(() => enter(other))).toBe(0)
  })

  it('loses what its member loses at once', async () => {
    const token = await officer()
    expect((await enter(token)).permissions.has('PROFILE_WRITE')).toBe(true)
    const { version } = member.row
    await decideMembership(here(), member.row, 'SUSPEND', { expectedVersion: version, reason: '测试' })
    expect((await enter(token)).permissions.has('PROFILE_WRITE')).toBe(false)
    await decideMembership(here(), member.row, 'EXPEL', { expectedVersion: version + 1, reason: '测试' })
    await expect(enter(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  it('is none with a wrong secret, be the right one known or not', async () => {
    const token = await staff()
    const other = await staff()
    const wrong = { secret: token.secret.slice(0, -43) + other.secret.slice(-43) }
    await expect(enter(wrong)).rejects.toThrow('not valid')
    await enter(token)
    await expect(enter(wrong)).rejects.toThrow('not valid')
    expect(await enter(token)).toMatchObject({ tokenId: token.tokenId })
  })

  it('is noted as seen once a minute', async () => {
    const token = await staff()
    const at = (seconds: number) => new Date(alliance.clock.now.getTime() + seconds * 1000)
    const lastUsed = async () =>
      (
        await alliance.db
          .selectFrom('tokens')
          .select('lastUsedAt')
          .where('id', '=', token.tokenId)
          .executeTakeFirstOrThrow()
      ).lastUsedAt
    for (const seconds of [0, 30, 59]) await enter(token, at(seconds))
    expect(await lastUsed()).toEqual(at(0))
    await enter(token, at(61))
    expect(await lastUsed()).toEqual(at(61))
  })
})

describe('what is kept', () => {
  it('is nothing of a token that does not exist', async () => {
    const id = newUuid()
    expect(await bearers.find(alliance.db, id)).toBeUndefined()
    expect(await lookUps(() => bearers.find(alliance.db, id))).toBe(1)
  })

  it('is not what was read before the news of a change', async () => {
    const { tokenId } = await staff()
    const looking = bearers.find(alliance.db, tokenId)
    bearers.forget([{ type: 'token.revoked', subject: tokenId, detail: {} }])
    expect(await looking).toMatchObject({ id: tokenId })
    expect(await lookUps(() => bearers.find(alliance.db, tokenId))).toBe(1)
    expect(await lookUps(() => bearers.find(alliance.db, tokenId))).toBe(0)
    bearers.forgetAll()
    expect(await lookUps(() => bearers.find(alliance.db, tokenId))).toBe(1)
  })

  it('is bounded', async () => {
    bearers = createBearers(2)
    const ids = [(await staff()).tokenId, (await staff()).tokenId, (await staff()).tokenId]
    for (const id of ids) await bearers.find(alliance.db, id)
    expect(await lookUps(() => bearers.find(alliance.db, ids[2]!))).toBe(0)
    expect(await lookUps(() => bearers.find(alliance.db, ids[0]!))).toBe(1)
  })
})
