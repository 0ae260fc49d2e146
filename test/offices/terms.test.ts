import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { type Alliance, createAlliance, errorCodes } from '../support/alliance.ts'
import { documents, type Offices, type Outcome, officesOf, type Term } from './story.ts'

let alliance: Alliance
let staff: Actor
let offices: Offices
let grant: Offices['grant']
let granted: Offices['granted']
let end: Offices['end']
let correct: Offices['correct']
beforeAll(async () => {
  alliance = await createAlliance()
  staff = await alliance.secretariat()
  offices = officesOf(alliance, staff)
  ;({ grant, granted, end, correct } = offices)
})
afterAll(() => alliance.close())

const field = (outcome: Outcome) => outcome.userErrors.map(({ code, field: path }) => [code, path.join('.')])

/** Runs what is to be refused, and holds it against what it left. */
async function refused(work: () => Promise<Outcome>) {
  const before = await alliance.traces()
  const outcome = await work()
  expect(await alliance.traces()).toEqual(before)
  return outcome
}

describe('an office', () => {
  it.each(['grant', 'end', 'correct'] as const)('is changed by the secretariat alone: %s', async what => {
    const member = await alliance.member()
    const term = await granted(member)
    const grounds = { reason: '测试' }
    const variables = {
      grant: { input: { office: 'PERMANENT_CHAIR', member: member.id, from: '2026-01-01', ...grounds } },
      end: { id: term.id, input: { expectedVersion: 1, on: '2026-06-01', ...grounds } },
      correct: { id: term.id, input: { expectedVersion: 1, office: 'PERMANENT_CHAIR', ...grounds } },
    }[what]
    for (const [actor, code] of [
      [alliance.anonymous, 'UNAUTHENTICATED'],
      [await alliance.officerOf(member, 'REPRESENTATIVE'), 'FORBIDDEN'],
      [await alliance.portal(), 'FORBIDDEN'],
    ] as const) {
      const before = await alliance.traces()
      expect(errorCodes(await alliance.as(actor).query(documents[what], variables))).toEqual([code])
      expect(await alliance.traces()).toEqual(before)
    }
    const { term: changed, userErrors } = await offices.send(what, variables)
    expect(userErrors).toEqual([])
    expect(changed).toMatchObject(what === 'end' ? { until: '2026-06-01' } : { office: 'PERMANENT_CHAIR' })
  })

  it('is held by several, and several are held by one', async () => {
    const [one, other] = [await alliance.member(), await alliance.member()]
    const days = { from: '2026-01-01', until: '2027-01-01' }
    expect(await granted(one, { office: 'ROTATING_CHAIR', ...days })).toEqual({
      id: expect.stringMatching(/^office_/),
      version: 1,
      office: 'ROTATING_CHAIR',
      member: { id: one.id },
      ...days,
      isResting: false,
    })
    await granted(other, { office: 'ROTATING_CHAIR', ...days })
    await granted(one, { office: 'COUNCIL', ...days })
    await granted(one, { office: 'SECRETARIAT_HOST', ...days })
  })

  it.each([
    ['2025-01-01', '2026-01-01', true],
    ['2025-01-01', '2026-01-02', false],
    ['2026-03-01', '2026-04-01', false],
    ['2026-12-31', null, false],
    ['2027-01-01', null, true],
    ['2025-01-01', null, false],
  ])('is not held twice by one member on a day: 2026, and from %s until %s', async (from, until, isFree) => {
    const member = await alliance.member()
    await granted(member, { from: '2026-01-01', until: '2027-01-01' })
    if (isFree) {
      expect((await granted(member, { from, until })).from).toBe(from)
      return
    }
    const outcome = await refused(() => grant(member, { from, until }))
    expect(field(outcome)).toEqual([['TAKEN', 'input.from']])
    // As a correction, too.
    const term = await granted(member, { from: '2030-01-01', until: '2031-01-01' })
    expect(field(await refused(() => correct(term, { from, until })))).toEqual([['TAKEN', 'input.from']])
    const chair = await granted(member, { office: 'PERMANENT_CHAIR', from, until })
    expect(field(await refused(() => correct(chair, { office: 'COUNCIL' })))).toEqual([['TAKEN', 'input.from']])
  })

  it('is given once when many give it at the same moment', async () => {
    const member = await alliance.member()
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, i) => grant(member, { from: `2026-01-0${i + 1}`, until: '2026-02-01' })),
    )
    expect(outcomes.filter(({ term }) => term)).toHaveLength(1)
    expect(outcomes.flatMap(({ userErrors }) => userErrors.map(({ code }) => code))).toEqual(Array(7).fill('TAKEN'))
    // By corrections, too: one moves to where the other is going.
    const [first, second] = [
      await granted(member, { from: '2028-01-01', until: '2028-02-01' }),
      await granted(member, { from: '2029-01-01', until: '2029-02-01' }),
    ]
    const moved = await Promise.all(
      [first, second].map(term => correct(term, { from: '2027-01-01', until: '2027-02-01' })),
    )
    expect(moved.flatMap(({ userErrors }) => userErrors.map(({ code }) => code))).toEqual(['TAKEN'])
  })

  it('is not given to a member that leaves at the same moment', async () => {
    for (let i = 0; i < 5; i++) {
      const member = await alliance.member()
      const [{ term, userErrors }] = await Promise.all([
        grant(member, { from: '2026-01-01' }),
        offices.decide(member, 'expel'),
      ])
      if (term) expect(await offices.seen(staff, term.id)).toMatchObject({ until: '2026-11-23', version: 2 })
      else expect(userErrors.map(({ code }) => code)).toEqual(['WRONG_STATUS'])
    }
  })

  it.each(['LISTED', 'SUSPENDED', 'WITHDRAWN', 'EXPELLED'] as const)(
    'is not given to a body that is %s',
    async status => {
      const member = await alliance.member({ status })
      const outcome = await refused(() => grant(member, {}))
      expect(outcome.userErrors).toEqual([
        {
          code: 'WRONG_STATUS',
          field: ['input', 'member'],
          message: `The member is ${status}; only one that is ADMITTED is given an office.`,
        },
      ])
    },
  )

  it.each<[string, object, string, string]>([
    ['no reason', { reason: ' ' }, 'REQUIRED', 'input.reason'],
    ['too long a reason', { reason: 'x'.repeat(501) }, 'TOO_LONG', 'input.reason'],
    ['too long a document', { document: 'x'.repeat(201) }, 'TOO_LONG', 'input.document'],
    ['an end on its first day', { until: '2026-01-01' }, 'INVALID', 'input.until'],
    ['an end before it begins', { until: '2025-12-31' }, 'INVALID', 'input.until'],
  ])('is not given with %s', async (_, more, code, path) => {
    const member = await alliance.member()
    expect(field(await refused(() => grant(member, more)))).toEqual([[code, path]])
  })

  it('is not given to what is no member', async () => {
    const member = await alliance.member()
    for (const id of [member.id.replace('assoc', 'city'), member.id.slice(0, -4).concat('0000')])
      expect(field(await refused(() => grant({ ...member, id }, {})))).toEqual([['NOT_FOUND', 'input.member']])
    const input = { office: 'COUNCIL', member: member.id, from: '2026-02-30', reason: 'x' }
    expect(errorCodes(await alliance.as(staff).query(documents.grant, { input }))).toEqual(['BAD_USER_INPUT'])
  })

  it('is given once for an idempotency key', async () => {
    const member = await alliance.member()
    const input = { office: 'COUNCIL', member: member.id, from: '2026-01-01', reason: '测试' }
    const first = await offices.send('grant', { input, key: 'k1' })
    // The first outcome is answered as it stands, although the member has left since.
    await offices.decide(member, 'withdraw')
    const again = await offices.send('grant', { input, key: 'k1' })
    expect(again.term).toMatchObject({ id: first.term?.id, until: '2026-11-23' })
    const other = await refused(() => offices.send('grant', { input: { ...input, from: '2026-01-02' }, key: 'k1' }))
    expect(field(other)).toEqual([['IDEMPOTENCY_KEY_REUSED', 'idempotencyKey']])
  })

  it('says what is wrong in both languages', async () => {
    const member = await alliance.member()
    await granted(member, { from: '2026-01-01', until: '2027-01-01' })
    await granted(member, { from: '2028-01-01' })
    const messages = async (input: object) =>
      Promise.all(
        (['en', 'zh-Hans'] as const).map(async locale => (await grant(member, input, locale)).userErrors[0]?.message),
      )
    expect(await messages({ from: '2026-06-01', until: '2026-07-01' })).toEqual([
      'The member holds this office already from 2026-01-01 until 2027-01-01. Choose other days, or end that term first.',
      '该成员已担任此职务（自 2026-01-01 起至 2027-01-01 前一日）。请另选日期，或先结束该任期。',
    ])
    expect(await messages({ from: '2029-06-01' })).toEqual([
      'The member holds this office already from 2028-01-01 on. Choose other days, or end that term first.',
      '该成员已担任此职务（自 2028-01-01 起）。请另选日期，或先结束该任期。',
    ])
    expect(await messages({ until: '2020-01-01' })).toEqual([
      'The term must end after the day on which it begins: "until" is the first day on which the office is no longer held.',
      '任期的结束须晚于开始日：“until”为不再任职的第一天。',
    ])
  })
})

describe('a term', () => {
  it('ends early, and earlier still, but never later', async () => {
    const term = await granted(await alliance.member(), { from: '2026-01-01', until: '2027-01-01' })
    const { term: ended } = await end(term, '2026-12-01', { document: '云谷纪要〔2026〕3号' })
    expect(ended).toMatchObject({ version: 2, until: '2026-12-01' })
    const again = await end(ended!, '2026-06-01')
    expect(again.term).toMatchObject({ version: 3, until: '2026-06-01' })
    // The same day once more changes nothing.
    expect(await refused(() => end(again.term!, '2026-06-01'))).toEqual(again)
    for (const day of ['2026-06-02', '2025-12-31'])
      expect(field(await refused(() => end(again.term!, day)))).toEqual([['INVALID', 'input.on']])
    expect(field(await refused(() => end(term, '2026-03-01')))).toEqual([['CONFLICT', 'input.expectedVersion']])
    const { term: present } = await end(term, '2026-03-01')
    expect(present).toEqual(again.term)
  })

  it('is struck on its first day: then the office was never held, and the days are free', async () => {
    const member = await alliance.member()
    const term = await granted(member, { from: '2026-01-01' })
    const { term: struck } = await end(term, '2026-01-01')
    expect(struck).toMatchObject({ version: 2, from: '2026-01-01', until: '2026-01-01' })
    expect(await offices.seen(staff, term.id)).toEqual(struck)
    for (const actor of [alliance.anonymous, await alliance.officerOf(member), await alliance.portal()])
      expect(await offices.seen(actor, term.id)).toBeNull()
    await granted(member, { from: '2026-01-01' })
    expect(field(await refused(() => correct(struck!, { until: '2026-02-01' })))).toEqual([['TAKEN', 'input.from']])
    expect((await correct(struck!, { from: '2025-01-01', until: '2025-02-01' })).term).toMatchObject({
      from: '2025-01-01',
      until: '2025-02-01',
    })
    expect(await offices.seen(alliance.anonymous, term.id)).not.toBeNull()
  })

  it('is put right: the office, its first day and its end, each alone', async () => {
    const member = await alliance.member()
    const term = await granted(member, { from: '2026-01-01', until: '2027-01-01' })
    let now: Term = term
    for (const [input, after] of [
      [{ office: 'PERMANENT_CHAIR' }, { office: 'PERMANENT_CHAIR' }],
      [{ from: '2025-01-01' }, { from: '2025-01-01' }],
      [{ until: '2028-01-01' }, { until: '2028-01-01' }],
      [{ until: null }, { until: null }],
    ] as const) {
      const { term: next, userErrors } = await correct(now, input)
      expect(userErrors).toEqual([])
      expect(next).toEqual({ ...now, ...after, version: now.version + 1 })
      now = next!
    }
    expect((await refused(() => correct(now, {}))).term).toEqual(now)
    expect(field(await refused(() => correct(now, { from: null, office: null })))).toEqual([
      ['REQUIRED', 'input.office'],
      ['REQUIRED', 'input.from'],
    ])
    expect(field(await refused(() => correct(now, { until: '2025-01-01' })))).toEqual([['INVALID', 'input.until']])
    expect(field(await refused(() => correct(term, { until: null })))).toEqual([['CONFLICT', 'input.expectedVersion']])
    expect(field(await refused(() => correct(now, { until: '2028-01-01', reason: '' })))).toEqual([
      ['REQUIRED', 'input.reason'],
    ])
  })

  it('that does not exist is not found', async () => {
    const term = await granted(await alliance.member())
    const id = term.id.slice(0, -4).concat('0000')
    const variables = { id, input: { expectedVersion: 1, on: '2026-02-01', reason: 'x' } }
    expect(errorCodes(await alliance.as(staff).query(documents.end, variables))).toEqual(['NOT_FOUND'])
    const foreign = { ...variables, id: id.replace('office', 'ann') }
    expect(errorCodes(await alliance.as(staff).query(documents.end, foreign))).toEqual(['BAD_USER_INPUT'])
  })

  it('keeps who changed it, when, why and on which document, for its member and the secretariat', async () => {
    const member = await alliance.member()
    alliance.clock.now = new Date('2026-11-24T01:00:00Z')
    const term = await granted(member, { until: '2027-01-01', document: '云谷纪要〔2026〕1号', reason: ' 选举 ' })
    alliance.clock.now = new Date('2026-11-24T02:00:00Z')
    const corrected = await correct(term, { office: 'PERMANENT_CHAIR' })
    await end(corrected.term!, '2026-12-01')
    alliance.clock.now = new Date('2026-11-24T03:00:00Z')
    await offices.decide(member, 'withdraw', { reason: '退会', document: '云谷函〔2026〕2号' })
    alliance.clock.now = new Date('2026-11-23T08:00:00Z')

    const history = (actor: Actor) =>
      alliance.as(actor).ask(
        `query ($id: ID!) { node(id: $id) { ... on OfficeTerm { createdAt updatedAt changes {
          version at by change office from until reason document } } } }`,
        { id: term.id },
      )
    const by = '秘书处小云'
    const from = '2026-01-01'
    const changes = [
      {
        version: 4,
        at: '2026-11-24T03:00:00.000Z',
        by,
        change: 'MEMBER_LEFT',
        office: 'PERMANENT_CHAIR',
        from,
        until: '2026-11-24',
        reason: '退会',
        document: '云谷函〔2026〕2号',
      },
      {
        version: 3,
        at: '2026-11-24T02:00:00.000Z',
        by,
        change: 'ENDED',
        office: 'PERMANENT_CHAIR',
        from,
        until: '2026-12-01',
        reason: '辞任',
        document: null,
      },
      {
        version: 2,
        at: '2026-11-24T02:00:00.000Z',
        by,
        change: 'CORRECTED',
        office: 'PERMANENT_CHAIR',
        from,
        until: '2027-01-01',
        reason: '录入有误',
        document: null,
      },
      {
        version: 1,
        at: '2026-11-24T01:00:00.000Z',
        by,
        change: 'GRANTED',
        office: 'COUNCIL',
        from,
        until: '2027-01-01',
        reason: '选举',
        document: '云谷纪要〔2026〕1号',
      },
    ]
    const moments = { createdAt: '2026-11-24T01:00:00.000Z', updatedAt: '2026-11-24T03:00:00.000Z' }
    expect(await history(staff)).toEqual({ node: { ...moments, changes } })
    await offices.decide(member, 'admit')
    expect(await history(await alliance.officerOf(member, 'VIEWER'))).toEqual({ node: { ...moments, changes } })
    expect(await history(await alliance.officerOf(await alliance.member()))).toEqual({
      node: { ...moments, changes: null },
    })
  })

  it('tells the journal of its changes, open to all, by ids only', async () => {
    const member = await alliance.member()
    const other = await granted(member, { from: '2024-01-01', until: '2025-01-01' })
    const corrected = await correct(other, { from: '2024-02-01' })
    const ended = await end(corrected.term!, '2024-06-01')
    await end(ended.term!, '2024-02-01')
    const events = await alliance.db
      .selectFrom('outbox')
      .select(['type', 'detail', 'audience'])
      .where('subject', '=', member.uuid)
      .where('type', '=', 'office.changed')
      .orderBy('id')
      .execute()
    const term = expect.stringMatching(/^[0-9a-f-]{36}$/)
    expect(events).toEqual(
      ['GRANTED', 'CORRECTED', 'ENDED', 'STRUCK'].map((change, i) => ({
        type: 'office.changed',
        detail: { term, version: i + 1, change },
        audience: 'PUBLIC',
      })),
    )
  })
})
