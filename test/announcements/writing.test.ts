import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { newUuid, writeId } from '../../src/ids.ts'
import { type Alliance, createAlliance, errorCodes, type TestMember } from '../support/alliance.ts'
import { call, done, drafted, draftInput, footprint, mutations, published } from './story.ts'

let alliance: Alliance
let staff: Actor
let member: TestMember
beforeAll(async () => {
  alliance = await createAlliance()
  staff = await alliance.secretariat()
  member = await alliance.member()
})
afterAll(() => alliance.close())

/** What is wrong with the input, after a look that nothing changed. */
async function faults(mutation: keyof typeof mutations, variables: Record<string, unknown>) {
  const before = await footprint(alliance)
  const { announcement, userErrors } = await call(alliance, staff, mutation, variables)
  expect(await footprint(alliance)).toEqual(before)
  expect(announcement).toBeNull()
  return userErrors.map(({ code, field }) => `${code} ${field.join('.')}`)
}

const zh = (text: string) => [{ locale: 'zh-Hans', text }]
const file = { name: '议程.pdf', url: 'https://files.example.org/agenda.pdf', sha256: 'AB'.repeat(32) }

describe('a draft', () => {
  it('holds what was sent', async () => {
    const { id } = await drafted(alliance, staff, {
      urgency: 'URGENT',
      attachments: [{ ...file, bytes: 1024, mediaType: 'application/pdf' }, file],
      acknowledgeBy: '2026-12-01T00:00:00+08:00',
      pinnedUntil: '2026-12-24T00:00:00Z',
      audience: { include: [{ members: [member.id] }, { kinds: ['CITY'], regions: ['510000'] }] },
    })
    const data = await alliance.as(staff).ask(
      `query ($id: ID!) { announcement(id: $id) {
        title titles { locale } body(locale: "zh-CN") category urgency isPublic isPinned pinnedUntil acknowledgeBy
        publishAt publishedAt retractedAt retractionReason updatedAt receipt { readAt }
        attachments { name url sha256 bytes mediaType }
        audience { include { public allMembers kinds regions members { id } } exclude { public } }
      } }`,
      { id },
    )
    const sent = { name: '议程.pdf', url: 'https://files.example.org/agenda.pdf', sha256: 'ab'.repeat(32) }
    expect(data.announcement).toEqual({
      title: 'Joint conference of Yungu',
      titles: [{ locale: 'zh-Hans' }, { locale: 'en' }],
      body: '请于会前提交议题。',
      category: 'NOTICE',
      urgency: 'URGENT',
      isPublic: false,
      isPinned: false,
      pinnedUntil: '2026-12-24T00:00:00.000Z',
      acknowledgeBy: '2026-11-30T16:00:00.000Z',
      publishAt: null,
      publishedAt: null,
      retractedAt: null,
      retractionReason: null,
      updatedAt: '2026-11-23T08:00:00.000Z',
      receipt: null,
      attachments: [
        { ...sent, bytes: 1024, mediaType: 'application/pdf' },
        { ...sent, bytes: null, mediaType: null },
      ],
      audience: {
        include: [
          { public: false, allMembers: false, kinds: [], regions: [], members: [{ id: member.id }] },
          { public: false, allMembers: false, kinds: ['CITY'], regions: ['510000'], members: [] },
        ],
        exclude: [],
      },
    })
  })

  it('takes the longest texts, language by language, through a door of 100 KB', async () => {
    const inLanguage = (locale: string) => ({
      titles: [{ locale, text: '题'.repeat(200) }],
      bodies: [{ locale, text: '长'.repeat(20_000) }],
    })
    const { titles, bodies, ...rest } = draftInput
    const draft = { input: { ...rest, ...inLanguage('zh-Hans') } }
    const { id } = await done(alliance, staff, 'draft', draft)
    const edit = { id, input: { expectedVersion: 1, ...inLanguage('en') } }
    expect(await done(alliance, staff, 'edit', edit)).toMatchObject({ version: 2 })
    for (const [query, variables] of [
      [mutations.draft, draft],
      [mutations.edit, edit],
    ])
      expect(Buffer.byteLength(JSON.stringify({ query, variables }))).toBeLessThan(100_000)
  })

  it('is made once for a key', async () => {
    const variables = { input: { ...draftInput, acknowledgeBy: '2026-11-24T00:00:00Z' }, key: 'conference' }
    const first = await done(alliance, staff, 'draft', variables)
    const before = await footprint(alliance)
    const { now } = alliance.clock
    alliance.clock.now = new Date('2026-11-25T00:00:00Z') // the deadline has passed, yet the answer is the first one
    expect(await done(alliance, staff, 'draft', variables)).toEqual(first)
    alliance.clock.now = now
    expect(await footprint(alliance)).toEqual(before)
    expect(await faults('draft', { input: draftInput, key: 'conference' })).toEqual([
      'IDEMPOTENCY_KEY_REUSED idempotencyKey',
    ])
  })

  it.each([
    ['no title', { titles: [] }, ['REQUIRED input.titles', 'REQUIRED input.titles', 'REQUIRED input.titles']],
    ['blank title and text', { titles: zh(' '), bodies: zh(' ') }, ['REQUIRED input.titles']],
    ['no text in a language', { bodies: zh('正文') }, ['REQUIRED input.bodies']],
    ['a language twice', { titles: [...draftInput.titles, ...zh('又')] }, ['INVALID input.titles']],
    ['a title too long', { titles: zh('长'.repeat(201)), bodies: zh('正文') }, ['TOO_LONG input.titles.zh-Hans']],
    ['a title of 100 KB', { titles: zh('长'.repeat(34_000)), bodies: zh('正文') }, ['TOO_LONG input.titles.zh-Hans']],
    ['a text too long', { titles: zh('题'), bodies: zh('长'.repeat(20_001)) }, ['TOO_LONG input.bodies.zh-Hans']],
    ['too many files', { attachments: Array(21).fill(file) }, ['TOO_LONG input.attachments']],
    [
      'a bad file',
      { attachments: [file, { ...file, name: ' ', bytes: -1, mediaType: 'pdf' }] },
      [
        'INVALID input.attachments.1.bytes',
        'INVALID input.attachments.1.mediaType',
        'REQUIRED input.attachments.1.name',
      ],
    ],
    ['a deadline now', { acknowledgeBy: '2026-11-23T08:00:00Z' }, ['IN_THE_PAST input.acknowledgeBy']],
    ['a pin that has ended', { pinnedUntil: '2026-11-23T07:59:59Z' }, ['IN_THE_PAST input.pinnedUntil']],
    ['nobody named', { audience: { include: [] } }, ['REQUIRED input.audience.include']],
  ])('is refused with %s', async (_, changes, expected) => {
    expect(await faults('draft', { input: { ...draftInput, ...changes } })).toEqual(expected)
  })

  it.each([
    ['an unknown language', { titles: [{ locale: 'fr', text: 'Avis' }] }],
    ['an impossible date', { acknowledgeBy: '2026-02-30T00:00:00Z' }],
    ['a checksum too short', { attachments: [{ ...file, sha256: 'ab' }] }],
    ['a link that is none', { attachments: [{ ...file, url: 'javascript:alert(1)' }] }],
    ['an id that is none', { audience: { include: [{ members: ['nobody'] }] } }],
    ['an id of another type', { audience: { include: [{ members: [writeId('Announcement', newUuid())] }] } }],
  ])('meets a clear error with %s', async (_, changes) => {
    const before = await footprint(alliance)
    const result = await alliance.as(staff).query(mutations.draft, { input: { ...draftInput, ...changes } })
    expect(result.errors).toHaveLength(1)
    expect(errorCodes(result)).toEqual(['BAD_USER_INPUT'])
    expect(await footprint(alliance)).toEqual(before)
  })
})

describe('an unknown id', () => {
  it.each(['edit', 'schedule', 'unschedule', 'publish', 'retract', 'remind'] as const)('%s: NOT_FOUND', async name => {
    const variables = {
      expectedVersion: 1,
      publishAt: '2026-12-01T00:00:00Z',
      reason: '误',
      input: { expectedVersion: 1 },
    }
    const before = await footprint(alliance)
    for (const [id, code] of [
      [writeId('Announcement', newUuid()), 'NOT_FOUND'],
      [member.id, 'BAD_USER_INPUT'],
      ['ann_x', 'BAD_USER_INPUT'],
    ])
      expect(errorCodes(await alliance.as(staff).query(mutations[name], { ...variables, id }))).toEqual([code])
    expect(await footprint(alliance)).toEqual(before)
  })
})

describe('an edit', () => {
  it('changes what is named, by language, and keeps the rest', async () => {
    const { id } = await drafted(alliance, staff, {
      attachments: [file],
      urgency: 'URGENT',
      acknowledgeBy: '2026-12-01T00:00:00Z',
    })
    await done(alliance, staff, 'edit', {
      id,
      input: {
        expectedVersion: 1,
        titles: [
          { locale: 'en', text: '' },
          { locale: 'zh-TW', text: '通知' },
        ],
        bodies: [
          { locale: 'en', text: '' },
          { locale: 'zh-TW', text: '正文' },
        ],
        attachments: null,
        urgency: null,
        acknowledgeBy: null,
        category: 'EVENT',
      },
    })
    const { announcement } = await alliance.as(staff).ask(
      `query ($id: ID!) { announcement(id: $id) { titles { locale text } category urgency acknowledgeBy isPublic
        attachments { name } } }`,
      { id },
    )
    expect(announcement).toEqual({
      titles: [
        { locale: 'zh-Hans', text: '关于召开云谷市元宇宙联席会议的通知' },
        { locale: 'zh-Hant', text: '通知' },
      ],
      category: 'EVENT',
      urgency: 'NORMAL',
      acknowledgeBy: null,
      isPublic: true,
      attachments: [],
    })
  })

  it('of nothing makes nothing', async () => {
    const { id } = await drafted(alliance, staff, { attachments: [file], acknowledgeBy: '2026-12-01T00:00:00Z' })
    const before = await footprint(alliance)
    const { category, audience, titles, bodies } = draftInput
    for (const input of [
      {},
      { titles, bodies, category, audience, attachments: [file], acknowledgeBy: '2026-12-01T00:00:00Z' },
    ])
      expect(await done(alliance, staff, 'edit', { id, input: { expectedVersion: 1, ...input } })).toMatchObject({
        version: 1,
      })
    expect(await footprint(alliance)).toEqual(before)
  })

  it('refuses to empty what is needed', async () => {
    const { id } = await drafted(alliance, staff)
    const input = { expectedVersion: 1, titles: null, bodies: null, category: null, audience: null }
    expect(await faults('edit', { id, input })).toEqual([
      'REQUIRED input.titles',
      'REQUIRED input.bodies',
      'REQUIRED input.category',
      'REQUIRED input.audience',
    ])
  })

  it('after publication needs a reason and leaves the audience and the deadline', async () => {
    const { id } = await published(alliance, staff, { acknowledgeBy: '2026-12-01T00:00:00Z' })
    const input = { expectedVersion: 2, audience: draftInput.audience, acknowledgeBy: null }
    expect(await faults('edit', { id, input })).toEqual([
      'WRONG_STATUS input.audience',
      'WRONG_STATUS input.acknowledgeBy',
      'REQUIRED input.reason',
    ])
    const edited = { expectedVersion: 2, category: 'POLICY', reason: '更正类别' }
    expect(await done(alliance, staff, 'edit', { id, input: edited })).toMatchObject({
      version: 3,
      status: 'PUBLISHED',
    })
  })

  it('of a retracted announcement is refused', async () => {
    const { id } = await published(alliance, staff)
    await done(alliance, staff, 'retract', { id, expectedVersion: 2, reason: '有误' })
    expect(await faults('edit', { id, input: { expectedVersion: 3, category: 'NEWS', reason: '更正' } })).toEqual([
      'WRONG_STATUS ',
    ])
  })
})

describe('an old version', () => {
  it.each([
    ['edit', { input: { expectedVersion: 1, category: 'NEWS' } }, 'input.expectedVersion'],
    ['schedule', { expectedVersion: 1, publishAt: '2026-12-01T00:00:00Z' }, 'expectedVersion'],
    ['unschedule', { expectedVersion: 1 }, 'expectedVersion'],
    ['publish', { expectedVersion: 1 }, 'expectedVersion'],
    ['retract', { expectedVersion: 1, reason: '有误' }, 'expectedVersion'],
  ] as const)('%s: CONFLICT with the current state', async (name, variables, field) => {
    const { id } = await drafted(alliance, staff)
    await done(alliance, staff, 'edit', { id, input: { expectedVersion: 1, category: 'EVENT' } })
    const before = await footprint(alliance)
    const { announcement, userErrors } = await call(alliance, staff, name, { id, ...variables })
    expect(announcement).toEqual({ id, version: 2, status: 'DRAFT' })
    expect(userErrors).toMatchObject([{ code: 'CONFLICT', field: field.split('.') }])
    expect(userErrors[0]!.message).toContain('you saw version 1, it is now 2')
    expect(await footprint(alliance)).toEqual(before)
  })

  it('lets one of two edits through', async () => {
    const { id } = await drafted(alliance, staff)
    const outcomes = await Promise.all(
      ['EVENT', 'POLICY', 'NEWS'].map(category =>
        call(alliance, staff, 'edit', { id, input: { expectedVersion: 1, category } }),
      ),
    )
    expect(outcomes.filter(({ userErrors }) => userErrors.length === 0)).toHaveLength(1)
    expect(outcomes.flatMap(({ userErrors }) => userErrors.map(({ code }) => code))).toEqual(['CONFLICT', 'CONFLICT'])
    expect(outcomes.map(({ announcement }) => announcement?.version)).toEqual([2, 2, 2])
  })
})

describe('schedules', () => {
  it.each([
    ['a moment in the past', '2026-11-23T08:00:00Z', 'IN_THE_PAST publishAt'],
    ['one over 400 days ahead', '2027-12-28T08:00:01Z', 'INVALID publishAt'],
    ['one after the deadline', '2026-12-01T00:00:00Z', 'INVALID publishAt'],
  ])('refuse %s', async (_, publishAt, fault) => {
    const { id } = await drafted(alliance, staff, { acknowledgeBy: '2026-12-01T00:00:00Z' })
    expect(await faults('schedule', { id, expectedVersion: 1, publishAt })).toEqual([fault])
  })

  it('can be moved and kept', async () => {
    const { id } = await drafted(alliance, staff)
    await done(alliance, staff, 'schedule', { id, expectedVersion: 1, publishAt: '2026-12-01T00:00:00Z' })
    expect(
      await done(alliance, staff, 'schedule', { id, expectedVersion: 2, publishAt: '2026-12-02T00:00:00Z' }),
    ).toEqual({
      id,
      version: 3,
      status: 'SCHEDULED',
    })
    const before = await footprint(alliance)
    await done(alliance, staff, 'schedule', { id, expectedVersion: 3, publishAt: '2026-12-02T00:00:00Z' })
    expect(await footprint(alliance)).toEqual(before)
    const input = { expectedVersion: 3, acknowledgeBy: '2026-12-01T12:00:00Z' }
    expect(await faults('edit', { id, input })).toEqual(['INVALID input.acknowledgeBy'])
  })
})

describe('the wrong status', () => {
  it.each([
    ['unschedule', {}],
    ['retract', { reason: '有误' }],
    ['remind', {}],
  ] as const)('%s of a draft is refused', async (name, variables) => {
    const { id } = await drafted(alliance, staff)
    expect(await faults(name, { id, expectedVersion: 1, ...variables })).toEqual(['WRONG_STATUS '])
  })

  it.each([
    ['schedule', { publishAt: '2026-12-01T00:00:00Z' }],
    ['unschedule', {}],
    ['publish', {}],
  ] as const)('%s of a published announcement is refused', async (name, variables) => {
    const { id } = await published(alliance, staff)
    expect(await faults(name, { id, expectedVersion: 2, ...variables })).toEqual(['WRONG_STATUS '])
  })

  it('is a retraction without a reason, and a second one', async () => {
    const { id } = await published(alliance, staff)
    expect(await faults('retract', { id, expectedVersion: 2, reason: ' ' })).toEqual(['REQUIRED reason'])
    expect(await faults('retract', { id, expectedVersion: 2, reason: '长'.repeat(501) })).toEqual(['TOO_LONG reason'])
    await done(alliance, staff, 'retract', { id, expectedVersion: 2, reason: '有误' })
    expect(await faults('retract', { id, expectedVersion: 3, reason: '有误' })).toEqual(['WRONG_STATUS '])
  })

  it('is a publication whose deadline has passed', async () => {
    const { id } = await drafted(alliance, staff, { acknowledgeBy: '2026-11-23T09:00:00Z' })
    const { now } = alliance.clock
    alliance.clock.now = new Date('2026-11-23T10:00:00Z')
    expect(await faults('publish', { id, expectedVersion: 1 })).toEqual(['IN_THE_PAST '])
    alliance.clock.now = now
  })
})

it('keeps every step as a revision', async () => {
  const { id } = await drafted(alliance, staff, { acknowledgeBy: '2027-01-01T00:00:00Z' })
  const titles = [{ locale: 'en', text: 'Joint conference, second notice' }]
  await done(alliance, staff, 'edit', { id, input: { expectedVersion: 1, titles } })
  await done(alliance, staff, 'schedule', { id, expectedVersion: 2, publishAt: '2026-12-01T00:00:00Z' })
  await done(alliance, staff, 'unschedule', { id, expectedVersion: 3 })
  await done(alliance, staff, 'publish', { id, expectedVersion: 4 })
  await done(alliance, staff, 'remind', { id })
  await done(alliance, staff, 'edit', { id, input: { expectedVersion: 6, category: 'EVENT', reason: '更正类别' } })
  await done(alliance, staff, 'retract', { id, expectedVersion: 7, reason: '会议取消' })
  const document = `query ($id: ID!, $after: String) { announcement(id: $id) {
    status retractedAt retractionReason
    revisions(first: 5, after: $after) {
      nodes { version change by reason title at } totalCount pageInfo { hasNextPage endCursor }
    } } }`
  interface Answer {
    announcement: { revisions: { nodes: Record<string, unknown>[]; pageInfo: { endCursor: string } } }
  }
  const { announcement: first } = await alliance.as(staff).ask<Answer>(document, { id })
  expect(first).toMatchObject({
    status: 'RETRACTED',
    retractedAt: '2026-11-23T08:00:00.000Z',
    retractionReason: '会议取消',
    revisions: { totalCount: 8, pageInfo: { hasNextPage: true } },
  })
  const after = first.revisions.pageInfo.endCursor
  const { announcement: second } = await alliance.as(staff).ask<Answer>(document, { id, after })
  const all = [...first.revisions.nodes, ...second.revisions.nodes]
  expect(all.map(({ version, change, reason }) => [version, change, reason])).toEqual([
    [8, 'RETRACTED', '会议取消'],
    [7, 'EDITED', '更正类别'],
    [6, 'REMINDED', null],
    [5, 'PUBLISHED', null],
    [4, 'UNSCHEDULED', null],
    [3, 'SCHEDULED', null],
    [2, 'EDITED', null],
    [1, 'DRAFTED', null],
  ])
  expect(all.at(-1)!.title).toBe('Joint conference of Yungu')
  expect(all.at(-2)!.title).toBe('Joint conference, second notice')
  expect(all.every(({ by }) => by === '秘书处小云')).toBe(true)
})
