import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { writeId } from '../../src/ids.ts'
import { startSequencer } from '../../src/journal/sequencer.ts'
import type { ProfileChanges, Text } from '../../src/members/profile.ts'
import { findMember } from '../../src/members/reads.ts'
import { updateProfile } from '../../src/members/service.ts'
import { type Alliance, createAlliance, errorCodes, type TestMember } from '../support/alliance.ts'

interface Outcome {
  updateProfile: {
    member: { version: number; profile: { name: string } } | null
    userErrors: { code: string; field: string[]; message: string }[]
  }
}

const update = `mutation ($id: ID!, $input: UpdateProfileInput!) {
  updateProfile(id: $id, input: $input) {
    member { id version profile { name names { locale text } } }
    userErrors { code field message }
  }
}`

let alliance: Alliance
let member: TestMember
let officer: Actor
let secretariat: Actor
beforeAll(async () => {
  alliance = await createAlliance()
  secretariat = await alliance.secretariat()
})
beforeEach(async () => {
  member = await alliance.member({ names: { 'zh-Hans': '云谷市元宇宙产业联盟', en: 'Yungu Metaverse Alliance' } })
  officer = await alliance.officerOf(member)
})
afterAll(() => alliance.close())

/** Sends a change of the member's profile and answers what came of it. */
async function change(profile: object, actor = officer, more: object = {}) {
  const input = { expectedVersion: member.row.version, profile, ...more }
  return (await alliance.as(actor).ask<Outcome>(update, { id: member.id, input })).updateProfile
}

const text = (locale: Text['locale'], words: string): Text => ({ locale, text: words })

/** Runs an act that must be refused, and proves that it changed nothing. */
async function withoutTrace<T>(act: () => Promise<T>): Promise<T> {
  const before = await alliance.traces()
  const outcome = await act()
  expect(await alliance.traces()).toEqual(before)
  return outcome
}

describe('who may change a profile', () => {
  const input = () => ({ expectedVersion: member.row.version, profile: { size: 7 } })
  const send = (actor: Actor) => alliance.as(actor).query(update, { id: member.id, input: input() })

  it('is not an anonymous caller, a portal, a viewer, nor an officer of another or of a suspended member', async () => {
    const other = await alliance.member()
    const suspended = await alliance.member({ status: 'SUSPENDED' })
    const callers = [
      [alliance.anonymous, 'UNAUTHENTICATED'],
      [await alliance.portal(), 'FORBIDDEN'],
      [await alliance.officerOf(member, 'VIEWER'), 'FORBIDDEN'],
      [await alliance.officerOf(other), 'FORBIDDEN'],
      [await alliance.officerOf(suspended), 'FORBIDDEN'],
    ] as const
    for (const [actor, code] of callers) expect(errorCodes(await withoutTrace(() => send(actor)))).toEqual([code])
  })

  it('is an officer of the member, a representative or a liaison, and the secretariat', async () => {
    for (const actor of [officer, await alliance.officerOf(member, 'REPRESENTATIVE'), secretariat]) {
      const { version } = member.row
      const size = version
      const { member: changed, userErrors } = await change({ size }, actor)
      expect({ version: changed?.version, userErrors }).toEqual({ version: version + 1, userErrors: [] })
      member = { ...member, row: { ...member.row, version: version + 1 } }
    }
  })

  it('is told NOT_FOUND of a member that does not exist or has left', async () => {
    const gone = await alliance.member({ status: 'EXPELLED' })
    for (const id of [writeId('Company', '00000000-0000-7000-8000-000000000000'), gone.id]) {
      const result = await withoutTrace(() => alliance.as(officer).query(update, { id, input: input() }))
      expect(errorCodes(result)).toEqual(['NOT_FOUND'])
    }
    const otherKind = member.id.replace('assoc_', 'city_')
    const none = await withoutTrace(() => alliance.as(officer).query(update, { id: otherKind, input: input() }))
    expect(errorCodes(none)).toEqual(['NOT_FOUND'])
    const wrong = await alliance.as(officer).query(update, { id: 'ann_00000000000000000000000000', input: input() })
    expect(errorCodes(wrong)).toEqual(['BAD_USER_INPUT'])
  })
})

describe('a change of a profile', () => {
  it('changes what was named, keeps the rest, and leaves a revision and an event', async () => {
    const parent = await alliance.member({ kind: 'CITY', names: '云谷市人民政府' })
    const sent = {
      names: [
        { locale: 'en', text: ' Yungu Alliance ' },
        { locale: 'zh-TW', text: '雲谷市元宇宙產業聯盟' },
      ],
      summaries: [{ locale: 'zh', text: '示例' }],
      websiteUrl: 'https://yungu.example.org',
      fields: ['digital_twin', 'digital_twin'],
      founded: '2022-09',
      size: 12,
      parent: parent.id,
      creditCode: ' ９1510100-00000045 70 ',
    }
    const events = await alliance.count('outbox')
    const { member: changed, userErrors } = await change(sent, officer, { reason: '更名' })
    expect(userErrors).toEqual([])
    expect(changed).toMatchObject({
      version: member.row.version + 1,
      profile: {
        names: [
          { locale: 'zh-Hans', text: '云谷市元宇宙产业联盟' },
          { locale: 'en', text: 'Yungu Alliance' },
          { locale: 'zh-Hant', text: '雲谷市元宇宙產業聯盟' },
        ],
      },
    })
    expect(await alliance.count('outbox')).toBe(events + 1)

    const { member: read } = await alliance.as(officer).ask(
      `query ($id: ID!) { member(id: $id) { profileHistory(first: 1) {
        totalCount pageInfo { hasNextPage }
        nodes { version at by reason onBehalfOf { id } changes { field before after } }
      } } }`,
      { id: member.id },
    )
    expect(read).toEqual({
      profileHistory: {
        totalCount: 2,
        pageInfo: { hasNextPage: true },
        nodes: [
          {
            version: member.row.version + 1,
            at: '2026-11-23T08:00:00.000Z',
            by: '联络员小谷',
            reason: '更名',
            onBehalfOf: { id: member.id },
            changes: [
              {
                field: 'names',
                before: '{"en":"Yungu Metaverse Alliance","zh-Hans":"云谷市元宇宙产业联盟"}',
                after: '{"en":"Yungu Alliance","zh-Hans":"云谷市元宇宙产业联盟","zh-Hant":"雲谷市元宇宙產業聯盟"}',
              },
              { field: 'summaries', before: '{}', after: '{"zh-Hans":"示例"}' },
              { field: 'websiteUrl', before: null, after: '"https://yungu.example.org/"' },
              { field: 'fields', before: '[]', after: '["digital_twin"]' },
              { field: 'founded', before: null, after: '"2022-09"' },
              { field: 'size', before: null, after: '12' },
              { field: 'parent', before: null, after: `"${parent.id}"` },
              { field: 'creditCode', before: null, after: '"915101000000004570"' },
            ],
          },
        ],
      },
    })
  })

  it('is found by its new name and no longer by the old one', async () => {
    const names = async (name: string) => {
      const list = 'query ($name: String) { members(filter: { name: $name }) { totalCount } }'
      return (await alliance.as(alliance.anonymous).ask<{ members: { totalCount: number } }>(list, { name })).members
        .totalCount
    }
    await change({ names: [{ locale: 'zh-Hans', text: '云谷虚构星图社' }] })
    expect([await names('yunguxugouxingtushe'), await names('xingtu'), await names('星图')]).toEqual([1, 1, 1])
  })

  it('empties with null what can be empty, and takes a language away with an empty text', async () => {
    await change({
      summaries: [{ locale: 'en', text: 'x' }],
      fields: ['digital_twin'],
      size: 3,
      websiteUrl: 'https://a.example.org',
    })
    member = { ...member, row: { ...member.row, version: member.row.version + 1 } }
    const empty = { summaries: null, descriptions: null, fields: null, capabilities: null, size: null, founded: null }
    const { userErrors } = await change({
      ...empty,
      ...{ websiteUrl: null, logoUrl: null, parent: null, lead: null, creditCode: null },
      names: [{ locale: 'en', text: ' ' }],
    })
    expect(userErrors).toEqual([])
    const row = await alliance.db
      .selectFrom('members')
      .selectAll()
      .where('id', '=', member.uuid)
      .executeTakeFirstOrThrow()
    expect(row).toMatchObject({
      names: { 'zh-Hans': '云谷市元宇宙产业联盟' },
      summaries: {},
      fields: [],
      size: null,
      websiteUrl: null,
    })
  })

  it('makes the editor the source of what it changed, where a source was named', async () => {
    const sources = [
      { fact: '*', source: 'https://a.example.org/', verified: true, note: null },
      { fact: 'founded', source: 'https://b.example.org/', verified: true, note: 'x' },
    ]
    member = await alliance.member({ profile: { sources, founded: '2021' } })
    officer = await alliance.officerOf(member)
    const read = async () =>
      (
        await alliance
          .as(officer)
          .ask('query ($id: ID!) { member(id: $id) { profile { sources { fact source verified note } } } }', {
            id: member.id,
          })
      ).member!.profile!.sources
    await change({ founded: '2022', size: 3 })
    const itself = { source: 'the member itself', verified: false, note: null }
    expect(await read()).toEqual([sources[0], { fact: 'founded', ...itself }, { fact: 'size', ...itself }])
    member = { ...member, row: { ...member.row, version: member.row.version + 1 } }
    await change({ size: 4 }, secretariat)
    expect(await read()).toEqual([
      sources[0],
      { fact: 'founded', ...itself },
      { fact: 'size', ...itself, source: 'the secretariat' },
    ])
  })

  it('makes no version, revision or event when nothing changes', async () => {
    const outcome = await withoutTrace(() =>
      change({ names: [{ locale: 'en', text: 'Yungu Metaverse Alliance' }], size: null, fields: [] }),
    )
    expect(outcome).toMatchObject({ member: { version: member.row.version }, userErrors: [] })
  })

  it('with an old version is told CONFLICT and shown the current state', async () => {
    await change({ names: [{ locale: 'en', text: 'Changed by the first' }] })
    const late = await withoutTrace(() => change({ names: [{ locale: 'en', text: 'Changed by the second' }] }))
    expect(late.member).toMatchObject({ version: member.row.version + 1, profile: { name: 'Changed by the first' } })
    expect(late.userErrors).toMatchObject([{ code: 'CONFLICT', field: ['input', 'expectedVersion'] }])
  })

  it('wins once when 50 come at the same time with the same version, whether they hold the member or not', async () => {
    const parent = await alliance.member()
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, i) => change(i % 5 === 0 ? { size: i + 1, parent: parent.id } : { size: i + 1 })),
    )
    expect(outcomes.filter(({ userErrors }) => userErrors.length === 0)).toHaveLength(1)
    expect(outcomes.flatMap(({ userErrors }) => userErrors.map(({ code }) => code))).toEqual(Array(49).fill('CONFLICT'))
    for (const late of outcomes) expect(late.member?.version).toBe(member.row.version + 1)
    const revisions = alliance.db.selectFrom('memberRevisions').select('version').where('memberId', '=', member.uuid)
    expect((await revisions.execute()).map(({ version }) => version).sort()).toEqual([1, member.row.version + 1])
    const events = alliance.db.selectFrom('outbox').select('detail').where('subject', '=', member.uuid)
    expect(await events.where('type', '=', 'member.profile').execute()).toHaveLength(1)
  })

  it('is one look and one statement', async () => {
    expect(await alliance.countStatements(() => change({ size: 4 }))).toBe(2)
  })

  it('keeps every text that it does not name', async () => {
    const long = '元宇宙'.repeat(3000)
    await change({ descriptions: [{ locale: 'zh-Hans', text: long }], summaries: [{ locale: 'en', text: 'Example' }] })
    const { version } = member.row
    member = { ...member, row: { ...member.row, version: version + 1 } }
    await change({ websiteUrl: 'https://yungu.example.org' })
    const row = await alliance.db
      .selectFrom('members')
      .selectAll()
      .where('id', '=', member.uuid)
      .executeTakeFirstOrThrow()
    expect(row).toMatchObject({
      version: version + 2,
      names: member.row.names,
      summaries: { en: 'Example' },
      descriptions: { 'zh-Hans': long },
      pinyinKey: member.row.pinyinKey,
      search: member.row.search,
      websiteUrl: 'https://yungu.example.org/',
    })
  })

  it('is answered as it is read later, whichever fields it writes, also by a clock that is behind', async () => {
    const request = alliance.request(officer)
    const edits: ProfileChanges[] = [
      // Neither in the order in which the database keeps the languages.
      { names: [text('zh-Hant', '雲谷聯盟'), text('zh-Hans', ''), text('en', 'Yungu')] },
      { summaries: [text('zh-Hant', '示例'), text('en', 'Example')] },
      { descriptions: [text('zh-Hans', '示例')] },
      { logoUrl: 'https://yungu.example/logo.svg' },
      { websiteUrl: 'https://yungu.example/' },
      { fields: ['digital_twin'] },
      { capabilities: ['real_time_rendering', 'computing_power'] },
      { founded: '2022' },
      { size: 12 },
      { creditCode: '91510100000004510Q' },
      { sources: [{ fact: 'names', source: 'example', verified: true, note: null }] },
      {
        names: [text('en', 'Yungu Alliance')],
        logoUrl: null,
        fields: [],
        founded: '2023',
        size: null,
        creditCode: null,
      },
    ]
    let { version } = member.row
    const updated: Date[] = []
    for (const [i, profile] of edits.entries()) {
      const now = new Date(request.now.getTime() + (i === 1 ? -60_000 : i * 1_000))
      const answered = await updateProfile({ ...request, now }, member.row, { expectedVersion: version, profile })
      const read = await findMember(alliance.db, officer, member.uuid)
      expect(answered).toEqual(read)
      for (const texts of ['names', 'summaries', 'descriptions'] as const)
        expect(Object.keys(answered[texts])).toEqual(Object.keys(read![texts]))
      expect(answered.version).toBe(++version)
      updated.push(answered.updatedAt)
    }
    expect(updated).toEqual(updated.toSorted((a, b) => a.getTime() - b.getTime()))
  })

  it('whose process dies before the journal heard of it is told all the same', async () => {
    // `alliance` has no sequencer: nobody is woken for this change.
    await change({ size: 5 })
    const { promise: sequenced, resolve: onSequenced } = Promise.withResolvers<number>()
    const { db } = alliance
    const onError = (error: unknown) => expect.unreachable(String(error))
    const sequencer = startSequencer({ db, connectionString: null, onSequenced, onError })
    await sequenced
    await sequencer.stop()
    const told = db.selectFrom('eventLog').select(['type', 'detail']).where('subject', '=', member.uuid).orderBy('seq')
    expect((await told.execute()).at(-1)).toEqual({
      type: 'member.profile',
      detail: { version: member.row.version + 1, fields: ['size'] },
    })
  })
})

describe('a bad profile', () => {
  const at = (...path: string[]) => ['input', 'profile', ...path]
  it.each<[string, object, string, string[], string]>([
    [
      'an only name taken away',
      {
        names: [
          { locale: 'zh-Hans', text: '' },
          { locale: 'en', text: '' },
        ],
      },
      'REQUIRED',
      at('names'),
      'at least one language',
    ],
    ['null for names', { names: null }, 'REQUIRED', at('names'), 'at least one language'],
    [
      'a name of 201 characters',
      { names: [{ locale: 'zh-Hans', text: '云'.repeat(201) }] },
      'TOO_LONG',
      at('names', 'zh-Hans'),
      '200 is the most',
    ],
    [
      'a name of 100 KB',
      { names: [{ locale: 'en', text: 'x'.repeat(100_000) }] },
      'TOO_LONG',
      at('names', 'en'),
      '100000 characters',
    ],
    [
      'a name of nothing to read',
      { names: [{ locale: 'en', text: '\u200b' }] },
      'INVALID',
      at('names', 'en'),
      'letters or digits',
    ],
    [
      'NUL in a name',
      { names: [{ locale: 'en', text: 'Yun\0gu' }] },
      'INVALID',
      at('names', 'en'),
      'control characters',
    ],
    [
      'half a surrogate pair in a name',
      { names: [{ locale: 'en', text: 'Yungu \ud83d' }] },
      'INVALID',
      at('names', 'en'),
      'control characters',
    ],
    [
      'a name of two lines',
      { names: [{ locale: 'en', text: 'Yungu\nAlliance' }] },
      'INVALID',
      at('names', 'en'),
      'line breaks',
    ],
    [
      'a language given twice',
      {
        names: [
          { locale: 'zh', text: '云' },
          { locale: 'zh-CN', text: '谷' },
        ],
      },
      'INVALID',
      at('names'),
      'given twice',
    ],
    [
      'a summary of 501 characters',
      { summaries: [{ locale: 'en', text: 'x'.repeat(501) }] },
      'TOO_LONG',
      at('summaries', 'en'),
      '500 is the most',
    ],
    ['an unknown field', { fields: ['digital_twin', 'alchemy'] }, 'NOT_FOUND', at('fields'), 'has no alchemy.'],
    [
      'a field as capability',
      { capabilities: ['digital_twin'] },
      'NOT_FOUND',
      at('capabilities'),
      'has no digital_twin.',
    ],
    ['a negative size', { size: -1 }, 'INVALID', at('size'), '0 or more'],
    ['an unknown parent', { parent: `city_${'0'.repeat(26)}` }, 'NOT_FOUND', at('parent'), 'no such member'],
    ['an unknown lead', { lead: `city_${'0'.repeat(26)}` }, 'NOT_FOUND', at('lead'), 'no such member'],
    ['a short credit code', { creditCode: '9151010000000045' }, 'INVALID', at('creditCode'), 'this has 16'],
    ['a letter O in a credit code', { creditCode: '91510100O000004570' }, 'INVALID', at('creditCode'), 'at position 9'],
    [
      'a letter among the digits of a credit code',
      { creditCode: '9151A1000000004570' },
      'INVALID',
      at('creditCode'),
      'positions 3 to 8 are digits',
    ],
    [
      'an unknown registry in a credit code',
      { creditCode: 'C15101000000004570' },
      'INVALID',
      at('creditCode'),
      "can't begin with",
    ],
    [
      'one wrong character in a credit code',
      { creditCode: '915101000000004580' },
      'CREDIT_CODE_CHECK',
      at('creditCode'),
      'approveCreditCode',
    ],
  ])('with %s is refused', async (_, profile, code, field, message) => {
    const { member: none, userErrors } = await withoutTrace(() => change(profile))
    expect(none).toBeNull()
    expect(userErrors).toEqual([{ code, field, message: expect.stringContaining(message) }])
  })

  it.each<[object, string]>([
    [{ founded: '2022-02-30' }, 'is no PartialDate'],
    [{ websiteUrl: 'javascript:alert(1)' }, 'is no URL'],
    [{ names: [{ locale: 'fr', text: 'Alliance' }] }, 'is no Locale'],
    [{ parent: 'ann_00000000000000000000000000' }, 'is the id of a Announcement'],
    [{ size: 2 ** 40 }, 'Int cannot represent'],
  ])('%j is refused at the door', async (profile, message) => {
    const input = { expectedVersion: member.row.version, profile }
    const result = await withoutTrace(() => alliance.as(officer).query(update, { id: member.id, input }))
    expect(result.errors?.[0]?.message).toContain(message)
  })

  it('is told all its faults at once, in the language of the caller', async () => {
    const input = {
      expectedVersion: member.row.version,
      profile: { names: null, size: -1, fields: ['alchemy'] },
      reason: 'x'.repeat(501),
    }
    const outcome = await alliance.as(officer, 'zh-Hans').ask<Outcome>(update, { id: member.id, input })
    expect(outcome.updateProfile.userErrors.map(({ field }) => field.at(-1))).toEqual([
      'reason',
      'size',
      'names',
      'fields',
    ])
    expect(outcome.updateProfile.userErrors.map(({ message }) => message)).toContain('人数不能为负数。')
  })

  it('cannot make a body its own parent, nor part of what is below it', async () => {
    const below = await alliance.member({ profile: { parentId: member.uuid } })
    const lowest = await alliance.member({ profile: { parentId: below.uuid, leadId: below.uuid } })
    const itself = await withoutTrace(() => change({ parent: member.id, lead: member.id }))
    expect(itself.userErrors.map(({ code, field }) => [code, field.at(-1)])).toEqual([
      ['INVALID', 'parent'],
      ['INVALID', 'lead'],
    ])
    const circle = await withoutTrace(() => change({ parent: lowest.id }))
    expect(circle.userErrors).toMatchObject([{ code: 'INVALID', field: at('parent') }])
    expect((await change({ lead: lowest.id })).userErrors).toEqual([])
  })

  it('cannot have a parent by an id of another kind', async () => {
    const parent = (await alliance.member()).id.replace('assoc_', 'company_')
    const { userErrors } = await withoutTrace(() => change({ parent }))
    expect(userErrors).toMatchObject([{ code: 'NOT_FOUND', field: at('parent') }])
  })

  it('cannot close a circle from both sides at once', async () => {
    const [a, b] = [await alliance.member(), await alliance.member()]
    const joinTo = (one: TestMember, other: TestMember) =>
      alliance.as(secretariat).ask<Outcome>(update, {
        id: one.id,
        input: { expectedVersion: one.row.version, profile: { parent: other.id } },
      })
    const outcomes = await Promise.all([joinTo(a, b), joinTo(b, a)])
    expect(outcomes.map(({ updateProfile }) => updateProfile.userErrors.length).sort()).toEqual([0, 1])
  })

  it('cannot take the credit code of another member, not even at the same moment', async () => {
    const others = await Promise.all(Array.from({ length: 5 }, () => alliance.member()))
    const outcomes = await Promise.all(
      others.map(({ id, row }) =>
        alliance.as(secretariat).ask<Outcome>(update, {
          id,
          input: { expectedVersion: row.version, profile: { creditCode: '91510100000000406P' } },
        }),
      ),
    )
    const codes = outcomes.flatMap(({ updateProfile }) => updateProfile.userErrors.map(({ code }) => code))
    expect(codes).toEqual(Array(4).fill('TAKEN'))
    const late = await withoutTrace(() => change({ creditCode: '91510100000000406P' }))
    expect(late.userErrors).toMatchObject([{ code: 'TAKEN', field: at('creditCode') }])
  })
})
