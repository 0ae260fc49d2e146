import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { newUuid, writeId } from '../../src/ids.ts'
import { type Alliance, createAlliance, errorCodes, places } from '../support/alliance.ts'
import { call, done, drafted, footprint } from './story.ts'

let alliance: Alliance
let staff: Actor
/** Ids of members by a letter, and the letter by id. */
const ids: Record<string, string> = {}
const letters: Record<string, string> = {}

beforeAll(async () => {
  alliance = await createAlliance()
  staff = await alliance.secretariat()
  const members = {
    a: { kind: 'CITY', region: places.chengdu, names: '阿云谷市政府' },
    b: { kind: 'CITY', region: places.shenzhen, names: '白云谷市政府' },
    c: { kind: 'ASSOCIATION', region: places.jinjiang, names: '彩云谷协会' },
    d: { kind: 'ASSOCIATION', region: places.mianyang, names: '东云谷协会' },
    e: { kind: 'ASSOCIATION', region: null, names: '恩云谷协会' },
    f: { kind: 'COMPANY', region: places.chengdu, names: '飞云谷公司' },
    g: { kind: 'COMPANY', region: null, names: '高云谷公司' },
    l: { kind: 'COMPANY', region: places.chengdu, names: '兰云谷公司', status: 'LISTED' },
    s: { kind: 'COMPANY', region: places.chengdu, names: '孙云谷公司', status: 'SUSPENDED' },
    w: { kind: 'COMPANY', region: places.chengdu, names: '王云谷公司', status: 'WITHDRAWN' },
  } as const
  for (const [letter, fixture] of Object.entries(members)) {
    const { id } = await alliance.member(fixture)
    ids[letter] = id
    letters[id] = letter
  }
})
afterAll(() => alliance.close())

interface Rule {
  readonly public?: boolean
  readonly allMembers?: boolean
  readonly kinds?: readonly string[]
  readonly regions?: readonly string[]
  readonly members?: readonly string[]
}

const document = `query ($audience: AudienceInput!) { audiencePreview(audience: $audience) {
  public memberCount members(first: 100) { nodes { id } totalCount }
} }`

/** The letters of those whom a preview shows, in its order. */
async function previewed(audience: object): Promise<{ public: boolean; reached: string }> {
  const { audiencePreview } = await alliance.as(staff).ask<{
    audiencePreview: { public: boolean; memberCount: number; members: { nodes: { id: string }[]; totalCount: number } }
  }>(document, { audience })
  const { nodes, totalCount } = audiencePreview.members
  expect([audiencePreview.memberCount, totalCount]).toEqual([nodes.length, nodes.length])
  return { public: audiencePreview.public, reached: nodes.map(({ id }) => letters[id]).join('') }
}

const named = (of: string): Rule => ({ members: [...of].map(letter => ids[letter]!) })
const cases: [string, () => { include: Rule[]; exclude?: Rule[] }, string][] = [
  ['everybody', () => ({ include: [{ public: true }] }), 'abcdefg'],
  ['all members', () => ({ include: [{ allMembers: true }] }), 'abcdefg'],
  ['a kind', () => ({ include: [{ kinds: ['CITY'] }] }), 'ab'],
  ['two kinds', () => ({ include: [{ kinds: ['CITY', 'COMPANY', 'CITY'] }] }), 'abfg'],
  ['a province, with all within it', () => ({ include: [{ regions: [places.sichuan] }] }), 'acdf'],
  ['a city, with its districts', () => ({ include: [{ regions: [places.chengdu] }] }), 'acf'],
  ['named ones, of which only the admitted', () => ({ include: [named('agslw')] }), 'ag'],
  ['companies of a city', () => ({ include: [{ kinds: ['COMPANY'], regions: [places.chengdu] }] }), 'f'],
  ['all conditions at once', () => ({ include: [{ kinds: ['CITY'], ...named('abc') }] }), 'ab'],
  ['two rules', () => ({ include: [{ kinds: ['CITY'] }, named('g')] }), 'abg'],
  ['all but a kind', () => ({ include: [{ allMembers: true }], exclude: [{ kinds: ['COMPANY'] }] }), 'abcde'],
  [
    'all but a province: those of no place stay',
    () => ({ include: [{ allMembers: true }], exclude: [{ regions: [places.sichuan] }] }),
    'beg',
  ],
  ['all but one', () => ({ include: [{ allMembers: true }], exclude: [named('a')] }), 'bcdefg'],
  [
    'all but the cities of a province and another one',
    () => ({ include: [{ allMembers: true }], exclude: [{ kinds: ['CITY'], regions: [places.sichuan] }, named('g')] }),
    'bcdef',
  ],
  ['everybody, some of them no recipients', () => ({ include: [{ public: true }], exclude: [named('abc')] }), 'defg'],
  ['everybody without recipients', () => ({ include: [{ public: true }], exclude: [{ allMembers: true }] }), ''],
]

describe('an audience', () => {
  it.each(cases)('reaches %s', async (_, audience, expected) => {
    const preview = await previewed(audience())
    expect(preview).toEqual({ public: audience().include.some(rule => rule.public ?? false), reached: expected })

    const { id } = await drafted(alliance, staff, { audience: audience() })
    await done(alliance, staff, 'publish', { id, expectedVersion: 1 })
    const { announcement } = await alliance
      .as(staff)
      .ask<{ announcement: { recipients: { nodes: { member: { id: string } }[]; totalCount: number } } }>(
        'query ($id: ID!) { announcement(id: $id) { recipients(first: 100) { nodes { member { id } } totalCount } } }',
        { id },
      )
    expect(announcement.recipients.nodes.map(({ member }) => letters[member.id]).join('')).toBe(expected)
    expect(announcement.recipients.totalCount).toBe(expected.length)
  })

  it('is previewed page by page', async () => {
    const page = (args: string) => `{ audiencePreview(audience: { include: [{ allMembers: true }] }) {
      members(${args}) { nodes { id } pageInfo { hasNextPage hasPreviousPage endCursor startCursor } } } }`
    interface Answer {
      audiencePreview: { members: { nodes: { id: string }[]; pageInfo: { endCursor: string; hasNextPage: boolean } } }
    }
    const seen: string[] = []
    let after = ''
    for (let more = true; more; ) {
      const { audiencePreview } = await alliance.as(staff).ask<Answer>(page(`first: 3${after}`))
      const { nodes, pageInfo } = audiencePreview.members
      seen.push(nodes.map(({ id }) => letters[id]).join(''))
      after = `, after: "${pageInfo.endCursor}"`
      more = pageInfo.hasNextPage
    }
    expect(seen).toEqual(['abc', 'def', 'g'])
    const { audiencePreview } = await alliance.as(staff).ask<Answer>(page('last: 2'))
    expect(audiencePreview.members.nodes.map(({ id }) => letters[id])).toEqual(['f', 'g'])
  })
})

const rejected: [string, () => object, string[]][] = [
  ['no rule', () => ({ include: [] }), ['REQUIRED include']],
  ['a rule that gives nothing', () => ({ include: [{ kinds: [] }, {}] }), ['REQUIRED include.0', 'REQUIRED include.1']],
  ['only what is not so', () => ({ include: [{ public: false, allMembers: false }] }), ['REQUIRED include.0']],
  ['public with more', () => ({ include: [{ public: true, kinds: ['CITY'] }] }), ['INVALID include.0.public']],
  ['public and all', () => ({ include: [{ public: true, allMembers: true }] }), ['INVALID include.0.public']],
  ['all with more', () => ({ include: [{ allMembers: true, ...named('a') }] }), ['INVALID include.0.allMembers']],
  [
    'the public left out',
    () => ({ include: [{ public: true }], exclude: [{ public: true }] }),
    ['INVALID exclude.0.public'],
  ],
  [
    'unknown places',
    () => ({ include: [{ public: true }], exclude: [{ regions: ['510100', '999999', '成都'] }] }),
    ['NOT_FOUND exclude.0.regions.1', 'NOT_FOUND exclude.0.regions.2'],
  ],
  [
    'an unknown member',
    () => ({ include: [{ members: [ids.a, writeId('Company', newUuid())] }] }),
    ['NOT_FOUND include.0.members.1'],
  ],
  ['too many rules', () => ({ include: Array(51).fill({ kinds: ['CITY'] }) }), ['TOO_LONG include']],
  ['too many members', () => ({ include: [{ members: Array(101).fill(ids.a) }] }), ['TOO_LONG include.0.members']],
  ['too many places', () => ({ include: [{ regions: Array(401).fill('510000') }] }), ['TOO_LONG include.0.regions']],
]

describe('an audience is refused with', () => {
  it.each(rejected)('%s', async (_, audience, expected) => {
    const before = await footprint(alliance)
    const input = {
      titles: [{ locale: 'en', text: 'Notice' }],
      bodies: [{ locale: 'en', text: 'Text' }],
      category: 'NOTICE',
      audience: audience(),
    }
    const { announcement, userErrors } = await call(alliance, staff, 'draft', { input })
    expect(announcement).toBeNull()
    const found = userErrors.map(({ code, field }) => `${code} ${field.join('.')}`)
    expect(found).toEqual(expected.map(fault => fault.replace(' ', ' input.audience.')))

    const preview = await alliance.as(staff).query(document, { audience: audience() })
    expect(errorCodes(preview)).toEqual(['BAD_USER_INPUT'])
    expect(preview.errors![0]!.message).toContain(`audience.${expected[0]!.split(' ')[1]}: `)
    expect(await footprint(alliance)).toEqual(before)
  })
})

describe('an audience that reaches nobody', () => {
  const nobody = () => ({ include: [named('slw')] })

  it('can be drafted and previewed, but neither scheduled nor published', async () => {
    expect(await previewed(nobody())).toEqual({ public: false, reached: '' })
    const { id } = await drafted(alliance, staff, { audience: nobody() })
    const before = await footprint(alliance)
    for (const mutation of ['schedule', 'publish'] as const) {
      const variables = { id, expectedVersion: 1, publishAt: '2026-12-01T00:00:00Z' }
      const { announcement, userErrors } = await call(alliance, staff, mutation, variables)
      expect(announcement).toBeNull()
      expect(userErrors.map(({ code }) => code)).toEqual(['AUDIENCE_EMPTY'])
    }
    expect(await footprint(alliance)).toEqual(before)
  })

  it('is refused for what is scheduled', async () => {
    const { id } = await drafted(alliance, staff)
    await done(alliance, staff, 'schedule', { id, expectedVersion: 1, publishAt: '2026-12-01T00:00:00Z' })
    const before = await footprint(alliance)
    const { userErrors } = await call(alliance, staff, 'edit', {
      id,
      input: { expectedVersion: 2, audience: nobody() },
    })
    expect(userErrors.map(({ code, field }) => [code, field])).toEqual([['AUDIENCE_EMPTY', ['input', 'audience']]])
    expect(await footprint(alliance)).toEqual(before)
  })
})
