import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { newUuid, parseId, writeId } from '../../src/ids.ts'
import { signInitiative } from '../../src/initiative/signing.ts'
import { type Alliance, createAlliance, errorCodes, type TestMember } from '../support/alliance.ts'
import { call, changed, decide, drafted, mutations, opened, signed, type Version } from './story.ts'

let alliance: Alliance
let staff: Actor
let open: Version
beforeAll(async () => {
  alliance = await createAlliance()
  staff = await alliance.secretariat()
  open = await opened(alliance, staff)
})
afterAll(() => alliance.close())

let member: TestMember
let representative: Actor
beforeEach(async () => {
  member = await alliance.member()
  representative = await alliance.officerOf(member, 'REPRESENTATIVE')
})

const what = (version: Version, key?: string) => ({ version: version.id, sha256: version.sha256, key })
const one = 'query ($id: ID!) { node(id: $id) { ... on Signature { state withdrawnBy countersignedBy } } }'
const stateOf = async (id: string, actor: Actor = staff) => (await alliance.as(actor).ask(one, { id })).node?.state

/** Refused for each of the callers, without a trace. */
async function expectRefused(
  mutation: keyof typeof mutations,
  variables: Record<string, unknown>,
  callers: Record<string, Actor>,
) {
  const before = await alliance.traces()
  for (const [name, actor] of Object.entries(callers))
    expect(errorCodes(await alliance.as(actor).query(mutations[mutation], variables)), name).toEqual([
      name === 'anonymous' ? 'UNAUTHENTICATED' : 'FORBIDDEN',
    ])
  expect(await alliance.traces()).toEqual(before)
}

describe('signing', () => {
  it('is for representatives of members that are listed or admitted: nobody signs on their behalf', async () => {
    const suspended = await alliance.member({ status: 'SUSPENDED' })
    await expectRefused('sign', what(open), {
      anonymous: alliance.anonymous,
      staff,
      portal: await alliance.portal(),
      viewer: await alliance.officerOf(member, 'VIEWER'),
      liaison: await alliance.officerOf(member, 'LIAISON'),
      suspended: await alliance.officerOf(suspended, 'REPRESENTATIVE'),
    })
    const program = alliance.request()
    await expect(
      Promise.resolve().then(() => signInitiative(program, { version: parseId(open.id)!.uuid, sha256: open.sha256 })),
    ).rejects.toMatchObject({ code: 'FORBIDDEN' })
    const listed = await alliance.member({ status: 'LISTED', names: '云谷虚构研究院' })
    for (const one of [member, listed]) expect((await signed(alliance, one, open)).state).toBe('VALID')
  })

  it('binds the member, the person, the moment and the hash', async () => {
    const { now } = alliance.clock
    alliance.clock.now = new Date(now.getTime() + 60_000)
    const { signature, userErrors } = await call(alliance, representative, 'sign', what(open), 'zh-Hans')
    expect({ signature, userErrors }).toEqual({
      signature: {
        id: expect.stringMatching(/^sig_/),
        state: 'VALID',
        signedAt: alliance.clock.now.toISOString(),
        code: expect.stringMatching(/^[0-9a-hjkmnp-tv-z]{32}$/),
        person: '联络员小谷',
        memberName: member.row.names['zh-Hans'],
        countersignedAt: null,
        withdrawalReason: null,
      },
      userErrors: [],
    })
    const row = await alliance.db
      .selectFrom('initiativeSignatures')
      .selectAll()
      .where('memberId', '=', member.uuid)
      .executeTakeFirstOrThrow()
    expect(row).toMatchObject({
      versionId: parseId(open.id)!.uuid,
      sha256: open.sha256,
      accountId: representative.kind === 'OFFICER' && representative.accountId,
      shelf: 'CURRENT',
    })
    const event = await alliance.db
      .selectFrom('outbox')
      .selectAll()
      .where('subject', '=', row.id)
      .executeTakeFirstOrThrow()
    expect(event).toMatchObject({
      type: 'initiative.signed',
      audience: 'SUBJECT',
      onBehalfOf: member.uuid,
      detail: { memberId: member.uuid, versionId: row.versionId, binding: row.binding },
    })
  })

  it('is refused a second time, by whichever of its officers, who are shown the signature', async () => {
    const first = await signed(alliance, member, open)
    const before = await alliance.traces()
    for (const actor of [representative, await alliance.officerOf(member, 'REPRESENTATIVE')]) {
      const { signature, userErrors } = await call(alliance, actor, 'sign', what(open))
      expect(signature).toEqual(first)
      expect(userErrors).toEqual([
        { code: 'TAKEN', field: ['input', 'version'], message: expect.stringContaining('has signed this version') },
      ])
    }
    const { userErrors } = await call(alliance, representative, 'sign', what(open), 'zh-Hans')
    expect(userErrors[0]?.message).toContain('贵单位已签署该版本')
    const after = (await alliance.traces()) as Record<string, unknown>
    // Of the account of the second officer alone.
    for (const name of ['signatures', 'initiative', 'keys'])
      expect(after[name]).toEqual((before as Record<string, unknown>)[name])
  })

  it('answers the first outcome to a repeated key', async () => {
    const first = await call(alliance, representative, 'sign', what(open, 's1'))
    const before = await alliance.traces()
    expect(await call(alliance, representative, 'sign', what(open, 's1'))).toEqual(first)
    const other = await call(alliance, representative, 'sign', { ...what(open, 's1'), sha256: 'a'.repeat(64) })
    expect(other.userErrors).toMatchObject([{ code: 'IDEMPOTENCY_KEY_REUSED' }])
    expect(await alliance.traces()).toEqual(before)
  })

  it('of two representatives at once is done once', async () => {
    const officers = [representative, await alliance.officerOf(member, 'REPRESENTATIVE')]
    const outcomes = await Promise.all(officers.map(actor => call(alliance, actor, 'sign', what(open))))
    expect(outcomes.map(({ userErrors }) => userErrors.map(({ code }) => code)).sort()).toEqual([[], ['TAKEN']])
    expect(new Set(outcomes.map(({ signature }) => signature?.id)).size).toBe(1)
    // With one key: the same outcome.
    const twin = await alliance.officerOf(await alliance.member(), 'REPRESENTATIVE')
    const twice = await Promise.all([1, 2].map(() => call(alliance, twin, 'sign', what(open, 'twice'))))
    expect(twice[0]).toEqual(twice[1])
    expect(twice[0]?.userErrors).toEqual([])
  })

  it('is refused by the database, too, while a signature stands', async () => {
    await signed(alliance, member, open)
    const row = await alliance.db
      .selectFrom('initiativeSignatures')
      .selectAll()
      .where('memberId', '=', member.uuid)
      .executeTakeFirstOrThrow()
    const { shelf: _, ...again } = { ...row, id: newUuid(), code: 'x', memberNames: '{}' as never }
    await expect(alliance.db.insertInto('initiativeSignatures').values(again).execute()).rejects.toThrow('unique')
  })

  it('is refused for another text than that of the version', async () => {
    const before = await alliance.traces()
    for (const [locale, message] of [
      ['en', 'Read the version again'],
      ['zh-Hans', '请重新阅读后再签署'],
    ] as const) {
      const input = { version: open.id, sha256: 'a'.repeat(64) }
      const { signature, userErrors } = await call(alliance, representative, 'sign', input, locale)
      expect(signature).toBeNull()
      expect(userErrors).toEqual([
        { code: 'INVALID', field: ['input', 'sha256'], message: expect.stringContaining(message) },
      ])
    }
    expect(await alliance.traces()).toEqual(before)
  })

  it('is refused for a version that is not open, without telling of drafts', async () => {
    const superseded = open
    open = await opened(alliance, staff)
    const draft = await drafted(alliance, staff)
    const before = await alliance.traces()
    for (const [version, code, en, zh] of [
      [superseded, 'WRONG_STATUS', 'SUPERSEDED', '已被取代'],
      [draft, 'NOT_FOUND', 'no such version', '没有这一版本'],
      [{ ...draft, id: writeId('InitiativeVersion', newUuid()) }, 'NOT_FOUND', 'no such version', '没有这一版本'],
    ] as const)
      for (const [locale, message] of [
        ['en', en],
        ['zh-Hans', zh],
      ] as const) {
        const { userErrors } = await call(alliance, representative, 'sign', what(version), locale)
        expect(userErrors).toEqual([{ code, field: ['input', 'version'], message: expect.stringContaining(message) }])
      }
    expect(await alliance.traces()).toEqual(before)
  })

  it('is refused once the member is suspended, also by a token that does not know it yet', async () => {
    const { id } = await signed(alliance, member, open)
    const fresh = await alliance.member()
    const stale = await alliance.officerOf(fresh, 'REPRESENTATIVE')
    for (const suspended of [member, fresh]) await decide(alliance, suspended, 'SUSPEND')
    const before = await alliance.traces()
    for (const [locale, message] of [
      ['en', 'rights of your organisation rest'],
      ['zh-Hans', '权利已暂停'],
    ] as const) {
      const refusal = [{ code: 'WRONG_STATUS', field: [], message: expect.stringContaining(message) }]
      expect((await call(alliance, stale, 'sign', what(open), locale)).userErrors).toEqual(refusal)
      const withdrawal = { id, reason: '…' }
      expect((await call(alliance, representative, 'withdraw', withdrawal, locale)).userErrors).toEqual(refusal)
    }
    expect(await alliance.traces()).toEqual(before)
    // The signature of a suspended member stands.
    expect(await stateOf(id, alliance.anonymous)).toBe('VALID')
  })
})

describe('renewal', () => {
  it('is due when a later version asks for it, and given by signing that', async () => {
    const first = await signed(alliance, member, open)
    const still = await signed(alliance, await alliance.member(), open)
    open = await opened(alliance, staff)
    expect(await stateOf(first.id)).toBe('VALID')
    open = await opened(alliance, staff, { requiresRenewal: true })
    expect(await stateOf(first.id)).toBe('RENEWAL_DUE')
    const second = await signed(alliance, member, open)
    expect(second.state).toBe('VALID')
    expect([await stateOf(first.id), await stateOf(still.id)]).toEqual(['RENEWED', 'RENEWAL_DUE'])
    // A later version that does not ask for it leaves what is due.
    open = await opened(alliance, staff)
    expect([await stateOf(second.id), await stateOf(still.id)]).toEqual(['VALID', 'RENEWAL_DUE'])
    // Who signs it of its own will has one signature that stands.
    const third = await signed(alliance, member, open)
    expect([await stateOf(first.id), await stateOf(second.id), third.state]).toEqual(['RENEWED', 'RENEWED', 'VALID'])
    // Withdrawn, it gives the earlier one no new life.
    await changed(alliance, representative, 'withdraw', { id: third.id, reason: '…' })
    expect([await stateOf(second.id), await stateOf(third.id)]).toEqual(['RENEWED', 'WITHDRAWN'])
  })
})

describe('countersigning', () => {
  it('is for the secretariat; a second time changes nothing', async () => {
    const { id } = await signed(alliance, member, open)
    await expectRefused(
      'countersign',
      { id },
      {
        anonymous: alliance.anonymous,
        portal: await alliance.portal(),
        liaison: await alliance.officerOf(member),
        representative,
      },
    )
    const { countersignedAt } = await changed(alliance, staff, 'countersign', { id })
    expect(countersignedAt).toBe(alliance.clock.now.toISOString())
    const before = await alliance.traces()
    alliance.clock.now = new Date(alliance.clock.now.getTime() + 60_000)
    expect(await changed(alliance, staff, 'countersign', { id })).toMatchObject({ countersignedAt })
    expect(await alliance.traces()).toEqual(before)
    for (const [actor, by] of [
      [staff, '秘书处小云'],
      [representative, '秘书处小云'],
      [alliance.anonymous, null],
    ] as const)
      expect((await alliance.as(actor).ask(one, { id })).node).toMatchObject({ countersignedBy: by })
  })

  it('is refused for a member that has left', async () => {
    const { id } = await signed(alliance, member, open)
    await decide(alliance, member, 'WITHDRAW')
    const before = await alliance.traces()
    for (const [locale, message] of [
      ['en', 'has left the alliance'],
      ['zh-Hans', '已离开联盟'],
    ] as const) {
      const { userErrors } = await call(alliance, staff, 'countersign', { id }, locale)
      expect(userErrors).toMatchObject([
        { code: 'WRONG_STATUS', field: ['id'], message: expect.stringContaining(message) },
      ])
    }
    expect(await alliance.traces()).toEqual(before)
  })

  it('is refused for what no longer stands', async () => {
    const renewed = await signed(alliance, member, open)
    open = await opened(alliance, staff)
    const { id } = await signed(alliance, member, open)
    await changed(alliance, representative, 'withdraw', { id, reason: '…' })
    const before = await alliance.traces()
    for (const mutation of ['countersign', 'withdraw'] as const)
      for (const [one, en, zh] of [
        [id, 'was withdrawn', '已被撤回'],
        [renewed.id, 'has signed a later version', '已签署之后的版本'],
      ] as const)
        for (const [locale, message] of [
          ['en', en],
          ['zh-Hans', zh],
        ] as const) {
          const { userErrors } = await call(alliance, staff, mutation, { id: one, reason: '…' }, locale)
          expect(userErrors).toEqual([
            { code: 'WRONG_STATUS', field: ['id'], message: expect.stringContaining(message) },
          ])
        }
    expect(await alliance.traces()).toEqual(before)
  })
})

describe('withdrawal', () => {
  it('is for representatives of that member and the secretariat', async () => {
    const { id } = await signed(alliance, member, open)
    const other = await alliance.member()
    await expectRefused(
      'withdraw',
      { id, reason: '…' },
      {
        anonymous: alliance.anonymous,
        portal: await alliance.portal(),
        liaison: await alliance.officerOf(member),
        'representative of another member': await alliance.officerOf(other, 'REPRESENTATIVE'),
      },
    )
    expect(await changed(alliance, representative, 'withdraw', { id, reason: ' 内部决定 ' })).toMatchObject({
      state: 'WITHDRAWN',
      withdrawalReason: '内部决定',
    })
    const { id: second } = await signed(alliance, other, open)
    await changed(alliance, staff, 'withdraw', { id: second, reason: '误签' })
    expect((await alliance.as(staff).ask(one, { id: second })).node).toMatchObject({ withdrawnBy: '秘书处小云' })
    // Withdrawn ones are seen by the own member and the secretariat alone, and so by others not even to be withdrawn.
    expect([await stateOf(id), await stateOf(id, representative), await stateOf(id, alliance.anonymous)]).toEqual([
      'WITHDRAWN',
      'WITHDRAWN',
      undefined,
    ])
    const variables = { id: second, reason: '…' }
    expect(errorCodes(await alliance.as(representative).query(mutations.withdraw, variables))).toEqual(['NOT_FOUND'])
  })

  it('leaves the member free to sign again; what was withdrawn stays in its history', async () => {
    const first = await signed(alliance, member, open)
    await changed(alliance, representative, 'withdraw', { id: first.id, reason: '内部决定' })
    alliance.clock.now = new Date(alliance.clock.now.getTime() + 60_000)
    const second = await signed(alliance, member, open)
    expect(second.state).toBe('VALID')
    expect(second.code).not.toBe(first.code)
    const history = 'query ($id: ID!) { member(id: $id) { signatures { id state withdrawalReason } } }'
    const current = { id: second.id, state: 'VALID', withdrawalReason: null }
    const both = [current, { id: first.id, state: 'WITHDRAWN', withdrawalReason: '内部决定' }]
    for (const [actor, shown] of [
      [representative, both],
      [staff, both],
      [alliance.anonymous, [current]],
      [await alliance.officerOf(await alliance.member()), [current]],
    ] as const)
      expect(await alliance.as(actor).ask(history, { id: member.id })).toEqual({ member: { signatures: shown } })
  })

  it.each([
    ['no reason', ' ', 'REQUIRED', 'Write something', '不能为空'],
    ['too long a reason', '长'.repeat(501), 'TOO_LONG', '500', '500'],
  ])('is refused with %s', async (_, reason, code, en, zh) => {
    const { id } = await signed(alliance, member, open)
    const before = await alliance.traces()
    for (const [locale, message] of [
      ['en', en],
      ['zh-Hans', zh],
    ] as const)
      expect((await call(alliance, representative, 'withdraw', { id, reason }, locale)).userErrors).toEqual([
        { code, field: ['reason'], message: expect.stringContaining(message) },
      ])
    expect(await alliance.traces()).toEqual(before)
  })

  it('at the same time as the member is expelled waits, and neither fails', async () => {
    const { id } = await signed(alliance, member, open)
    await Promise.all([
      call(alliance, staff, 'withdraw', { id, reason: '…' }),
      decide(alliance, member, 'EXPEL'),
      call(alliance, staff, 'countersign', { id }),
    ])
    const row = await alliance.db
      .selectFrom('initiativeSignatures')
      .select('shelf')
      .where('memberId', '=', member.uuid)
      .executeTakeFirstOrThrow()
    expect(row.shelf).toMatch(/^LEFT WITHDRAWN( COUNTERSIGNED)?$/)
  })
})

it.each(['countersign', 'withdraw'] as const)('%s tells NOT_FOUND of a signature that there is not', async mutation => {
  const variables = { id: writeId('Signature', newUuid()), reason: '…' }
  for (const actor of mutation === 'withdraw' ? [staff, representative] : [staff])
    expect(errorCodes(await alliance.as(actor).query(mutations[mutation], variables))).toEqual(['NOT_FOUND'])
})
