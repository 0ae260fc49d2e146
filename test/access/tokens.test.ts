import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authenticate, reauthenticate } from '../../src/access/authenticate.ts'
import { officerPermissions, secretariatPermissions } from '../../src/access/permissions.ts'
import { programRequest } from '../../src/access/request.ts'
import {
  issueFirstToken,
  issueOfficerToken,
  issuePortalKey,
  issueSecretariatToken,
  registerPortal,
  revokeToken,
} from '../../src/access/tokens.ts'
import type { Database } from '../../src/database/client.ts'
import { newUuid } from '../../src/ids.ts'
import { createDatabase } from '../support/database.ts'

const now = new Date('2027-03-01T08:00:00Z')
const later = (milliseconds: number) => new Date(now.getTime() + milliseconds)
const day = 86_400_000

let database: Database
const request = () => programRequest(database.db, now, 'test')
const person = { name: '林一', email: 'lin@yungu.example' }

/** A body entered straight into its table: these tests are about tokens. */
async function enterBody(status: 'LISTED' | 'ADMITTED' | 'WITHDRAWN' = 'ADMITTED'): Promise<string> {
  const id = newUuid()
  await database.db
    .insertInto('members')
    .values({
      id,
      kind: 'COMPANY',
      status,
      names: '{"zh-Hans": "云谷虚构科技有限公司"}' as never,
      pinyinKey: '',
      strokeKey: '',
      latinKey: '',
      search: '',
      createdAt: now,
      updatedAt: now,
    })
    .execute()
  return id
}

beforeAll(async () => {
  database = await createDatabase()
})
afterAll(() => database.close())

describe('tokens', () => {
  it('are made for the very first start once only', async () => {
    const first = await issueFirstToken(database.db, now)
    expect(await authenticate(database.db, `Bearer ${first}`, now)).toMatchObject({
      kind: 'SECRETARIAT',
      name: '秘书处',
    })
    expect(await issueFirstToken(database.db, now)).toBeNull()
  })

  it('make an officer with the rights of its role and of its member’s status', async () => {
    const memberId = await enterBody()
    const { secret } = await issueOfficerToken(request(), { ...person, memberId, role: 'LIAISON' })
    const actor = await authenticate(database.db, `Bearer ${secret}`, now)
    expect(actor).toMatchObject({ kind: 'OFFICER', memberId, role: 'LIAISON', name: '林一' })
    expect(actor.permissions).toEqual(officerPermissions('LIAISON', 'ADMITTED'))
    await database.db.updateTable('members').set({ status: 'SUSPENDED' }).where('id', '=', memberId).execute()
    const suspended = await authenticate(database.db, `Bearer ${secret}`, now)
    expect(suspended.permissions.has('PROFILE_WRITE')).toBe(false)
    expect(suspended.permissions.has('INBOX_READ')).toBe(true)
    await database.db.updateTable('members').set({ status: 'EXPELLED' }).where('id', '=', memberId).execute()
    await expect(authenticate(database.db, `Bearer ${secret}`, now)).rejects.toThrow('has left the alliance')
  })

  it('keep nothing from which they could be made again', async () => {
    const { secret } = await issueSecretariatToken(request(), person)
    const rows = JSON.stringify(await database.db.selectFrom('tokens').selectAll().execute())
    const events = JSON.stringify(await database.db.selectFrom('outbox').selectAll().execute())
    const random = secret.split('_').slice(2).join('_')
    expect(secret).toMatch(/^mva_[0-9a-z]{26}_[A-Za-z0-9_-]{43}$/)
    expect(rows + events).not.toContain(random)
  })

  it('are refused when malformed, foreign, changed, expired or revoked', async () => {
    const { secret, tokenId } = await issueSecretariatToken(request(), { ...person, expiresAt: later(day) })
    const changed = secret.slice(0, -1) + (secret.endsWith('A') ? 'B' : 'A')
    for (const header of ['mva_x', 'Basic abc', 'Bearer', 'Bearer mva_x', `Bearer ${changed}`, `Bearer ${secret}x`])
      await expect(authenticate(database.db, header, now), header).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    expect(await authenticate(database.db, `Bearer ${secret}`, later(day - 1))).toMatchObject({ tokenId })
    await expect(authenticate(database.db, `Bearer ${secret}`, later(day))).rejects.toThrow('expired on 2027-03-02')
    expect(await reauthenticate(database.db, tokenId, later(day))).toBeNull()
    await revokeToken(request(), tokenId, 'lost')
    await expect(authenticate(database.db, `Bearer ${secret}`, now)).rejects.toThrow('was revoked')
    expect(await reauthenticate(database.db, tokenId, now)).toBeNull()
  })

  it('end once: a second revocation neither fails nor tells anything again', async () => {
    const { tokenId } = await issueSecretariatToken(request(), person)
    const told = () =>
      database.db
        .selectFrom('outbox')
        .where('type', '=', 'token.revoked')
        .where('subject', '=', tokenId)
        .select('id')
        .execute()
    const first = await revokeToken(request(), tokenId, 'lost')
    const second = await revokeToken({ ...request(), now: later(1000) }, tokenId, 'lost again')
    expect(second.revokedAt).toEqual(first.revokedAt)
    expect(await told()).toHaveLength(1)
    await expect(revokeToken(request(), newUuid(), 'none')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('show when they were used last, to the minute', async () => {
    const { secret, tokenId } = await issueSecretariatToken(request(), person)
    const lastUsed = async () =>
      (await database.db.selectFrom('tokens').select('lastUsedAt').where('id', '=', tokenId).executeTakeFirstOrThrow())
        .lastUsedAt
    expect(await lastUsed()).toBeNull()
    await authenticate(database.db, `Bearer ${secret}`, now)
    await authenticate(database.db, `Bearer ${secret}`, later(59_000))
    expect(await lastUsed()).toEqual(now)
    await authenticate(database.db, `Bearer ${secret}`, later(61_000))
    expect(await lastUsed()).toEqual(later(61_000))
  })

  it.each([
    [{ name: '' }, 'REQUIRED', 'name'],
    [{ name: 'x'.repeat(101) }, 'TOO_LONG', 'name'],
    [{ email: 'nobody' }, 'INVALID', 'email'],
    [{ expiresAt: now }, 'IN_THE_PAST', 'expiresAt'],
    [{ expiresAt: later(401 * day) }, 'INVALID', 'expiresAt'],
  ])('are not issued for %j', async (bad, code, field) => {
    const count = () => database.db.selectFrom('tokens').select('id').execute()
    const before = await count()
    await expect(issueSecretariatToken(request(), { ...person, ...bad })).rejects.toMatchObject({
      faults: [{ code, field: ['input', field] }],
    })
    expect(await count()).toEqual(before)
  })

  it('are not issued for a body that has left, or that there is not', async () => {
    const left = await enterBody('WITHDRAWN')
    await expect(issueOfficerToken(request(), { ...person, memberId: left, role: 'VIEWER' })).rejects.toMatchObject({
      faults: [{ code: 'WRONG_STATUS' }],
    })
    await expect(
      issueOfficerToken(request(), { ...person, memberId: newUuid(), role: 'VIEWER' }),
    ).rejects.toMatchObject({ faults: [{ code: 'NOT_FOUND' }] })
  })
})

describe('portals', () => {
  const portal = { name: '云谷门户', contact: 'ops@portal.example', purpose: 'mirror', memberId: null, scopes: [] }

  it('have two live keys at most, so that one can replace the other', async () => {
    const id = await registerPortal(request(), { ...portal, scopes: ['DIRECTORY_FOLLOW'] })
    const first = await issuePortalKey(request(), id)
    await issuePortalKey(request(), id)
    await expect(issuePortalKey(request(), id)).rejects.toMatchObject({ faults: [{ code: 'WRONG_STATUS' }] })
    await revokeToken(request(), first.tokenId, 'rotated')
    const third = await issuePortalKey(request(), id)
    expect(await authenticate(database.db, `Bearer ${third.secret}`, now)).toMatchObject({
      kind: 'PORTAL',
      portalId: id,
    })
  })

  it('have two live keys at most also when five are asked for at once', async () => {
    const id = await registerPortal(request(), portal)
    const asked = await Promise.allSettled(Array.from({ length: 5 }, () => issuePortalKey(request(), id)))
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
  })

  it('get no permission of the secretariat', async () => {
    for (const scope of secretariatPermissions) {
      if (scope === 'DIRECTORY_FOLLOW') continue
      await expect(registerPortal(request(), { ...portal, scopes: [scope] }), scope).rejects.toMatchObject({
        faults: [{ code: 'INVALID', field: ['input', 'scopes'] }],
      })
    }
  })

  it('are registered once for an idempotency key, and a key is not taken for another portal', async () => {
    const count = () => database.db.selectFrom('portals').select('id').execute()
    const before = (await count()).length
    const ids = await Promise.all(Array.from({ length: 4 }, () => registerPortal(request(), portal, 'key 1')))
    expect(new Set(ids).size).toBe(1)
    await expect(registerPortal(request(), { ...portal, name: 'other' }, 'key 1')).rejects.toMatchObject({
      faults: [{ code: 'IDEMPOTENCY_KEY_REUSED' }],
    })
    expect((await count()).length).toBe(before + 1)
  })

  it('may use an idempotency key for something new after two days', async () => {
    const first = await registerPortal(request(), portal, 'key 2')
    const muchLater = { ...request(), now: later(2 * day + 1) }
    await registerPortal(muchLater, portal, 'key 3')
    expect(await registerPortal(muchLater, portal, 'key 2')).not.toBe(first)
  })
})
