import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { newUuid, parseId, writeId } from '../../src/ids.ts'
import { openInitiative } from '../../src/initiative/drafts.ts'
import { type Alliance, createAlliance, errorCodes } from '../support/alliance.ts'
import { call, drafted, draftInput, mutations, opened, signed } from './story.ts'

let alliance: Alliance
let staff: Actor
const others: Record<string, Actor> = {}
beforeAll(async () => {
  alliance = await createAlliance()
  staff = await alliance.secretariat()
  const member = await alliance.member()
  others.anonymous = alliance.anonymous
  others.portal = await alliance.portal()
  others.liaison = await alliance.officerOf(member)
  others.representative = await alliance.officerOf(member, 'REPRESENTATIVE')
})
afterAll(() => alliance.close())

/** Refused for everybody but the secretariat, without a trace. */
async function expectRefused(mutation: keyof typeof mutations, variables: Record<string, unknown>) {
  const before = await alliance.traces()
  for (const [name, actor] of Object.entries(others))
    expect(errorCodes(await alliance.as(actor).query(mutations[mutation], variables)), name).toEqual([
      name === 'anonymous' ? 'UNAUTHENTICATED' : 'FORBIDDEN',
    ])
  expect(await alliance.traces()).toEqual(before)
}

const one = `query ($id: ID!) {
  initiativeVersion(id: $id) { id number status requiresRenewal title body openedAt supersededAt }
  node(id: $id) { id ... on InitiativeVersion { sha256 } }
}`

describe('a draft', () => {
  it('is begun by the secretariat alone, and seen by it alone', async () => {
    await expectRefused('draft', { input: draftInput })
    const { id, ...draft } = await drafted(alliance, staff)
    expect(draft).toEqual({
      version: 1,
      number: null,
      status: 'DRAFT',
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    for (const actor of Object.values(others))
      expect(await alliance.as(actor).ask(one, { id })).toEqual({ initiativeVersion: null, node: null })
    expect(await alliance.as(staff).ask(one, { id })).toEqual({
      initiativeVersion: {
        id,
        number: null,
        status: 'DRAFT',
        requiresRenewal: false,
        title: 'Initiative of Yungu',
        body: 'First: standards.\n\nSecond: places.',
        openedAt: null,
        supersededAt: null,
      },
      node: { id, sha256: draft.sha256 },
    })
  })

  it('is begun once for each idempotency key', async () => {
    const first = await call(alliance, staff, 'draft', { input: draftInput, key: 'd1' })
    const before = await alliance.traces()
    expect(await call(alliance, staff, 'draft', { input: draftInput, key: 'd1' })).toEqual(first)
    const again = await call(alliance, staff, 'draft', { input: { ...draftInput, requiresRenewal: true }, key: 'd1' })
    expect(again.userErrors).toMatchObject([{ code: 'IDEMPOTENCY_KEY_REUSED' }])
    expect(await alliance.traces()).toEqual(before)
  })

  it('is edited: what is left out stays, and a change of nothing makes no version', async () => {
    const { id, sha256 } = await drafted(alliance, staff)
    const edit = (input: object) => call(alliance, staff, 'edit', { id, input })
    await expectRefused('edit', { id, input: { expectedVersion: 1, requiresRenewal: true } })
    const renewing = await edit({ expectedVersion: 1, requiresRenewal: true })
    expect(renewing.initiativeVersion).toMatchObject({ version: 2, sha256 })
    const same = await edit({ expectedVersion: 2, titles: [{ locale: 'en', text: ' Initiative of Yungu \n' }] })
    expect(same).toMatchObject({ initiativeVersion: { version: 2, sha256 }, userErrors: [] })
    const rewritten = await edit({ expectedVersion: 2, bodies: [{ locale: 'en', text: 'Another.' }] })
    expect(rewritten.initiativeVersion).toMatchObject({ version: 3 })
    expect(rewritten.initiativeVersion?.sha256).not.toBe(sha256)
    const removed = await edit({
      expectedVersion: 3,
      titles: [{ locale: 'en', text: '' }],
      bodies: [{ locale: 'en', text: '' }],
    })
    expect(removed.initiativeVersion).toMatchObject({ version: 4 })
    expect((await alliance.as(staff).ask(one, { id })).initiativeVersion).toMatchObject({
      title: '云谷元宇宙共建倡议',
      requiresRenewal: true,
    })
  })

  it('is thrown away', async () => {
    const { id } = await drafted(alliance, staff)
    await expectRefused('discard', { id, expectedVersion: 1 })
    const stale = await call(alliance, staff, 'discard', { id, expectedVersion: 2 })
    expect(stale).toMatchObject({ initiativeVersion: { id, version: 1 }, userErrors: [{ code: 'CONFLICT' }] })
    expect(await call(alliance, staff, 'discard', { id, expectedVersion: 1 })).toEqual({
      initiativeVersion: null,
      userErrors: [],
    })
    expect(await alliance.as(staff).ask(one, { id })).toEqual({ initiativeVersion: null, node: null })
  })

  const long = (length: number) => [{ locale: 'zh-Hans', text: '长'.repeat(length) }]
  it.each<[string, object, string, string[], string, string]>([
    ['no title', { titles: [], bodies: [] }, 'REQUIRED', ['input', 'titles'], 'Write a title', '标题'],
    [
      'a title without a text',
      { titles: [...draftInput.titles, { locale: 'zh-Hant', text: '倡議' }] },
      'REQUIRED',
      ['input', 'bodies'],
      'no text',
      '没有正文',
    ],
    [
      'too long a text',
      { titles: long(200), bodies: long(20_001) },
      'TOO_LONG',
      ['input', 'bodies', 'zh-Hans'],
      '20000',
      '20000',
    ],
    [
      'too long a title',
      { titles: long(201), bodies: long(1) },
      'TOO_LONG',
      ['input', 'titles', 'zh-Hans'],
      '200',
      '200',
    ],
    [
      'a title of two lines',
      { titles: [{ locale: 'zh-Hans', text: '一\n二' }], bodies: long(1) },
      'INVALID',
      ['input', 'titles', 'zh-Hans'],
      'A title has one line.',
      '标题只能有一行。',
    ],
  ])('is refused with %s', async (_, changes, code, field, en, zh) => {
    const before = await alliance.traces()
    for (const [locale, message] of [
      ['en', en],
      ['zh-Hans', zh],
    ] as const) {
      const { initiativeVersion, userErrors } = await call(
        alliance,
        staff,
        'draft',
        { input: { ...draftInput, ...changes } },
        locale,
      )
      expect(initiativeVersion).toBeNull()
      expect(userErrors).toEqual([{ code, field, message: expect.stringContaining(message) }])
    }
    expect(await alliance.traces()).toEqual(before)
  })

  it('may have a text of 20,000 characters', async () => {
    expect(await drafted(alliance, staff, { titles: long(200), bodies: long(20_000) })).toMatchObject({ version: 1 })
  })
})

describe('opening', () => {
  it('is for the secretariat, gives the next number, and supersedes the version before at the same moment', async () => {
    const first = await opened(alliance, staff)
    expect((await alliance.as(alliance.anonymous).ask('{ initiative { id } }')).initiative).toEqual({ id: first.id })
    const draft = await drafted(alliance, staff)
    await expectRefused('open', { id: draft.id, expectedVersion: 1 })
    alliance.clock.now = new Date('2026-12-01T00:00:00Z')
    const { initiativeVersion: second } = await call(alliance, staff, 'open', { id: draft.id, expectedVersion: 1 })
    expect(second).toMatchObject({ number: first.number! + 1, status: 'OPEN', version: 2, sha256: draft.sha256 })
    const { initiative, ...rest } = await alliance.as(alliance.anonymous).ask(
      `query ($id: ID!) { initiative { id openedAt supersededAt }
        before: initiativeVersion(id: $id) { status supersededAt } }`,
      { id: first.id },
    )
    const at = '2026-12-01T00:00:00.000Z'
    expect(initiative).toEqual({ id: draft.id, openedAt: at, supersededAt: null })
    expect(rest.before).toEqual({ status: 'SUPERSEDED', supersededAt: at })
  })

  it('is refused to what was opened before, which is never edited or thrown away either', async () => {
    const superseded = await opened(alliance, staff)
    const open = await opened(alliance, staff)
    const before = await alliance.traces()
    for (const [{ id }, status, chinese] of [
      [open, 'OPEN', '“开放签署”'],
      [superseded, 'SUPERSEDED', '“已被取代”'],
    ] as const) {
      const expectedVersion = status === 'OPEN' ? 2 : 3
      for (const [mutation, variables] of [
        ['open', { id, expectedVersion }],
        ['discard', { id, expectedVersion }],
        ['edit', { id, input: { expectedVersion, bodies: [{ locale: 'en', text: 'Another.' }] } }],
      ] as const)
        for (const [locale, word] of [
          ['en', status],
          ['zh-Hans', chinese],
        ] as const) {
          const { userErrors } = await call(alliance, staff, mutation, variables, locale)
          expect(userErrors).toEqual([{ code: 'WRONG_STATUS', field: [], message: expect.stringContaining(word) }])
        }
    }
    expect(await alliance.traces()).toEqual(before)
  })

  it('needs a text in zh-Hans, and the version that the caller saw', async () => {
    const english = {
      titles: [{ locale: 'en', text: 'Initiative' }],
      bodies: [{ locale: 'en', text: 'Only English.' }],
    }
    const { id } = await drafted(alliance, staff, english)
    const before = await alliance.traces()
    for (const [locale, message] of [
      ['en', 'Write the text in zh-Hans'],
      ['zh-Hans', '请先填写 zh-Hans'],
    ] as const) {
      const refused = await call(alliance, staff, 'open', { id, expectedVersion: 1 }, locale)
      expect(refused.userErrors).toEqual([{ code: 'REQUIRED', field: [], message: expect.stringContaining(message) }])
    }
    for (const [mutation, variables, field] of [
      ['open', { id, expectedVersion: 7 }, ['expectedVersion']],
      ['edit', { id, input: { expectedVersion: 7, requiresRenewal: true } }, ['input', 'expectedVersion']],
    ] as const)
      expect(await call(alliance, staff, mutation, variables)).toMatchObject({
        initiativeVersion: { id, version: 1 },
        userErrors: [{ code: 'CONFLICT', field }],
      })
    expect(await alliance.traces()).toEqual(before)
  })

  it.each(['edit', 'discard', 'open'] as const)('%s tells NOT_FOUND of a version that there is not', async mutation => {
    const id = writeId('InitiativeVersion', newUuid())
    const variables = { id, expectedVersion: 1, input: { expectedVersion: 1 } }
    expect(errorCodes(await alliance.as(staff).query(mutations[mutation], variables))).toEqual(['NOT_FOUND'])
  })

  it('of two drafts at once leaves one open, the other superseded, and no hole in the numbers', async () => {
    const drafts = [await drafted(alliance, staff), await drafted(alliance, staff), await drafted(alliance, staff)]
    const { number } = await opened(alliance, staff)
    const outcomes = await Promise.all(
      drafts.map(({ id }) => openInitiative(alliance.request(staff), parseId(id)!.uuid, 1)),
    )
    expect(outcomes.map(version => version.number!).sort()).toEqual([number! + 1, number! + 2, number! + 3])
    const rows = await alliance.db.selectFrom('initiativeVersions').select(['status', 'number']).execute()
    expect(rows.filter(({ status }) => status === 'OPEN')).toEqual([{ status: 'OPEN', number: number! + 3 }])
  })

  it('comes after all that was signed before, also by a process whose clock is ahead', async () => {
    const before = await opened(alliance, staff)
    const member = await alliance.member()
    const { now } = alliance.clock
    alliance.clock.now = new Date(now.getTime() + 90_000)
    const { signedAt } = await signed(alliance, member, before)
    alliance.clock.now = now
    const { id } = await opened(alliance, staff, { requiresRenewal: true })
    const { initiativeVersion } = await alliance.as(staff).ask(one, { id })
    expect(String(initiativeVersion!.openedAt) > signedAt).toBe(true)
    // And who signs by the clock that is behind, signs after it was opened.
    const other = await alliance.member()
    const { initiative } = await alliance.as(staff).ask<{ initiative: never }>('{ initiative { id sha256 } }')
    expect(await signed(alliance, other, initiative)).toMatchObject({
      state: 'VALID',
      signedAt: initiativeVersion!.openedAt,
    })
  })
})

it('versions are listed the latest first, drafts before them for the secretariat alone', async () => {
  const draft = await drafted(alliance, staff)
  const list = (args: string) =>
    `{ initiativeVersions${args} { totalCount pageInfo { hasNextPage endCursor } nodes { number status } } }`
  const { initiativeVersions: all } = await alliance.as(staff).ask(list('(first: 1)'))
  expect(all?.nodes).toEqual([{ number: null, status: 'DRAFT' }])
  const { initiativeVersions: open } = await alliance.as(others.liaison!).ask(list(''))
  const numbers = (open as unknown as { nodes: { number: number }[] }).nodes.map(({ number }) => number)
  expect(numbers).toEqual(numbers.map((_, i) => numbers.length - i))
  expect(Number(all?.totalCount)).toBeGreaterThan(Number(open?.totalCount))
  const next = await alliance.as(others.liaison!).ask(list(`(first: 2)`))
  const after = next.initiativeVersions?.pageInfo?.endCursor
  const { initiativeVersions: rest } = await alliance.as(others.liaison!).ask(list(`(first: 2, after: "${after}")`))
  expect(rest?.nodes).toMatchObject([{ number: numbers[2] }, { number: numbers[3] }])
  await call(alliance, staff, 'discard', { id: draft.id, expectedVersion: 1 })
})
