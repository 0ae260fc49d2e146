import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { correctRegistration } from '../../src/members/correction.ts'
import { type Alliance, createAlliance, errorCodes, places, type TestMember } from '../support/alliance.ts'
import { call, changed, decide, drafted, opened, signed, type Version } from './story.ts'

let alliance: Alliance
let staff: Actor
let own: Actor
const versions: Version[] = []
const members: Record<string, TestMember> = {}
/** The moments at which each of them signed, by the name of the member and the number of the version. */
const moments: Record<string, string> = {}

/** Signs as that member, a minute after what happened before. */
async function sign(name: string, version: Version) {
  alliance.clock.now = new Date(alliance.clock.now.getTime() + 60_000)
  const signature = await signed(alliance, members[name]!, version)
  moments[`${name}${versions.length}`] = signature.signedAt
  return signature
}

async function open(requiresRenewal: boolean) {
  alliance.clock.now = new Date(alliance.clock.now.getTime() + 60_000)
  const version = await opened(alliance, staff, { requiresRenewal })
  versions.push(version)
  return version
}

beforeAll(async () => {
  alliance = await createAlliance()
  staff = await alliance.secretariat()
  const { member } = alliance
  members.city = await member({ kind: 'CITY', region: places.chengdu })
  members.alliance = await member({ region: places.jinjiang })
  members.media = await member({ associationKind: 'MEDIA', region: places.guangzhou })
  members.company = await member({ kind: 'COMPANY', region: places.jinjiang, status: 'LISTED' })
  members.homeless = await member({ kind: 'COMPANY', region: null })
  members.fickle = await member({ kind: 'COMPANY', region: places.mianyang })
  members.gone = await member({ kind: 'COMPANY', region: places.chengdu })
  own = await alliance.officerOf(members.fickle, 'VIEWER')

  const first = await open(false)
  for (const name of ['city', 'alliance', 'media', 'homeless', 'gone']) {
    const { id } = await sign(name, first)
    if (name === 'city' || name === 'media') await changed(alliance, staff, 'countersign', { id })
  }
  const second = await open(true)
  for (const name of ['alliance', 'company', 'fickle']) {
    const { id } = await sign(name, second)
    if (name === 'fickle') await changed(alliance, staff, 'withdraw', { id, reason: '…' })
    if (name === 'company') await changed(alliance, staff, 'countersign', { id })
  }
  const third = await open(false)
  await sign('homeless', third)
  await decide(alliance, members.gone, 'EXPEL')
})
afterAll(() => alliance.close())

const document = `query ($filter: SignatoryFilter, $orderBy: SignatoryOrder, $first: Int, $after: String) {
  signatories(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor } nodes { member { id } initiativeVersion { number } state } } }`

interface Page {
  totalCount: number
  pageInfo: { hasNextPage: boolean; endCursor: string }
  nodes: { member: { id: string }; initiativeVersion: { number: number }; state: string }[]
}

const list = async (actor: Actor, filter: object = {}, more: object = {}) =>
  (await alliance.as(actor).ask<{ signatories: Page }>(document, { filter, ...more })).signatories

/** Who is listed, by name and number of the version. */
async function names(actor: Actor, filter: object = {}, more: object = {}) {
  const { totalCount, nodes } = await list(actor, filter, more)
  expect(totalCount).toBe(nodes.length)
  return nodes.map(({ member, initiativeVersion }) => {
    const [name] = Object.entries(members).find(([, { id }]) => id === member.id)!
    return `${name}${initiativeVersion.number}`
  })
}

describe('signatories', () => {
  it('are those whose signatures stand, each once, the first to sign first', async () => {
    const standing = ['city1', 'media1', 'alliance2', 'company2', 'homeless3']
    expect(await names(alliance.anonymous)).toEqual(standing)
    expect(await names(own)).toEqual(standing)
    expect(await names(alliance.anonymous, {}, { orderBy: { by: 'SIGNED_AT', direction: 'DESC' } })).toEqual(
      standing.toReversed(),
    )
    // Of members that left the secretariat sees the signatures.
    expect(await names(staff)).toEqual(['city1', 'media1', 'gone1', 'alliance2', 'company2', 'homeless3'])
  })

  it.each<[object, string[]]>([
    [{ kinds: ['CITY'] }, ['city1']],
    [{ kinds: ['CITY', 'COMPANY'] }, ['city1', 'company2', 'homeless3']],
    [{ kinds: [] }, []],
    [{ associationKinds: ['MEDIA'] }, ['media1']],
    [{ associationKinds: ['MEDIA', 'ALLIANCE'] }, ['media1', 'alliance2']],
    [{ associationKinds: ['MEDIA'], kinds: ['COMPANY'] }, []],
    [{ regions: [places.sichuan] }, ['city1', 'alliance2', 'company2']],
    [{ regions: [places.chengdu] }, ['city1', 'alliance2', 'company2']],
    [{ regions: [places.jinjiang] }, ['alliance2', 'company2']],
    [{ regions: [places.jinjiang, places.sichuan, places.guangzhou] }, ['city1', 'media1', 'alliance2', 'company2']],
    [{ regions: [places.sichuan], kinds: ['COMPANY'] }, ['company2']],
    [{ regions: [places.chengdu], associationKinds: ['ALLIANCE'] }, ['alliance2']],
    [{ regions: [] }, []],
    [{ states: ['VALID'] }, ['alliance2', 'company2', 'homeless3']],
    [{ states: ['RENEWAL_DUE'] }, ['city1', 'media1']],
    [{ states: ['RENEWED'] }, ['alliance1', 'homeless1']],
    [{ states: ['VALID', 'RENEWED'] }, ['alliance1', 'homeless1', 'alliance2', 'company2', 'homeless3']],
    [{ states: ['WITHDRAWN'] }, []],
    [{ states: [] }, []],
    [{ countersigned: true }, ['city1', 'media1', 'company2']],
    [{ countersigned: false }, ['alliance2', 'homeless3']],
    [{ countersigned: true, states: ['VALID'], regions: [places.sichuan] }, ['company2']],
  ])('meet the filter %j', async (filter, expected) => {
    expect(await names(alliance.anonymous, filter)).toEqual(expected)
  })

  it('are those of a version, and of a time', async () => {
    const filters = [
      [{ version: versions[0]!.id }, ['city1', 'media1']],
      [
        { version: versions[0]!.id, states: ['VALID', 'RENEWAL_DUE', 'RENEWED'] },
        ['city1', 'alliance1', 'media1', 'homeless1'],
      ],
      [{ version: versions[1]!.id }, ['alliance2', 'company2']],
      [{ version: versions[2]!.id }, ['homeless3']],
      [{ version: (await drafted(alliance, staff)).id }, []],
      [{ signedFrom: moments.alliance2 }, ['alliance2', 'company2', 'homeless3']],
      [{ signedUntil: moments.alliance2 }, ['city1', 'media1']],
      [{ signedFrom: moments.media1, signedUntil: moments.company2 }, ['media1', 'alliance2']],
      [{ signedFrom: moments.media1, states: ['RENEWAL_DUE'] }, ['media1']],
    ] as const
    for (const [filter, expected] of filters)
      expect(await names(alliance.anonymous, filter), JSON.stringify(filter)).toEqual(expected)
  })

  it('who withdrew are shown to the secretariat, and to the officers of the own member', async () => {
    const filter = { states: ['WITHDRAWN'] }
    expect(await names(staff, filter)).toEqual(['fickle2'])
    expect(await names(own, filter)).toEqual(['fickle2'])
    expect(await names(own, { states: ['WITHDRAWN', 'RENEWAL_DUE'] })).toEqual(['city1', 'media1', 'fickle2'])
    for (const [more, expected] of [
      [{ regions: [places.mianyang], kinds: ['COMPANY'], countersigned: false }, ['fickle2']],
      [{ regions: [places.chengdu] }, []],
      [{ kinds: ['CITY'] }, []],
      [{ associationKinds: ['MEDIA'] }, []],
      [{ countersigned: true }, []],
      [{ version: versions[1]!.id }, ['fickle2']],
      [{ version: versions[0]!.id }, []],
      [{ signedFrom: moments.homeless3 }, []],
    ] as const)
      expect(await names(own, { ...filter, ...more }), JSON.stringify(more)).toEqual(expected)
    for (const actor of [alliance.anonymous, await alliance.portal(), await alliance.officerOf(members.city!)])
      expect(await names(actor, filter)).toEqual([])
  })

  it('come page by page, with the number of all', async () => {
    const seen: string[] = []
    let after: string | null = null
    for (;;) {
      const page: Page = await list(
        alliance.anonymous,
        { kinds: ['CITY', 'ASSOCIATION', 'COMPANY'] },
        { first: 2, after },
      )
      expect(page.totalCount).toBe(5)
      seen.push(...page.nodes.map(({ member }) => member.id))
      if (!page.pageInfo.hasNextPage) break
      after = page.pageInfo.endCursor
    }
    expect(seen).toEqual(['city', 'media', 'alliance', 'company', 'homeless'].map(name => members[name]!.id))
  })

  it('follow what the register says of the member', async () => {
    const mover = await alliance.member({ kind: 'ASSOCIATION', associationKind: 'HOSPITAL', region: places.shenzhen })
    members.mover = mover
    await sign('mover', versions[2]!)
    const find = (filter: object) => names(alliance.anonymous, filter)
    expect(await find({ regions: [places.guangdong], associationKinds: ['HOSPITAL'] })).toEqual(['mover3'])
    await correctRegistration(alliance.request(), mover.row, {
      expectedVersion: mover.row.version,
      region: places.chongqing,
      associationKind: 'ACADEMY',
      reason: '更正',
    })
    expect(await find({ regions: [places.shenzhen] })).toEqual([])
    expect(await find({ regions: [places.chongqing], associationKinds: ['ACADEMY'] })).toEqual(['mover3'])
    await decide(alliance, mover, 'WITHDRAW')
    expect(await find({ regions: [places.chongqing] })).toEqual([])
    const { id } = mover
    const history = 'query ($id: ID!) { member(id: $id) { signatures { state } } }'
    expect(await alliance.as(alliance.anonymous).ask(history, { id })).toEqual({ member: null })
    expect(await alliance.as(staff).ask(history, { id })).toEqual({ member: { signatures: [{ state: 'VALID' }] } })
    await decide(alliance, mover, 'ADMIT')
    expect(await find({ regions: [places.chongqing] })).toEqual(['mover3'])
    await decide(alliance, mover, 'WITHDRAW')
  })

  it.each<[string, object]>([
    ['a place that is no code', { regions: ['x'] }],
    ['too many places', { regions: Array.from({ length: 101 }, (_, i) => String(510101 + i)) }],
    ['a version that is no id', { version: 'x' }],
    ['the id of something else', { version: 'city_00000000000000000000000000' }],
    [
      'too much at once',
      {
        regions: Array.from({ length: 90 }, (_, i) => String(510101 + i)),
        associationKinds: ['MEDIA', 'ALLIANCE', 'ACADEMY', 'HOSPITAL', 'COMMITTEE', 'UNIVERSITY', 'THINK_TANK'],
      },
    ],
  ])('are refused for %s', async (_, filter) => {
    expect(errorCodes(await alliance.as(alliance.anonymous).query(document, { filter }))).toEqual(['BAD_USER_INPUT'])
  })
})

it('the database refuses a second version that is open', async () => {
  const draft = await drafted(alliance, staff)
  expect((await call(alliance, staff, 'open', { id: draft.id, expectedVersion: 1 })).userErrors).toEqual([])
  await expect(
    alliance.db
      .updateTable('initiativeVersions')
      .set({ status: 'OPEN', supersededAt: null })
      .where('status', '=', 'SUPERSEDED')
      .execute(),
  ).rejects.toThrow('unique')
})
