import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { type Alliance, createAlliance, errorCodes, type TestMember } from '../support/alliance.ts'
import { type Offices, officesOf, type Term, termFields } from './story.ts'

let alliance: Alliance
let staff: Actor
let offices: Offices

beforeAll(async () => {
  alliance = await createAlliance()
  staff = await alliance.secretariat()
  offices = officesOf(alliance, staff)
})
afterAll(() => alliance.close())

/** Begins anew: who holds what is about all members. */
async function forget(): Promise<void> {
  await alliance.db.deleteFrom('officeTermChanges').execute()
  await alliance.db.deleteFrom('officeTerms').execute()
  alliance.clock.now = new Date('2026-11-23T08:00:00Z')
}

interface TermPage {
  readonly nodes: readonly Term[]
  readonly pageInfo: { readonly endCursor: string | null; readonly hasNextPage: boolean }
  readonly totalCount: number
}

type Holders = Record<string, string | string[]>

/** The day and the members that hold each office by ids; null for one that is not shown. */
async function holdersOn(at?: string, actor: Actor = alliance.anonymous): Promise<Holders> {
  const holders = 'totalCount nodes { member { id } }'
  const { alliance: found } = await alliance.as(actor).ask<{ alliance: Record<string, { nodes: Term[] } & string> }>(
    `query ($at: Date) { alliance(at: $at) {
      at rotatingChairs { ${holders} } permanentChairs { ${holders} } council { ${holders} } secretariatHosts { ${holders} } } }`,
    { at },
  )
  return Object.fromEntries(
    Object.entries(found).map(([name, value]) => [
      name,
      name === 'at' ? value : value.nodes.map(({ member }) => member?.id ?? 'not shown'),
    ]),
  )
}

const nobody = { rotatingChairs: [], permanentChairs: [], council: [], secretariatHosts: [] }

describe('the alliance on a day', () => {
  beforeEach(forget)

  it('tells who holds what: several at once, and one several', async () => {
    const [city, union, firm] = [
      await alliance.member({ kind: 'CITY' }),
      await alliance.member(),
      await alliance.member({ kind: 'COMPANY' }),
    ] as const
    await offices.granted(city, { office: 'PERMANENT_CHAIR', from: '2024-01-01' })
    await offices.granted(union, { office: 'ROTATING_CHAIR', from: '2025-01-01', until: '2026-01-01' })
    await offices.granted(firm, { office: 'ROTATING_CHAIR', from: '2026-01-01', until: '2027-01-01' })
    await offices.granted(union, { office: 'SECRETARIAT_HOST', from: '2024-07-01' })
    // Whoever began first comes first, whatever was entered first.
    await offices.granted(firm, { from: '2025-06-01' })
    await offices.granted(city, { from: '2024-06-01' })
    await offices.granted(union, { from: '2024-07-01', until: '2030-01-01' })

    expect(await holdersOn('2023-12-31')).toEqual({ at: '2023-12-31', ...nobody })
    expect(await holdersOn('2025-12-31')).toEqual({
      at: '2025-12-31',
      rotatingChairs: [union.id],
      permanentChairs: [city.id],
      council: [city.id, union.id, firm.id],
      secretariatHosts: [union.id],
    })
    expect(await holdersOn('2026-01-01')).toMatchObject({ rotatingChairs: [firm.id] })
    expect(await holdersOn('2024-06-30')).toMatchObject({ council: [city.id], secretariatHosts: [] })
    expect(await holdersOn('2031-01-01')).toEqual({
      at: '2031-01-01',
      rotatingChairs: [],
      permanentChairs: [city.id],
      council: [city.id, firm.id],
      secretariatHosts: [union.id],
    })
    expect(await holdersOn()).toEqual({ ...(await holdersOn('2026-11-23')), at: '2026-11-23' })
  })

  it('is that of Shanghai, where the day begins at 16:00 UTC', async () => {
    const [old, next] = [await alliance.member(), await alliance.member()]
    await offices.granted(old, { office: 'ROTATING_CHAIR', from: '2026-01-01', until: '2027-01-01' })
    await offices.granted(next, { office: 'ROTATING_CHAIR', from: '2027-01-01', until: '2028-01-01' })
    alliance.clock.now = new Date('2026-12-31T15:59:59.999Z')
    expect(await holdersOn()).toMatchObject({ at: '2026-12-31', rotatingChairs: [old.id] })
    alliance.clock.now = new Date('2026-12-31T16:00:00Z')
    expect(await holdersOn()).toMatchObject({ at: '2027-01-01', rotatingChairs: [next.id] })
  })

  it('shows nobody whose term was struck, not even to the secretariat', async () => {
    const term = await offices.granted(await alliance.member())
    await offices.end(term, term.from)
    expect(await holdersOn('2026-01-01', staff)).toEqual({ at: '2026-01-01', ...nobody })
  })

  it('takes days that there are', async () => {
    for (const at of ['2026-02-30', '2026', 'today'])
      expect(
        errorCodes(
          await alliance.as(alliance.anonymous).query('query ($at: Date) { alliance(at: $at) { at } }', { at }),
        ),
      ).toEqual(['BAD_USER_INPUT'])
    for (const at of ['0001-01-01', '9999-12-31']) expect(await holdersOn(at)).toEqual({ at, ...nobody })
  })

  it('has pages of holders', async () => {
    const members = await Promise.all(Array.from({ length: 5 }, () => alliance.member()))
    for (const [i, member] of members.entries()) await offices.granted(member, { from: `2026-01-0${5 - i}` })
    const found: string[] = []
    let after: string | null = null
    for (let page = 0; page < 3; page++) {
      const shown: { alliance: { council: TermPage } } = await alliance.as(alliance.anonymous).ask(
        `query ($after: String) { alliance(at: "2026-05-01") { council(first: 2, after: $after) {
          totalCount pageInfo { endCursor hasNextPage } nodes { member { id } } } } }`,
        { after },
      )
      const { council } = shown.alliance
      found.push(...council.nodes.map(({ member }) => member?.id ?? ''))
      expect(council).toMatchObject({ totalCount: 5, pageInfo: { hasNextPage: page < 2 } })
      after = council.pageInfo.endCursor
    }
    expect(found).toEqual(members.map(({ id }) => id).reverse())
  })
})

describe('a member that leaves', () => {
  beforeEach(forget)

  it.each(['withdraw', 'expel'])('holds nothing from that day on, and held it before: %s', async decision => {
    const [member, other] = [await alliance.member(), await alliance.member()]
    const running = await offices.granted(member, { office: 'PERMANENT_CHAIR', from: '2026-01-01' })
    const bounded = await offices.granted(member, { from: '2026-01-01', until: '2027-01-01' })
    const over = await offices.granted(member, { office: 'ROTATING_CHAIR', from: '2025-01-01', until: '2026-01-01' })
    const coming = await offices.granted(member, { office: 'ROTATING_CHAIR', from: '2027-01-01', until: '2028-01-01' })
    const foreign = await offices.granted(other, { from: '2026-01-01' })
    // Half past midnight of the next day in Shanghai.
    alliance.clock.now = new Date('2026-11-30T16:30:00Z')
    await offices.decide(member, decision)

    const state = async ({ id }: Term) => offices.seen(staff, id)
    expect(await state(running)).toEqual({ ...running, version: 2, until: '2026-12-01' })
    expect(await state(bounded)).toEqual({ ...bounded, version: 2, until: '2026-12-01' })
    expect(await state(over)).toEqual(over)
    expect(await state(coming)).toEqual({ ...coming, version: 2, until: '2027-01-01' })
    expect(await state(foreign)).toEqual(foreign)
    // The history stays; whom the directory no longer shows is not shown here either.
    expect(await holdersOn('2026-11-30')).toMatchObject({
      permanentChairs: ['not shown'],
      council: ['not shown', other.id],
    })
    expect(await holdersOn('2026-11-30', staff)).toMatchObject({
      permanentChairs: [member.id],
      council: [member.id, other.id],
    })
    expect(await holdersOn('2025-06-01', staff)).toMatchObject({ rotatingChairs: [member.id] })
    expect(await holdersOn('2026-12-01', staff)).toEqual({ at: '2026-12-01', ...nobody, council: [other.id] })
    expect(await holdersOn('2027-06-01', staff)).toMatchObject({ rotatingChairs: [], council: [other.id] })
    expect(await offices.seen(alliance.anonymous, running.id)).toMatchObject({ member: null, until: '2026-12-01' })
    // A term that was struck was never held.
    expect(await offices.seen(alliance.anonymous, coming.id)).toBeNull()
  })

  it('and comes back holds nothing of what it held, and held nothing while it was away', async () => {
    const member = await alliance.member()
    const term = await offices.granted(member, { from: '2026-01-01' })
    alliance.clock.now = new Date('2026-12-01T04:00:00Z')
    await offices.decide(member, 'withdraw')
    alliance.clock.now = new Date('2027-03-01T04:00:00Z')
    await offices.decide(member, 'admit')
    await offices.decide(member, 'suspend')
    await offices.decide(member, 'reinstate')
    expect(await holdersOn('2027-03-01')).toMatchObject({ council: [] })
    expect(await holdersOn('2026-11-30')).toMatchObject({ council: [member.id] })

    const refusal = { code: 'INVALID', field: ['input', 'from'] }
    for (const days of [
      { from: '2027-02-28', until: '2027-03-05' },
      { from: '2026-12-01', until: '2026-12-02' },
      { from: '2026-06-01', until: null },
    ])
      expect(await offices.grant(member, { office: 'ROTATING_CHAIR', ...days })).toEqual({
        term: null,
        userErrors: [
          {
            ...refusal,
            message:
              'The body did not belong to the alliance from 2026-12-01 until 2027-03-01; on these days it held no office.',
          },
        ],
      })
    const ended = (await offices.seen(staff, term.id))!
    expect((await offices.correct(ended, { until: null })).userErrors).toMatchObject([refusal])
    expect((await offices.correct(ended, { until: '2026-12-02' })).userErrors).toMatchObject([refusal])
    expect((await offices.correct(ended, { until: '2026-11-01' })).userErrors).toEqual([])
    await offices.granted(member, { from: '2027-03-01' })
    expect(await holdersOn('2027-03-01')).toMatchObject({ council: [member.id] })
  })

  it('has its past put right, but is given no more days', async () => {
    const member = await alliance.member()
    const term = await offices.granted(member, { from: '2026-01-01', until: '2027-01-01' })
    await offices.decide(member, 'expel')
    const ended = (await offices.seen(staff, term.id))!
    expect((await offices.correct(ended, { until: '2027-01-01' })).userErrors).toMatchObject([
      {
        code: 'INVALID',
        message: 'The body did not belong to the alliance from 2026-11-23 on; on these days it held no office.',
      },
    ])
    expect((await offices.correct(ended, { from: '2025-01-01' })).term).toMatchObject({
      from: '2025-01-01',
      until: '2026-11-23',
      member: { id: member.id },
    })
  })
})

describe('a suspended member', () => {
  beforeEach(forget)

  it('keeps its terms, which rest until it is reinstated', async () => {
    const member = await alliance.member()
    const running = await offices.granted(member, { office: 'PERMANENT_CHAIR', from: '2026-01-01' })
    const over = await offices.granted(member, { from: '2025-01-01', until: '2026-11-23' })
    const coming = await offices.granted(member, { from: '2026-11-24' })
    const resting = async () =>
      Promise.all(
        [running, over, coming].map(async ({ id }) => (await offices.seen(alliance.anonymous, id))!.isResting),
      )
    expect(await resting()).toEqual([false, false, false])
    await offices.decide(member, 'suspend')
    expect(await resting()).toEqual([true, false, false])
    expect(await holdersOn()).toMatchObject({ permanentChairs: [member.id] })
    // The next day in Shanghai.
    alliance.clock.now = new Date('2026-11-23T16:00:00Z')
    expect(await resting()).toEqual([true, false, true])
    await offices.decide(member, 'reinstate')
    expect(await resting()).toEqual([false, false, false])
    expect(await offices.seen(staff, running.id)).toEqual(running)
  })
})

describe('the list of terms', () => {
  let one: TestMember
  let two: TestMember
  let gone: TestMember
  const names = new Map<string, string>()
  beforeAll(async () => {
    await forget()
    ;[one, two, gone] = [await alliance.member(), await alliance.member(), await alliance.member()]
    for (const [name, member, office, from, until] of [
      ['chair 24', one, 'ROTATING_CHAIR', '2024-01-01', '2025-01-01'],
      ['chair 25', two, 'ROTATING_CHAIR', '2025-01-01', '2026-01-01'],
      ['chair 26', gone, 'ROTATING_CHAIR', '2026-01-01', '2027-01-01'],
      ['seat one', one, 'COUNCIL', '2024-06-01', null],
      ['seat two', two, 'COUNCIL', '2025-06-01', '2028-01-01'],
      ['host', one, 'SECRETARIAT_HOST', '2023-01-01', null],
      ['struck', two, 'PERMANENT_CHAIR', '2025-01-01', null],
    ] as const) {
      const term = await offices.granted(member, { office, from, until })
      names.set(term.id, name)
      if (name === 'struck') await offices.end(term, from)
    }
    await offices.decide(gone, 'withdraw')
  })

  /** The names of the terms, read in pages of two. */
  async function list(args: { filter?: object; orderBy?: object } = {}, actor = alliance.anonymous): Promise<string[]> {
    const found: string[] = []
    let after: string | null = null
    for (;;) {
      const { officeTerms }: { officeTerms: TermPage } = await alliance.as(actor).ask(
        `query ($filter: OfficeTermFilter, $orderBy: OfficeTermOrder, $after: String) {
          officeTerms(filter: $filter, orderBy: $orderBy, first: 2, after: $after) {
            nodes { ${termFields} } pageInfo { endCursor hasNextPage } totalCount } }`,
        { ...args, after },
      )
      found.push(...officeTerms.nodes.map(({ id }) => names.get(id)!))
      if (!officeTerms.pageInfo.hasNextPage) {
        expect(officeTerms.totalCount).toBe(found.length)
        return found
      }
      after = officeTerms.pageInfo.endCursor
    }
  }

  it('is in order of the first or the last day, either way', async () => {
    const byFirst = ['host', 'chair 24', 'seat one', 'chair 25', 'seat two', 'chair 26']
    expect(await list()).toEqual(byFirst.toReversed())
    expect(await list({ orderBy: { by: 'FROM' } })).toEqual(byFirst)
    const byLast = ['chair 24', 'chair 25', 'chair 26', 'seat two', 'seat one', 'host']
    expect(await list({ orderBy: { by: 'UNTIL' } })).toEqual(byLast)
    expect(await list({ orderBy: { by: 'UNTIL', direction: 'DESC' } })).toEqual(byLast.toReversed())
    expect(await list({ orderBy: { by: 'FROM' } }, staff)).toContain('struck')
  })

  it('is filtered by office, member and days', async () => {
    expect(await list({ filter: { offices: ['COUNCIL'] } })).toEqual(['seat two', 'seat one'])
    expect(await list({ filter: { offices: ['COUNCIL', 'SECRETARIAT_HOST', 'COUNCIL'] } })).toEqual([
      'seat two',
      'seat one',
      'host',
    ])
    expect(await list({ filter: { offices: [] } })).toEqual([])
    expect(await list({ filter: { member: one.id } })).toEqual(['seat one', 'chair 24', 'host'])
    expect(await list({ filter: { member: one.id.replace('assoc', 'city') } })).toEqual([])
    expect(await list({ filter: { on: '2025-12-31' } })).toEqual(['seat two', 'chair 25', 'seat one', 'host'])
    expect(await list({ filter: { on: '2026-01-01', offices: ['ROTATING_CHAIR'] } })).toEqual(['chair 26'])
    expect(await list({ filter: { from: '2026-01-01' } })).toEqual(['chair 26', 'seat two', 'seat one', 'host'])
    expect(await list({ filter: { from: '9999-12-31' } })).toEqual(['seat one', 'host'])
    expect(await list({ filter: { until: '2024-01-02' } })).toEqual(['chair 24', 'host'])
    expect(await list({ filter: { from: '2024-12-31', until: '2025-01-01', offices: ['ROTATING_CHAIR'] } })).toEqual([
      'chair 24',
    ])
  })

  it('names nobody whom the caller may not see, nor finds anything by it', async () => {
    expect(await list({ filter: { member: gone.id } })).toEqual([])
    expect(await list({ filter: { member: gone.id } }, staff)).toEqual(['chair 26'])
    const { officeTerms } = await alliance
      .as(alliance.anonymous)
      .ask('{ officeTerms(filter: { on: "2026-06-01", offices: [ROTATING_CHAIR] }) { nodes { from member { id } } } }')
    expect(officeTerms).toEqual({ nodes: [{ from: '2026-01-01', member: null }] })
  })

  it('refuses what is no id of a member, and cursors of another list', async () => {
    const query = `query ($filter: OfficeTermFilter, $after: String) { officeTerms(filter: $filter, after: $after) { totalCount nodes { id } } }`
    const client = alliance.as(alliance.anonymous)
    expect(errorCodes(await client.query(query, { filter: { member: 'x' } }))).toEqual(['BAD_USER_INPUT'])
    for (const day of ['2025-02-29', 'infinity', '0000-01-01', '2025-01-01 '])
      expect(
        errorCodes(
          await client.query(query, {
            after: Buffer.from(
              JSON.stringify(['terms FROM desc', day, '00000000-0000-7000-8000-000000000000']),
            ).toString('base64url'),
          }),
        ),
      ).toEqual(['BAD_USER_INPUT'])
  })

  it('is shown with its member, of whatever kind', async () => {
    const city = await alliance.member({ kind: 'CITY' })
    const firm = await alliance.member({ kind: 'COMPANY' })
    await offices.granted(city, { from: '2026-01-01' })
    await offices.granted(firm, { from: '2026-02-01' })
    const { nodes } = await alliance
      .as(alliance.anonymous)
      .ask(
        `query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Member { officeTerms(first: 2) { totalCount nodes { from } } } } }`,
        { ids: [one, city, firm].map(({ id }) => id) },
      )
    expect(nodes).toEqual([
      { officeTerms: { totalCount: 3, nodes: [{ from: '2024-06-01' }, { from: '2024-01-01' }] } },
      { officeTerms: { totalCount: 1, nodes: [{ from: '2026-01-01' }] } },
      { officeTerms: { totalCount: 1, nodes: [{ from: '2026-02-01' }] } },
    ])
  })
})
