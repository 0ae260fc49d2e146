import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { type Alliance, createAlliance, errorCodes, type TestMember } from '../support/alliance.ts'

interface Outcome {
  setContacts: {
    member: { version: number; contacts: object[] } | null
    userErrors: { code: string; field: string[]; message: string }[]
  }
}

const set = `mutation ($id: ID!, $input: SetContactsInput!) {
  setContacts(id: $id, input: $input) {
    member { version contacts { role name phone email } }
    userErrors { code field message }
  }
}`

const office = { role: '联络员', name: '云谷联盟办公室', phone: '+86 28 0000 0000', email: 'office@example.org' }

let alliance: Alliance
let member: TestMember
let officer: Actor
beforeAll(async () => {
  alliance = await createAlliance()
})
beforeEach(async () => {
  member = await alliance.member()
  officer = await alliance.officerOf(member)
})
afterAll(() => alliance.close())

const send = async (contacts: object[], expectedVersion = member.row.version) =>
  (await alliance.as(officer).ask<Outcome>(set, { id: member.id, input: { expectedVersion, contacts } })).setContacts

it('are set by an officer of the member or the secretariat, and by nobody else', async () => {
  const input = { expectedVersion: member.row.version, contacts: [office] }
  const before = await alliance.traces()
  for (const [actor, code] of [
    [alliance.anonymous, 'UNAUTHENTICATED'],
    [await alliance.portal(), 'FORBIDDEN'],
    [await alliance.officerOf(member, 'VIEWER'), 'FORBIDDEN'],
    [await alliance.officerOf(await alliance.member()), 'FORBIDDEN'],
  ] as const) {
    const untouched = await alliance.traces()
    expect(errorCodes(await alliance.as(actor).query(set, { id: member.id, input }))).toEqual([code])
    expect(await alliance.traces()).toEqual(untouched)
  }
  expect(before).not.toBeNull()
  const { setContacts } = await alliance.as(await alliance.secretariat()).ask<Outcome>(set, { id: member.id, input })
  expect(setContacts).toEqual({ member: { version: 3, contacts: [office] }, userErrors: [] })
})

describe('new contacts', () => {
  it('take the place of the old ones in their order, with a revision and an event', async () => {
    await send([office])
    const press = { role: 'press', name: 'Yungu Press Desk', phone: null, email: null }
    const events = await alliance.count('outbox')
    expect(await send([press, office], 3)).toEqual({
      member: { version: 4, contacts: [press, office] },
      userErrors: [],
    })
    expect(await alliance.count('outbox')).toBe(events + 1)
    const history =
      'query ($id: ID!) { member(id: $id) { profileHistory(first: 1) { nodes { version changes { field after } } } } }'
    expect(await alliance.as(officer).ask(history, { id: member.id })).toEqual({
      member: {
        profileHistory: {
          nodes: [{ version: 4, changes: [{ field: 'contacts', after: JSON.stringify([press, office].map(sorted)) }] }],
        },
      },
    })
    expect(await send([], 4)).toEqual({ member: { version: 5, contacts: [] }, userErrors: [] })
  })

  it('that are the old ones make no version', async () => {
    await send([office])
    const before = await alliance.traces()
    expect((await send([{ ...office, name: ` ${office.name} ` }], 3)).member?.version).toBe(3)
    expect(await alliance.traces()).toEqual(before)
  })

  it('are shown by each of two mutations of one document as it left them', async () => {
    const twice = `mutation ($id: ID!, $one: SetContactsInput!, $two: SetContactsInput!) {
      one: setContacts(id: $id, input: $one) { member { version contacts { name } } }
      two: setContacts(id: $id, input: $two) { member { version contacts { name } } }
    }`
    const [one, two] = [
      { expectedVersion: 2, contacts: [office] },
      { expectedVersion: 3, contacts: [{ ...office, name: '云谷联盟新闻处' }] },
    ]
    expect(await alliance.as(officer).ask(twice, { id: member.id, one, two })).toEqual({
      one: { member: { version: 3, contacts: [{ name: office.name }] } },
      two: { member: { version: 4, contacts: [{ name: '云谷联盟新闻处' }] } },
    })
  })

  it('with an old version are told CONFLICT', async () => {
    await send([office])
    const late = await send([])
    expect(late).toMatchObject({ member: { version: 3, contacts: [office] }, userErrors: [{ code: 'CONFLICT' }] })
  })

  it.each<[object[], string, string[]]>([
    [[{ ...office, role: ' ' }], 'REQUIRED', ['0', 'role']],
    [[office, { ...office, name: 'x'.repeat(101) }], 'TOO_LONG', ['1', 'name']],
    [[{ ...office, email: 'office at example' }], 'INVALID', ['0', 'email']],
    [[{ ...office, phone: '028 0000 0000' }], 'INVALID', ['0', 'phone']],
    [[{ ...office, phone: '+86' }], 'INVALID', ['0', 'phone']],
    [[{ ...office, phone: '+86 0000 0000 0000 0000 0' }], 'INVALID', ['0', 'phone']],
    [Array(21).fill(office), 'TOO_LONG', []],
  ])('%j are refused', async (contacts, code, field) => {
    const before = await alliance.traces()
    const { userErrors } = await send(contacts)
    expect(userErrors).toMatchObject([{ code, field: ['input', 'contacts', ...field] }])
    expect(await alliance.traces()).toEqual(before)
  })

  it.each(['+86 28 0000 0000', '+1 (555) 010-0000', '＋86 10 0000 0000 转 12', '+852 0000 0000 ext 7'])(
    'may be called at %s',
    async phone => {
      expect((await send([{ ...office, phone }])).userErrors).toEqual([])
    },
  )
})

/** As jsonb keeps an object: short keys first. */
function sorted({ name, role, email, phone }: typeof office | { [field in keyof typeof office]: string | null }) {
  return { name, role, email, phone }
}

describe('contacts of others', () => {
  it('are for members; a listed body reads its own alone', async () => {
    const own = await alliance.member({ status: 'LISTED' })
    const other = await alliance.member()
    const listed = alliance.as(await alliance.officerOf(own))
    const document = `query ($id: ID!) { member(id: $id) { contacts { name } } }`
    expect(await listed.ask(document, { id: own.id })).toEqual({ member: { contacts: [] } })
    expect(await listed.ask(document, { id: other.id })).toEqual({ member: { contacts: null } })
    const officer = alliance.as(await alliance.officerOf(await alliance.member()))
    expect(await officer.ask(document, { id: other.id })).toEqual({ member: { contacts: [] } })
    expect(errorCodes(await alliance.as(await alliance.portal()).query(document, { id: other.id }))).toEqual([
      'FORBIDDEN',
    ])
  })
})
