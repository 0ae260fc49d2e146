import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { type Alliance, createAlliance, errorCodes } from '../support/alliance.ts'
import { done, drafted, published } from './story.ts'

let alliance: Alliance
let staff: Actor
/** Ids of the public announcements n0, n1 … in the order of their publication, and the names by id. */
const ids: Record<string, string> = {}
const names: Record<string, string> = {}
const start = new Date('2026-11-23T08:00:00Z')
const minutesOn = (minutes: number) => new Date(start.getTime() + minutes * 60_000)

const titled = (zh: string, en: string) => ({
  titles: [
    { locale: 'zh-Hans', text: zh },
    { locale: 'en', text: en },
  ],
})

beforeAll(async () => {
  alliance = await createAlliance()
  staff = await alliance.secretariat()
  const kinds = [
    { category: 'NEWS', ...titled('云谷动态 100%', 'Yungu news') },
    { category: 'POLICY', urgency: 'URGENT', ...titled('云谷政策ＡＩ', 'Policy of Yungu') },
  ]
  for (let i = 0; i < 60; i++) {
    alliance.clock.now = minutesOn(i)
    // n5 and n40 are pinned until an hour and a half after the last one; n7 only until the next one.
    const pin = i === 5 || i === 40 ? minutesOn(150) : i === 7 ? minutesOn(8) : null
    const { id } = await published(alliance, staff, {
      ...kinds[i % 2],
      pinnedUntil: pin?.toISOString() ?? null,
      attachments: [{ name: 'a.pdf', url: 'https://files.example.org/a.pdf', sha256: '0'.repeat(64) }],
    })
    ids[`n${i}`] = id
    names[id] = `n${i}`
  }
  alliance.clock.now = minutesOn(60)
})
afterAll(() => alliance.close())

interface Answer {
  readonly announcements: {
    readonly nodes: readonly { readonly id: string; readonly isPinned: boolean }[]
    readonly pageInfo: {
      readonly hasNextPage: boolean
      readonly hasPreviousPage: boolean
      readonly endCursor: string
      readonly startCursor: string
    }
    readonly totalCount: number
  }
}

async function list(variables: Record<string, unknown>, actor: Actor = alliance.anonymous) {
  const document = `query ($filter: AnnouncementFilter, $first: Int, $after: String, $last: Int, $before: String) {
    announcements(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
      nodes { id isPinned } pageInfo { hasNextPage hasPreviousPage endCursor startCursor } totalCount } }`
  const { announcements } = await alliance.as(actor).ask<Answer>(document, variables)
  return { ...announcements, names: announcements.nodes.map(({ id }) => names[id]!) }
}

const down = (from: number, to: number, except: number[] = []) =>
  Array.from({ length: from - to + 1 }, (_, i) => from - i)
    .filter(i => !except.includes(i))
    .map(i => `n${i}`)

describe('the list', () => {
  it('has the pinned ones first, then the latest, each once', async () => {
    const seen: string[] = []
    let after: string | undefined
    for (let more = true; more; ) {
      const page = await list({ first: 7, after })
      expect(page.totalCount).toBe(60)
      seen.push(...page.names)
      more = page.pageInfo.hasNextPage
      after = page.pageInfo.endCursor
    }
    expect(seen).toEqual(['n40', 'n5', ...down(59, 0, [40, 5])])
    const { nodes } = await list({ first: 3 })
    expect(nodes.map(node => node.isPinned)).toEqual([true, true, false])
  })

  it('goes backward from the end', async () => {
    const end = await list({ last: 3 })
    expect(end.names).toEqual(['n2', 'n1', 'n0'])
    expect((await list({ last: 2, before: end.pageInfo.startCursor })).names).toEqual(['n4', 'n3'])
  })

  it('lets a pin end, but for a reader on the way not before the next reading', async () => {
    const first = await list({ first: 4 })
    expect(first.names).toEqual(['n40', 'n5', 'n59', 'n58'])
    alliance.clock.now = minutesOn(151)
    const fresh = await list({ first: 2 })
    expect(fresh.names).toEqual(['n59', 'n58'])
    expect(fresh.nodes.some(node => node.isPinned)).toBe(false)
    const seen = [...first.names]
    let after = first.pageInfo.endCursor
    for (let more = true; more; ) {
      const page = await list({ first: 20, after })
      seen.push(...page.names)
      more = page.pageInfo.hasNextPage
      after = page.pageInfo.endCursor
    }
    alliance.clock.now = minutesOn(60)
    expect(seen).toHaveLength(60)
    expect(new Set(seen).size).toBe(60)
  })

  it.each(['latest 99999999999999', 'latest -1', 'latest x', 'published'])('refuses the cursor of %s', async name => {
    const good = JSON.parse(Buffer.from((await list({ first: 1 })).pageInfo.endCursor, 'base64url').toString())
    const after = Buffer.from(JSON.stringify([name, ...good.slice(1)])).toString('base64url')
    const result = await alliance.as(alliance.anonymous).query(`{ announcements(after: "${after}") { totalCount } }`)
    expect(errorCodes(result)).toEqual(['BAD_USER_INPUT'])
  })

  it('does not keep a retracted announcement on top', async () => {
    const { id } = await published(alliance, staff, { pinnedUntil: minutesOn(150).toISOString() })
    names[id] = 'taken'
    expect((await list({ first: 1 })).names).toEqual(['taken'])
    await done(alliance, staff, 'retract', { id, expectedVersion: 2, reason: '有误' })
    expect((await list({ first: 3 })).names).toEqual(['n40', 'n5', 'taken'])
  })

  it('shows the secretariat drafts by their last change', async () => {
    const { id } = await drafted(alliance, staff)
    names[id] = 'draft'
    alliance.clock.now = minutesOn(62)
    await done(alliance, staff, 'edit', { id, input: { expectedVersion: 1, category: 'CALL' } })
    alliance.clock.now = minutesOn(63)
    expect((await list({ first: 3 }, staff)).names).toEqual(['n40', 'n5', 'draft'])
    expect((await list({ filter: { statuses: ['DRAFT'] } }, staff)).names).toEqual(['draft'])
    alliance.clock.now = minutesOn(60)
  })
})

describe('the filter', () => {
  it.each([
    [{ categories: ['POLICY'] }, 30],
    [{ categories: ['POLICY', 'NEWS'], urgencies: ['NORMAL'] }, 30],
    [{ statuses: ['RETRACTED'] }, 1],
    [{ statuses: ['PUBLISHED'], public: true }, 60],
    [{ public: false }, 0],
    [{ publishedSince: '2026-11-23T08:50:00Z', categories: ['NEWS', 'POLICY'] }, 10],
    [{ title: '政策' }, 30],
    [{ title: '  policy OF ' }, 30],
    [{ title: '政策ai' }, 30],
    [{ title: '100%' }, 30],
    [{ title: '1%0' }, 0],
    [{ title: '_' }, 0],
    [{ title: '政策', categories: ['NEWS'] }, 0],
    [{ categories: [] }, 0],
  ])('%j', async (filter, expected) => {
    const { totalCount, nodes } = await list({ filter, first: 100 })
    expect([totalCount, nodes.length]).toEqual([expected, expected])
  })
})

it('merges for an officer what is public and what is addressed to its member', async () => {
  const member = await alliance.member()
  const other = await alliance.member()
  const to = (...members: { id: string }[]) => ({ audience: { include: [{ members: members.map(({ id }) => id) }] } })
  const expected: string[] = []
  for (let i = 0; i < 12; i++) {
    alliance.clock.now = minutesOn(70 + i)
    const audience = [{}, to(member), to(other), to(member, other)][i % 4]!
    // One of each sort is pinned.
    const pinnedUntil = i >= 4 && i < 8 ? minutesOn(150).toISOString() : null
    const { id } = await published(alliance, staff, { ...audience, pinnedUntil })
    names[id] = `m${i}`
    if (i % 4 !== 2) expected.unshift(`m${i}`)
  }
  alliance.clock.now = minutesOn(90)
  const officer = await alliance.officerOf(member)
  const isTop = (name: string) => ['m4', 'm5', 'm7'].includes(name)
  const rest = (await list({ first: 100 })).names.filter(name => !name.startsWith('m') && !['n40', 'n5'].includes(name))
  const all = [...expected.filter(isTop), 'n40', 'n5', ...expected.filter(name => !isTop(name)), ...rest]

  const forward: string[] = []
  for (let after: string | null = null, more = true; more; ) {
    const page = await list({ first: 4, after }, officer)
    expect(page.totalCount).toBe(all.length)
    expect(page.pageInfo.hasPreviousPage).toBe(after !== null)
    forward.push(...page.names)
    more = page.pageInfo.hasNextPage
    after = page.pageInfo.endCursor
  }
  expect(forward).toEqual(all)
  const backward: string[] = []
  for (let before: string | null = null, more = true; more; ) {
    const page = await list({ last: 7, before }, officer)
    expect(page.pageInfo.hasNextPage).toBe(before !== null)
    backward.unshift(...page.names)
    more = page.pageInfo.hasPreviousPage
    before = page.pageInfo.startCursor
  }
  expect(backward).toEqual(all)
  const left = { ...officer, memberStatus: 'WITHDRAWN' } as const
  expect((await list({ first: 100 }, left)).names).toEqual((await list({ first: 100 })).names)
})
