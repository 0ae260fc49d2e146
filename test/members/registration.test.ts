import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { type Alliance, createAlliance, errorCodes, places } from '../support/alliance.ts'

const creditCode = '915101000000004570'

let alliance: Alliance
let officer: Actor
let secretariat: Actor
beforeAll(async () => {
  alliance = await createAlliance()
  secretariat = await alliance.secretariat()
  officer = await alliance.officerOf(await alliance.member())
})
afterAll(() => alliance.close())

/** Runs an act that must be refused, and proves that it changed nothing. */
async function withoutTrace<T>(act: () => Promise<T>): Promise<T> {
  const before = await alliance.traces()
  const outcome = await act()
  expect(await alliance.traces()).toEqual(before)
  return outcome
}

describe('entering a body', () => {
  const register = `mutation ($input: RegisterMemberInput!, $key: String) {
    registerMember(input: $input, idempotencyKey: $key) {
      member { __typename id version region { code } membership { status joiningNumber } externalReferences { system value } }
      userErrors { code field message }
    }
  }`
  interface Registered {
    registerMember: { member: { id: string } | null; userErrors: { code: string; field: string[] }[] }
  }
  const names = [{ locale: 'zh-Hans', text: '长三角云谷元宇宙联合会' }]
  const company = { kind: 'COMPANY', profile: { names } }
  const enter = async (input: object, key?: string) =>
    (await alliance.as(secretariat).ask<Registered>(register, { input, key })).registerMember

  it('is for the secretariat alone', async () => {
    for (const [actor, code] of [
      [alliance.anonymous, 'UNAUTHENTICATED'],
      [officer, 'FORBIDDEN'],
      [await alliance.portal(), 'FORBIDDEN'],
    ] as const) {
      const result = await withoutTrace(() => alliance.as(actor).query(register, { input: company }))
      expect(errorCodes(result)).toEqual([code])
    }
  })

  it('makes it LISTED, with a first revision and an event', async () => {
    const [revisions, events] = [await alliance.count('memberRevisions'), await alliance.count('outbox')]
    const outcome = await enter({
      kind: 'CITY',
      region: places.mianyang,
      profile: { names },
      externalReferences: [{ system: 'CRM', value: ' 7 ' }],
    })
    expect(outcome).toEqual({
      member: {
        __typename: 'City',
        id: expect.stringMatching(/^city_/),
        version: 1,
        region: { code: '510700' },
        membership: { status: 'LISTED', joiningNumber: null },
        externalReferences: [{ system: 'crm', value: '7' }],
      },
      userErrors: [],
    })
    expect(await alliance.count('memberRevisions')).toBe(revisions + 1)
    expect(await alliance.count('outbox')).toBe(events + 1)
  })

  it('happens once for each idempotency key', async () => {
    const first = await enter(company, 'once')
    const again = await withoutTrace(() => enter(company, 'once'))
    expect(again.member?.id).toBe(first.member?.id)
    const other = await withoutTrace(() => enter({ ...company, region: places.chengdu }, 'once'))
    expect(other.userErrors).toMatchObject([{ code: 'IDEMPOTENCY_KEY_REUSED' }])
    const together = await Promise.all(Array.from({ length: 5 }, () => enter(company, 'together')))
    expect(new Set(together.map(outcome => outcome.member?.id)).size).toBe(1)
  })

  it('never merges bodies whose names look alike', async () => {
    const total = await alliance.count('members')
    const ids = new Set<string | undefined>()
    for (const text of [
      '长三角云谷元宇宙联合会',
      '长三角云谷元宇宙联合会',
      '长三角云谷元宇宙聯合会',
      '长三角云谷 元宇宙联合会',
    ])
      ids.add((await enter({ ...company, profile: { names: [{ locale: 'zh', text }] } })).member?.id)
    expect(ids.size).toBe(4)
    expect(await alliance.count('members')).toBe(total + 4)
  })

  it.each<[string, object, [string, string][]]>([
    ['no name', { kind: 'COMPANY', profile: {} }, [['REQUIRED', 'names']]],
    ['an empty list of names', { kind: 'COMPANY', profile: { names: [] } }, [['REQUIRED', 'names']]],
    ['a city of no place', { kind: 'CITY', profile: { names } }, [['REQUIRED', 'region']]],
    ['a malformed place', { ...company, region: '51' }, [['INVALID', 'region']]],
    ['an unknown place', { ...company, region: '999999' }, [['NOT_FOUND', 'region']]],
    ['an association of no sort', { kind: 'ASSOCIATION', profile: { names } }, [['REQUIRED', 'associationKind']]],
    [
      'a company with a sort of association',
      { ...company, associationKind: 'MEDIA' },
      [['INVALID', 'associationKind']],
    ],
    [
      'a reference given twice',
      {
        ...company,
        externalReferences: [
          { system: 'a', value: '1' },
          { system: 'A', value: '1' },
        ],
      },
      [['INVALID', '1']],
    ],
    [
      'a nameless system',
      { ...company, externalReferences: [{ system: ' ', value: 'x'.repeat(201) }] },
      [
        ['REQUIRED', 'system'],
        ['TOO_LONG', 'value'],
      ],
    ],
  ])('is refused with %s', async (_, input, faults) => {
    const outcome = await withoutTrace(() => enter(input))
    expect(outcome.member).toBeNull()
    expect(outcome.userErrors.map(({ code, field }) => [code, field.at(-1)])).toEqual(faults)
  })

  it('is refused for a key of another member, also for one entered at the same moment', async () => {
    const input = (value: string) => ({ ...company, externalReferences: [{ system: 'test', value }] })
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => enter(input('same'))))
    expect(outcomes.filter(({ member: made }) => made)).toHaveLength(1)
    const late = await withoutTrace(() => enter(input('same')))
    expect(late.userErrors).toMatchObject([{ code: 'TAKEN', field: ['input', 'externalReferences', '0'] }])
  })

  it('is refused for the credit code of another member, also for one entered at the same moment', async () => {
    const input = { ...company, profile: { names, creditCode } }
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => enter(input)))
    expect(outcomes.filter(({ member: made }) => made)).toHaveLength(1)
    const faults = outcomes.flatMap(({ userErrors }) => userErrors)
    expect(faults.map(({ code, field }) => [code, field.at(-1)])).toEqual(Array(4).fill(['TAKEN', 'creditCode']))
  })
})
