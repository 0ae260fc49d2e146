import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { type Alliance, createAlliance, errorCodes, places, type TestMember } from '../support/alliance.ts'

interface Outcome {
  correctRegistration: {
    member: { version: number } | null
    userErrors: { code: string; field: string[] }[]
  }
}

const correct = `mutation ($id: ID!, $input: CorrectRegistrationInput!) {
  correctRegistration(id: $id, input: $input) {
    member { version region { code } externalReferences { system value } ... on Association { kind } }
    userErrors { code field }
  }
}`

let alliance: Alliance
let secretariat: Actor
beforeAll(async () => {
  alliance = await createAlliance()
  secretariat = await alliance.secretariat()
})
afterAll(() => alliance.close())

async function send(member: TestMember, input: object) {
  const whole = { expectedVersion: member.row.version, reason: '登记有误', ...input }
  return (await alliance.as(secretariat).ask<Outcome>(correct, { id: member.id, input: whole })).correctRegistration
}

describe('a correction of a registration', () => {
  it('changes what was named, with a revision and an event', async () => {
    const member = await alliance.member({
      region: places.chengdu,
      status: 'LISTED',
      externalReferences: [
        { system: 'crm', value: '1' },
        { system: 'crm', value: '2' },
      ],
    })
    const externalReferences = [
      { system: 'CRM', value: '2' },
      { system: 'erp', value: '9' },
    ]
    const outcome = await send(member, { region: places.mianyang, associationKind: 'MEDIA', externalReferences })
    expect(outcome).toEqual({
      member: {
        version: 2,
        region: { code: places.mianyang },
        kind: 'MEDIA',
        externalReferences: [
          { system: 'crm', value: '2' },
          { system: 'erp', value: '9' },
        ],
      },
      userErrors: [],
    })
    const history = `query ($id: ID!) { member(id: $id) { profileHistory(first: 1) {
      nodes { version reason changes { field before after } } } } }`
    const { member: read } = await alliance.as(secretariat).ask(history, { id: member.id })
    expect(read?.profileHistory?.nodes).toMatchObject([
      {
        version: 2,
        reason: '登记有误',
        changes: [
          { field: 'region', before: '"510100"', after: '"510700"' },
          { field: 'associationKind', before: '"ALLIANCE"', after: '"MEDIA"' },
          { field: 'externalReferences' },
        ],
      },
    ])
    const event = await alliance.db
      .selectFrom('outbox')
      .selectAll()
      .where('subject', '=', member.uuid)
      .orderBy('id', 'desc')
      .executeTakeFirstOrThrow()
    expect(event).toMatchObject({
      type: 'member.profile',
      detail: { version: 2, fields: ['region', 'associationKind', 'externalReferences'] },
    })
  })

  it('that corrects nothing makes no version', async () => {
    const member = await alliance.member({ externalReferences: [{ system: 'crm', value: '3' }] })
    const before = await alliance.traces()
    const same = { region: null, externalReferences: [{ system: 'Crm ', value: ' 3' }] }
    expect(await send(member, same)).toMatchObject({ member: { version: member.row.version }, userErrors: [] })
    expect(await alliance.traces()).toEqual(before)
  })

  it('is not for the officers of the member', async () => {
    const member = await alliance.member()
    const officer = alliance.as(await alliance.officerOf(member, 'REPRESENTATIVE'))
    const before = await alliance.traces()
    const input = { expectedVersion: member.row.version, reason: 'x', region: places.mianyang }
    const own = await officer.query(correct, { id: member.id, input })
    expect(errorCodes(own)).toEqual(['FORBIDDEN'])
    expect(await alliance.traces()).toEqual(before)
    const wrong = alliance.as(secretariat).query(correct, { id: member.id.replace('assoc_', 'city_'), input })
    expect(errorCodes(await wrong)).toEqual(['NOT_FOUND'])
  })

  it.each<[string, object, string, string]>([
    ['an unknown place', { region: '999999' }, 'NOT_FOUND', 'region'],
    ['no sort of association', { associationKind: null }, 'REQUIRED', 'associationKind'],
    ['no reason', { reason: ' ' }, 'REQUIRED', 'reason'],
    ['an old version', { expectedVersion: 1 }, 'CONFLICT', 'expectedVersion'],
    ['a key of another member', { externalReferences: [{ system: 'other', value: '1' }] }, 'TAKEN', '0'],
  ])('is refused with %s', async (_, input, code, field) => {
    const other = { externalReference: { system: 'other', value: '1' } }
    const find = 'query ($filter: MemberFilter) { members(filter: $filter) { totalCount } }'
    const { members } = await alliance.as(secretariat).ask<{ members: { totalCount: number } }>(find, { filter: other })
    if (members.totalCount === 0) await alliance.member({ externalReferences: [{ system: 'other', value: '1' }] })
    const member = await alliance.member()
    const before = await alliance.traces()
    const { userErrors } = await send(member, input)
    expect(userErrors.map(fault => [fault.code, fault.field.at(-1)])).toEqual([[code, field]])
    expect(await alliance.traces()).toEqual(before)
  })

  it('keeps the place of a city', async () => {
    const city = await alliance.member({ kind: 'CITY' })
    expect((await send(city, { region: null })).userErrors).toMatchObject([{ code: 'REQUIRED' }])
  })
})
