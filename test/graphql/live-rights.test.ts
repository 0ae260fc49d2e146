import { afterAll, beforeAll, expect, it } from 'vitest'
import { reauthenticate, reauthenticateAll } from '../../src/access/authenticate.ts'
import { issueOfficerToken, issuePortalKey, issueSecretariatToken, revokeToken } from '../../src/access/tokens.ts'
import { createRights, type Refresh, type SignedIn } from '../../src/graphql/live-rights.ts'
import { newUuid } from '../../src/ids.ts'
import { upTo } from '../journal/story.ts'
import { type Alliance, createAlliance } from '../support/alliance.ts'

let alliance: Alliance
beforeAll(async () => {
  alliance = await createAlliance()
})
afterAll(() => alliance.close())

it('many tokens are looked up like one, in one statement', async () => {
  const member = await alliance.member()
  const actors = [
    await alliance.officerOf(member),
    await alliance.officerOf(member, 'VIEWER'),
    await alliance.secretariat(),
    await alliance.portal(['DIRECTORY_FOLLOW']),
  ]
  const revoked = await alliance.portal()
  await revokeToken(alliance.request(await alliance.secretariat()), revoked.tokenId, '测试')
  const ids = [...actors, revoked].map(({ tokenId }) => tokenId).concat(newUuid())
  const { now } = alliance.clock
  let found: ReadonlyMap<string, unknown> = new Map()
  const statements = await alliance.countStatements(async () => {
    found = await reauthenticateAll(alliance.services.db, ids, now)
  })
  expect(statements).toBe(1)
  expect([...found.keys()]).toEqual(ids)
  for (const id of ids) expect(found.get(id)).toEqual(await reauthenticate(alliance.db, id, now))
  expect(ids.map(id => found.get(id) === null)).toEqual([false, false, false, false, true, true])
})

it('look-ups that are asked for meanwhile gather for the next one', async () => {
  const actor = await alliance.portal()
  const asked: number[] = []
  const refresh: Refresh = async ids => {
    asked.push(ids.length)
    await new Promise(resolve => setTimeout(resolve, 30))
    return new Map(ids.map(id => [id, { ...actor, tokenId: id }]))
  }
  const rights = createRights(refresh, () => alliance.clock.now)
  const renewed = upTo(50).map(async i => {
    await new Promise(resolve => setTimeout(resolve, i / 4))
    return rights.renew({ actor: { ...actor, tokenId: newUuid() } satisfies SignedIn, checkedAt: 0 })
  })
  expect(await Promise.all(renewed)).not.toContain(false)
  expect(asked.reduce((sum, count) => sum + count)).toBe(50)
  expect(asked.length).toBeLessThanOrEqual(4)
})

it('an event says to whom a token was issued', async () => {
  const member = await alliance.member()
  const request = alliance.request(await alliance.secretariat())
  const person = { name: '王芳', email: `${newUuid()}@example.org` }
  const { tokenId } = await issueOfficerToken(request, { ...person, memberId: member.uuid, role: 'VIEWER' })
  const { tokenId: staffs } = await issueSecretariatToken(request, { name: '李强', email: `${newUuid()}@example.org` })
  const { portalId } = await alliance.portal()
  const { tokenId: key } = await issuePortalKey(request, portalId)
  const accountOf = async (id: string) => (await reauthenticate(alliance.db, id, alliance.clock.now)) as SignedIn
  const detailOf = async (subject: string) => {
    const rows = alliance.db.selectFrom('outbox').select('detail').where('subject', '=', subject)
    return (await rows.executeTakeFirstOrThrow()).detail
  }
  const [officer, staff] = [await accountOf(tokenId), await accountOf(staffs)]
  expect(await detailOf(tokenId)).toEqual({
    kind: 'OFFICER',
    accountId: 'accountId' in officer && officer.accountId,
    memberId: member.uuid,
    role: 'VIEWER',
    portalId: null,
  })
  expect(await detailOf(staffs)).toEqual({
    kind: 'SECRETARIAT',
    accountId: 'accountId' in staff && staff.accountId,
    memberId: null,
    role: null,
    portalId: null,
  })
  expect(await detailOf(key)).toEqual({ kind: 'PORTAL', accountId: null, memberId: null, role: null, portalId })
})
