import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { makeCode } from '../../src/initiative/certificate.ts'
import { type Alliance, createAlliance, type TestMember } from '../support/alliance.ts'
import { changed, decide, opened, type Signature, shown, signed, type Version } from './story.ts'

let alliance: Alliance
let staff: Actor
let open: Version
let member: TestMember
let signature: Signature
beforeAll(async () => {
  alliance = await createAlliance()
  staff = await alliance.secretariat()
  open = await opened(alliance, staff)
})
beforeEach(async () => {
  member = await alliance.member({ names: { 'zh-Hans': '云谷虚构协会', en: 'Yungu Fiction' } })
  signature = await signed(alliance, member, open)
})
afterAll(() => alliance.close())

const document = `query ($code: String!) { verifySignature(code: $code) {
  memberName memberNames { locale text } member { id } membershipStatus person signedAt
  initiativeVersion { id number status } sha256 state countersignedAt withdrawnAt binding intact } }`
const verify = async (code: string | null) =>
  (await alliance.as(alliance.anonymous).ask(document, { code })).verifySignature as Record<string, unknown> | null

describe('verifySignature', () => {
  it('tells anybody what a code stands for, as it was when it was signed', async () => {
    await changed(alliance, staff, 'countersign', { id: signature.id })
    await sql`update members set names = '{"zh-Hans": "改名后的协会"}' where id = ${member.uuid}::uuid`.execute(
      alliance.db,
    )
    expect(await verify(signature.code)).toEqual({
      memberName: 'Yungu Fiction',
      memberNames: [
        { locale: 'zh-Hans', text: '云谷虚构协会' },
        { locale: 'en', text: 'Yungu Fiction' },
      ],
      member: { id: member.id },
      membershipStatus: 'ADMITTED',
      person: '联络员小谷',
      signedAt: signature.signedAt,
      initiativeVersion: { id: open.id, number: 1, status: 'OPEN' },
      sha256: open.sha256,
      state: 'VALID',
      countersignedAt: alliance.clock.now.toISOString(),
      withdrawnAt: null,
      binding: expect.stringMatching(/^[0-9a-f]{64}$/),
      intact: true,
    })
  })

  it('takes a code as people write it, and knows no other', async () => {
    const code = signature.code!
    const written = ` ${code.toUpperCase().replace(/(.{8})(?=.)/g, '$1-')} `
    expect(await verify(written)).toMatchObject({ person: '联络员小谷' })
    const other = `${code.slice(0, -1)}${code.endsWith('0') ? '1' : '0'}`
    for (const unknown of ['', 'x', other, `${code}0`, makeCode(), '%', "' or true --"])
      expect(await verify(unknown), unknown).toBeNull()
  })

  it('tells of a signature that was withdrawn, and of a member that has left', async () => {
    await changed(alliance, staff, 'withdraw', { id: signature.id, reason: '误签' })
    expect(await verify(signature.code)).toMatchObject({
      state: 'WITHDRAWN',
      withdrawnAt: alliance.clock.now.toISOString(),
      intact: true,
    })
    const gone = await alliance.member()
    const { code } = await signed(alliance, gone, open)
    await decide(alliance, gone, 'EXPEL')
    expect(await verify(code)).toMatchObject({
      member: null,
      membershipStatus: 'EXPELLED',
      state: 'VALID',
      intact: true,
    })
  })

  it.each<[string, ReturnType<typeof sql>]>([
    ['the person', sql`person = '别人'`],
    ['the account', sql`account_id = (select id from accounts where id <> account_id limit 1)`],
    ['the moment', sql`signed_at = signed_at + interval '1 ms'`],
    ['the name of the member', sql`member_names = '{"zh-Hans": "云谷虚构协会二"}'`],
    ['a language of the name', sql`member_names = member_names - 'en'`],
    [
      'the member',
      sql`member_id = (select id from members where id not in (select member_id from initiative_signatures) limit 1)`,
    ],
    ['the hash', sql`sha256 = repeat('a', 64)`],
    ['the digest', sql`binding = repeat('a', 64)`],
  ])('shows that somebody edited %s', async (_, edit) => {
    await alliance.member()
    expect(await verify(signature.code)).toMatchObject({ intact: true })
    await sql`update initiative_signatures set ${edit} where code = ${signature.code}`.execute(alliance.db)
    expect(await verify(signature.code)).toMatchObject({ intact: false })
  })

  it('shows that somebody edited the text, or moved the signature to another version', async () => {
    const uuid = sql`(select version_id from initiative_signatures where code = ${signature.code})`
    const edit = (from: string, to: string) =>
      sql`update initiative_versions set bodies = replace(bodies::text, ${from}, ${to})::jsonb where id = ${uuid}`.execute(
        alliance.db,
      )
    await edit('共建标准', '共毁标准')
    expect(await verify(signature.code)).toMatchObject({ intact: false })
    await edit('共毁标准', '共建标准')
    expect(await verify(signature.code)).toMatchObject({ intact: true })
    // The same text, and so the same hash: yet not what was signed.
    open = await opened(alliance, staff)
    expect(open.sha256).toBe((await verify(signature.code))?.sha256)
    await sql`update initiative_signatures set version_id = (select id from initiative_versions where status = 'OPEN')
      where code = ${signature.code}`.execute(alliance.db)
    expect(await verify(signature.code)).toMatchObject({ intact: false })
  })

  it('does not depend on what happens to a signature later', async () => {
    const before = await verify(signature.code)
    await changed(alliance, staff, 'countersign', { id: signature.id })
    open = await opened(alliance, staff, { requiresRenewal: true })
    expect(await verify(signature.code)).toMatchObject({
      state: 'RENEWAL_DUE',
      binding: before?.binding,
      intact: true,
    })
    await signed(alliance, member, open)
    expect(await verify(signature.code)).toMatchObject({ state: 'RENEWED', intact: true })
  })
})

it('the code and the person are shown to the own officers and the secretariat alone', async () => {
  const { id, code, person } = signature
  expect(code).not.toBeNull()
  const one = `query ($id: ID!, $member: ID!) {
    node(id: $id) { ... on Signature { ${shown} } } member(id: $member) { signatures { ${shown} } }
    signatories(last: 1) { nodes { ${shown} } } }`
  for (const [actor, seen] of [
    [staff, { code, person }],
    [await alliance.officerOf(member, 'VIEWER'), { code, person }],
    [await alliance.officerOf(await alliance.member(), 'REPRESENTATIVE'), { code: null, person: null }],
    [await alliance.portal(), { code: null, person: null }],
    [alliance.anonymous, { code: null, person: null }],
  ] as const) {
    const expected = { ...signature, memberName: 'Yungu Fiction', ...seen }
    expect(await alliance.as(actor).ask(one, { id, member: member.id })).toEqual({
      node: expected,
      member: { signatures: [expected] },
      signatories: { nodes: [expected] },
    })
  }
})

it('codes have 160 random bits', () => {
  const codes = Array.from({ length: 500 }, makeCode)
  expect(new Set(codes).size).toBe(500)
  // Each digit in each place.
  for (let place = 0; place < 32; place++) expect(new Set(codes.map(code => code[place])).size).toBe(32)
})
