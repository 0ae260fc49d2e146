import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { type Alliance, createAlliance, errorCodes, type TestMember } from '../support/alliance.ts'

interface Outcome {
  approveCreditCode: {
    member: { version: number; profile: object } | null
    userErrors: { code: string; field: string[]; message: string }[]
  }
}

const approve = `mutation ($id: ID!, $input: ApproveCreditCodeInput!) {
  approveCreditCode(id: $id, input: $input) {
    member { version profile { creditCode creditCodeReviewed } }
    userErrors { code field message }
  }
}`
const update = `mutation ($id: ID!, $input: UpdateProfileInput!) {
  updateProfile(id: $id, input: $input) {
    member { version profile { creditCode creditCodeReviewed } }
    userErrors { code }
  }
}`

/** Passes everything but its check character, which would be 0. */
const early = '915101000000004571'

let alliance: Alliance
let member: TestMember
let secretariat: Actor
beforeAll(async () => {
  alliance = await createAlliance()
  secretariat = await alliance.secretariat()
})
beforeEach(async () => {
  await alliance.db.updateTable('members').set({ creditCode: null, creditCodeReviewed: false }).execute()
  member = await alliance.member()
})
afterAll(() => alliance.close())

const send = async (input: object, actor = secretariat) =>
  (
    await alliance.as(actor).ask<Outcome>(approve, {
      id: member.id,
      input: { expectedVersion: member.row.version, reason: '已核对登记证书原件', ...input },
    })
  ).approveCreditCode

it('is for the secretariat alone', async () => {
  const input = { expectedVersion: member.row.version, code: early, reason: 'x' }
  for (const [actor, code] of [
    [alliance.anonymous, 'UNAUTHENTICATED'],
    [await alliance.officerOf(member, 'REPRESENTATIVE'), 'FORBIDDEN'],
    [await alliance.portal(), 'FORBIDDEN'],
  ] as const) {
    const before = await alliance.traces()
    expect(errorCodes(await alliance.as(actor).query(approve, { id: member.id, input }))).toEqual([code])
    expect(await alliance.traces()).toEqual(before)
  }
})

it('enters an early code, which stays reviewed until another takes its place', async () => {
  const { version } = member.row
  expect(await send({ code: ` ${early} ` })).toEqual({
    member: { version: version + 1, profile: { creditCode: early, creditCodeReviewed: true } },
    userErrors: [],
  })
  const officer = alliance.as(await alliance.officerOf(member))
  const put = (creditCode: string | null, expectedVersion: number) =>
    officer.ask(update, { id: member.id, input: { expectedVersion, profile: { creditCode, size: expectedVersion } } })
  expect(await put(early, version + 1)).toMatchObject({
    updateProfile: { member: { profile: { creditCode: early, creditCodeReviewed: true } }, userErrors: [] },
  })
  expect(await put('915101000000004570', version + 2)).toMatchObject({
    updateProfile: { member: { profile: { creditCodeReviewed: false } }, userErrors: [] },
  })
  expect(await put(early, version + 3)).toMatchObject({
    updateProfile: { userErrors: [{ code: 'CREDIT_CODE_CHECK' }] },
  })
})

it.each<[string, object, string, string]>([
  ['a sound code', { code: '915101000000004570' }, 'INVALID', 'needs no review'],
  ['a short code', { code: '91510100' }, 'INVALID', 'this has 8'],
  ['an impossible code', { code: '9151010000000O4571' }, 'INVALID', 'at position 14'],
  ['no reason', { code: early, reason: ' ' }, 'REQUIRED', 'Write something'],
  ['an old version', { code: early, expectedVersion: 1 }, 'CONFLICT', 'Somebody else'],
])('is refused with %s', async (_, input, code, message) => {
  const before = await alliance.traces()
  const { userErrors } = await send(input)
  expect(userErrors).toMatchObject([{ code, message: expect.stringContaining(message) }])
  expect(await alliance.traces()).toEqual(before)
})

it('is refused for the code of another member', async () => {
  await send({ code: early })
  member = await alliance.member()
  expect((await send({ code: early })).userErrors).toMatchObject([{ code: 'TAKEN', field: ['input', 'code'] }])
})
