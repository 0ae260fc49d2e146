import { getNamedType, isObjectType } from 'graphql'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { reauthenticate } from '../../src/access/authenticate.ts'
import { change } from '../../src/access/request.ts'
import { readToken } from '../../src/access/secret.ts'
import type { FieldRead } from '../../src/graphql/fields.ts'
import { writeId } from '../../src/ids.ts'
import { type EventType, referenceData } from '../../src/journal/catalog.ts'
import type { Source } from '../../src/reads/source.ts'
import { buildSchema } from '../../src/server/schema.ts'
import { places, type TestMember } from '../support/alliance.ts'
import {
  announcementLists,
  inboxLists,
  listsOf,
  ownSignatures,
  type Question,
  selectAllOf,
  signatoryLists,
} from './answers-questions.ts'
import { put, settle } from './answers-story.ts'
import { ask } from './harness.ts'
import { type Real, runReal } from './real.ts'

const schema = buildSchema()

let running: Real
beforeAll(async () => {
  running = await runReal()
})
afterAll(() => running.end())

/** The tables of sources whose rows change without an event: answers made of them are not kept. */
const untold = ['announcementRecipients', 'mails', 'tokens']

it('every source that a query may show tells of its changes, or is known not to', () => {
  const sources = new Set<Source>()
  for (const type of Object.values(schema.getTypeMap()))
    if (isObjectType(type) && !type.name.startsWith('__'))
      for (const { extensions } of Object.values(type.getFields())) {
        const read = extensions.read as FieldRead | undefined
        if (read && 'relation' in read) sources.add(read.relation.source)
        if (read && 'listing' in read) sources.add(read.listing.source)
      }
  const silent = [...sources].filter(({ news }) => !news).map(({ table }) => table)
  expect(silent.sort()).toEqual(untold)
  expect(sources.size).toBeGreaterThan(silent.length + 5)
})

/** The types whose every field the questions show. */
const shownTypes = [
  'City',
  'Association',
  'Company',
  'Profile',
  'FactSource',
  'Contact',
  'ExternalReference',
  'ProfileRevision',
  'ProfileChange',
  'Membership',
  'MembershipTransition',
  'Alliance',
  'OfficeTerm',
  'OfficeTermChange',
  'Announcement',
  'Attachment',
  'AnnouncementRevision',
  'AnnouncementRecipient',
  'InitiativeVersion',
  'InitiativeTextHash',
  'Signature',
  'Region',
  'Term',
  'Portal',
  'Officer',
  'Invitation',
  'Staff',
]

/** What else is asked of the answers of some mutations. */
const shownOf: Readonly<Record<string, string>> = {
  issueOfficerToken: 'secret token { id }',
  issueSecretariatToken: 'secret token { id }',
  issuePortalKey: 'secret token { id }',
  inviteOfficer: 'code invitation { id }',
  resendInvitation: 'code',
  acceptInvitation: 'secret',
}

/** Every type of event; whether it is one that a mutation of the SDL makes. */
const types: Record<EventType, boolean> = {
  'member.registered': true,
  'member.profile': true,
  'member.contacts': true,
  'member.membership': true,
  'office.changed': true,
  'token.revoked': true,
  'token.issued': true,
  'staff.removed': true,
  'portal.registered': true,
  'mail.written': true,
  'invitation.changed': true,
  'officer.changed': true,
  'reference.loaded': false,
  'announcement.published': true,
  'announcement.changed': true,
  'initiative.drafted': true,
  'initiative.opened': true,
  'initiative.signed': true,
  'initiative.countersigned': true,
  'initiative.withdrawn': true,
}

it('after every mutation each kept answer is what is read anew', { timeout: 240_000 }, async () => {
  const { alliance, staff, services } = running
  const { clock } = alliance
  const city = await alliance.member({ kind: 'CITY', region: places.chengdu, status: 'ADMITTED' })
  const one = await alliance.member({
    region: places.chengdu,
    profile: { parentId: city.uuid, fields: ['digital_twin'] },
  })
  const two = await alliance.member({
    kind: 'COMPANY',
    region: places.shenzhen,
    status: 'LISTED',
    profile: { leadId: one.uuid },
  })
  const three = await alliance.member({ kind: 'COMPANY', region: places.jinjiang, profile: { creditCode: null } })
  const four = await alliance.member({ kind: 'COMPANY', region: places.jinjiang })
  const publicOne = await running.publish()
  const addressed = await running.draft({ include: [{ members: [one.id] }] })

  const officers = { one: await running.officer(one), two: await running.officer(two) }
  const callers: Record<string, string | undefined> = { anonymous: undefined, ...officers, staff }
  const permissionsOf = async (token: string | undefined) =>
    new Set<string>(
      token ? (await reauthenticate(services.db, readToken(token)!.tokenId, services.now()))!.permissions : [],
    )

  const met = new Set<string>()
  const things: [type: string, field: string, name: string, id: string][] = [
    ...[city, one, two, four].map(({ id }): [string, string, string, string] => ['Member', 'member', 'id', id]),
    ['Announcement', 'announcement', 'id', publicOne],
    ['Announcement', 'announcement', 'id', addressed],
    ['Region', 'region', 'code', places.chengdu],
  ]
  const questionsOf = async (token: string | undefined): Promise<Question[]> => {
    const permissions = await permissionsOf(token)
    const whole: Question[] = things.map(([type, field, name, id]) => {
      const variable = name === 'id' ? 'ID!' : 'String!'
      const fields = selectAllOf(schema, type, permissions, shown => met.add(shown))
      return { query: `query ($id: ${variable}) { ${field}(${name}: $id) { ${fields} } }`, variables: { id } }
    })
    const offices = selectAllOf(schema, 'Alliance', permissions, shown => met.add(shown))
    whole.push({ query: `{ alliance { ${offices} } }`, variables: {} })
    if (permissions.has('OFFICERS_READ')) {
      const officer = selectAllOf(schema, 'Officer', permissions, shown => met.add(shown))
      whole.push({ query: `{ officers { totalCount nodes { ${officer} } } }`, variables: {} })
    }
    if (permissions.has('OFFICERS_MANAGE')) {
      // Its mail changes without an event, so that what shows it is not kept.
      const without = new Set([...permissions].filter(permission => permission !== 'ACCESS_MANAGE'))
      const invitation = selectAllOf(schema, 'Invitation', without, shown => met.add(shown))
      for (const args of ['', '(filter: { states: [PENDING] })', '(filter: { states: [EXPIRED, ACCEPTED] })'])
        whole.push({ query: `{ invitations${args} { totalCount nodes { ${invitation} } } }`, variables: {} })
    }
    // Of lists of members those see the same who may see the same members.
    if (token !== undefined && token !== staff)
      return [...whole, ownSignatures, ...announcementLists, ...(permissions.has('INBOX_READ') ? inboxLists : [])]
    const initiative = selectAllOf(schema, 'InitiativeVersion', permissions, shown => met.add(shown))
    whole.push({ query: `{ initiative { ${initiative} } }`, variables: {} }, ...signatoryLists)
    const lists = listsOf({ city: city.id, since: new Date(clock.now.getTime() - 1).toISOString() })
    if (token !== staff) return [...whole, ...lists]
    const fields = selectAllOf(schema, 'Portal', permissions, shown => met.add(shown))
    const portals = { query: `{ portals { totalCount nodes { ${fields} } } }`, variables: {} }
    const people = selectAllOf(schema, 'Staff', permissions, shown => met.add(shown))
    const staffPage = { query: `{ staff { totalCount nodes { ${people} } } }`, variables: {} }
    return [...whole, ...lists, portals, staffPage]
  }
  const questions = new Map<string, Question[]>()
  for (const [caller, token] of Object.entries(callers)) questions.set(caller, await questionsOf(token))

  /** Compares what is answered, from memory if it is there, with what is read anew. */
  const compare = async (after: string): Promise<number> => {
    let kept = 0
    for (const [caller, token] of Object.entries(callers))
      for (const { query, variables } of questions.get(caller)!) {
        const manner = { language: 'zh', ...(token && { token }) }
        const answer = await put(running, query, variables, manner)
        const { asOf, ...fresh } = (await put(running, query.replace('{', '{ asOf '), variables, manner)).data
        expect(asOf, `${caller} ${query}`).toBeDefined()
        expect(answer.data, `after ${after}, ${caller} asking ${query}`).toEqual(fresh)
        if (answer.isKept) kept++
      }
    return kept
  }

  const version = async (member: TestMember) => {
    const { data } = await put(
      running,
      'query ($id: ID!) { asOf member(id: $id) { version } }',
      { id: member.id },
      { token: staff },
    )
    return Number(data.member?.version)
  }
  const announcementVersion = async (id: string) => {
    const { data } = await put(
      running,
      'query ($id: ID!) { asOf announcement(id: $id) { version } }',
      { id },
      { token: staff },
    )
    return Number(data.announcement?.version)
  }
  /** Makes one mutation, which must be done. Its arguments as the SDL has them, by their types. */
  const act = async (name: string, args: Record<string, [type: string, value: unknown]>, token = staff) => {
    const shown = shownOf[name] ?? ''
    const payload = getNamedType(schema.getMutationType()!.getFields()[name]!.type)
    const thing =
      isObjectType(payload) &&
      Object.keys(payload.getFields()).find(field =>
        ['member', 'term', 'portal', 'announcement', 'initiativeVersion', 'signature'].includes(field),
      )
    const within = (parts: readonly string[]) => (parts.length > 0 ? `(${parts})` : '')
    const query = `mutation ${within(Object.entries(args).map(([arg, [type]]) => `$${arg}: ${type}`))} {
      out: ${name}${within(Object.keys(args).map(arg => `${arg}: $${arg}`))} { ${shown} ${thing ? `${thing} { id }` : ''} userErrors { field message } } }`
    const variables = Object.fromEntries(Object.entries(args).map(([arg, [, value]]) => [arg, value]))
    const answer = await ask(running, 'http', { query, variables }, { token })
    expect(answer, name).toMatchObject({ data: { out: { userErrors: [] } } })
    return (answer.data as { out: Record<string, { id: string }> }).out
  }
  const decide = async (name: string, member: TestMember) =>
    act(name, {
      id: ['ID!', member.id],
      input: ['MembershipDecisionInput!', { expectedVersion: await version(member), reason: '…' }],
    })
  const edit = async (member: TestMember, profile: object, token = staff) =>
    act(
      'updateProfile',
      {
        id: ['ID!', member.id],
        input: ['UpdateProfileInput!', { expectedVersion: await version(member), profile }],
      },
      token,
    )
  const step = async (name: string, id: string, more: Record<string, [string, unknown]> = {}) =>
    act(name, { id: ['ID!', id], expectedVersion: ['Int!', await announcementVersion(id)], ...more })
  const correct = async (member: TestMember, what: object) =>
    act('correctRegistration', {
      id: ['ID!', member.id],
      input: ['CorrectRegistrationInput!', { expectedVersion: await version(member), reason: '…', ...what }],
    })
  const texts = (name: string, text: string) => ({ [name]: [{ locale: 'zh-Hans', text }] })
  const rewrite = async (id: string, what: object) =>
    act('editAnnouncement', {
      id: ['ID!', id],
      input: ['EditAnnouncementInput!', { expectedVersion: await announcementVersion(id), reason: '…', ...what }],
    })
  const later = (hours: number) => new Date(clock.now.getTime() + hours * 3_600_000).toISOString()
  /** The term that was given last, and its version. */
  let term = { id: '', version: 1 }
  const grant = async (member: TestMember, office: string) => {
    const input = { office, member: member.id, from: '2026-01-01', reason: '…' }
    const out = await act('grantOffice', { input: ['GrantOfficeInput!', input] })
    term = { id: out.term!.id, version: 1 }
  }
  const changeTerm = async (name: string, type: string, what: object) => {
    const input = { expectedVersion: term.version++, reason: '…', ...what }
    await act(name, { id: ['ID!', term.id], input: [type, input] })
  }
  /** The open version of the initiative, with the next draft, and the signature that was given last. */
  let open = { id: '', sha256: '' }
  let signature = ''
  const representatives = {
    one: await running.officer(one, 'REPRESENTATIVE'),
    four: await running.officer(four, 'REPRESENTATIVE'),
  }
  const draftInitiative = async (requiresRenewal: boolean) => {
    const input = { ...texts('titles', '虚构的倡议'), ...texts('bodies', '共建。'), requiresRenewal }
    const out = await act('draftInitiative', { input: ['DraftInitiativeInput!', input] })
    open = { ...open, id: out.initiativeVersion!.id }
  }
  const ofDraft = (name: string, expectedVersion: number) =>
    act(name, { id: ['ID!', open.id], expectedVersion: ['Int!', expectedVersion] })
  const openInitiative = async (expectedVersion: number) => {
    await ofDraft('openInitiative', expectedVersion)
    const { data } = await put(running, '{ asOf initiative { id sha256 } }')
    open = data.initiative as never
  }
  const sign = async (by: keyof typeof representatives) => {
    const input = { version: open.id, sha256: open.sha256 }
    const out = await act('signInitiative', { input: ['SignInitiativeInput!', input] }, representatives[by])
    signature = out.signature!.id
  }
  let token = ''
  /** The invitation that was made last, and the token of the one who came in by it. */
  const invitation = { id: '', code: '' }
  let accepted = ''
  const text = (out: Record<string, unknown>, field: string) => String(out[field])
  const inviteeOf = (email: string) => ({ member: one.id, role: 'LIAISON', name: '小林', email })
  const invite = async (email: string) => {
    const out = await act('inviteOfficer', { input: ['InviteOfficerInput!', inviteeOf(email)] })
    Object.assign(invitation, { id: out.invitation!.id, code: text(out, 'code') })
  }
  const officerOf = async (email: string): Promise<{ id: [string, string] }> => {
    const row = services.db
      .selectFrom('officers')
      .innerJoin('accounts', 'accounts.id', 'officers.accountId')
      .select('officers.id')
      .where('email', '=', email)
    return { id: ['ID!', writeId('Officer', (await row.executeTakeFirstOrThrow()).id)] }
  }
  let portal = ''
  const acts: (readonly [name: string, work: () => Promise<unknown>])[] = [
    ['updateProfile', () => edit(one, texts('summaries', '新的简介'))],
    ['updateProfile', () => edit(one, texts('names', '改名后的联盟'), officers.one)],
    ['updateProfile', () => edit(two, { fields: ['digital_twin'], capabilities: ['computing_power'], size: 7 })],
    ['updateProfile', () => edit(four, { parent: city.id, lead: one.id, websiteUrl: 'https://example.org/' })],
    ['updateProfile', () => edit(city, texts('descriptions', '很长的介绍'))],
    [
      'setContacts',
      async () =>
        act('setContacts', {
          id: ['ID!', one.id],
          input: [
            'SetContactsInput!',
            {
              expectedVersion: await version(one),
              contacts: [{ role: '秘书', name: '小谷', phone: null, email: null }],
            },
          ],
        }),
    ],
    ['draftInitiative', () => draftInitiative(false)],
    [
      'editInitiativeDraft',
      () =>
        act('editInitiativeDraft', {
          id: ['ID!', open.id],
          input: ['EditInitiativeDraftInput!', { expectedVersion: 1, ...texts('bodies', '共建，共享。') }],
        }),
    ],
    ['openInitiative', () => openInitiative(2)],
    ['signInitiative', () => sign('one')],
    ['withdrawSignature', () => act('withdrawSignature', { id: ['ID!', signature], reason: ['String!', '…'] })],
    ['signInitiative', () => sign('four')],
    ['countersignSignature', () => act('countersignSignature', { id: ['ID!', signature] })],
    ['draftInitiative', () => draftInitiative(true)],
    ['openInitiative', () => openInitiative(1)],
    ['draftInitiative', () => draftInitiative(true)],
    ['discardInitiativeDraft', () => ofDraft('discardInitiativeDraft', 1)],
    ['correctRegistration', () => correct(two, { region: places.jinjiang })],
    ['correctRegistration', () => correct(four, { region: places.shenzhen })],
    ['correctRegistration', () => correct(one, { associationKind: 'MEDIA' })],
    ['correctRegistration', () => correct(two, { externalReferences: [{ system: 'crm', value: '7' }] })],
    [
      'approveCreditCode',
      async () =>
        act('approveCreditCode', {
          id: ['ID!', three.id],
          input: [
            'ApproveCreditCodeInput!',
            { expectedVersion: await version(three), code: '91510100MA00000001', reason: '…' },
          ],
        }),
    ],
    [
      'registerMember',
      () =>
        act('registerMember', {
          input: [
            'RegisterMemberInput!',
            { kind: 'COMPANY', region: places.jinjiang, profile: texts('names', '阿一公司') },
          ],
        }),
    ],
    ['admitMember', () => decide('admitMember', two)],
    ['grantOffice', () => grant(one, 'COUNCIL')],
    ['grantOffice', () => grant(four, 'ROTATING_CHAIR')],
    [
      'correctOfficeTerm',
      () => changeTerm('correctOfficeTerm', 'CorrectOfficeTermInput!', { office: 'PERMANENT_CHAIR' }),
    ],
    ['suspendMember', () => decide('suspendMember', four)],
    ['reinstateMember', () => decide('reinstateMember', four)],
    ['withdrawMember', () => decide('withdrawMember', four)],
    ['expelMember', () => decide('expelMember', three)],
    ['grantOffice', () => grant(one, 'SECRETARIAT_HOST')],
    ['endOffice', () => changeTerm('endOffice', 'EndOfficeInput!', { on: '2026-02-01' })],
    ['draftAnnouncement', () => running.draft()],
    ['scheduleAnnouncement', () => step('scheduleAnnouncement', addressed, { publishAt: ['DateTime!', later(30)] })],
    ['unscheduleAnnouncement', () => step('unscheduleAnnouncement', addressed)],
    [
      'editAnnouncement',
      () => rewrite(addressed, { acknowledgeBy: later(40), audience: { include: [{ members: [one.id, two.id] }] } }),
    ],
    ['publishAnnouncement', () => step('publishAnnouncement', addressed)],
    ['editAnnouncement', () => rewrite(publicOne, { ...texts('titles', '改过的标题'), pinnedUntil: later(20) })],
    ['remindUnacknowledged', () => act('remindUnacknowledged', { id: ['ID!', addressed] })],
    ['acknowledgeAnnouncement', () => act('acknowledgeAnnouncement', { id: ['ID!', addressed] }, officers.one)],
    [
      'markAnnouncementRead',
      () => act('markAnnouncementRead', { id: ['ID!', addressed], read: ['Boolean', true] }, officers.one),
    ],
    [
      '',
      async () => {
        // The pin ends, and nothing happens.
        clock.now = new Date(clock.now.getTime() + 21 * 3_600_000)
      },
    ],
    ['retractAnnouncement', () => step('retractAnnouncement', addressed, { reason: ['String!', '…'] })],
    [
      'issueOfficerToken',
      async () => {
        const person = { member: one.id, role: 'VIEWER', name: '小周', email: 'zhou@example.org' }
        token = (await act('issueOfficerToken', { input: ['IssueOfficerTokenInput!', person] })).token!.id
      },
    ],
    [
      'issueSecretariatToken',
      () =>
        act('issueSecretariatToken', {
          input: ['IssueSecretariatTokenInput!', { name: '小云', email: 'yun@example.org' }],
        }),
    ],
    [
      'registerPortal',
      async () => {
        const input = { name: '门户', contact: 'x@example.org', purpose: '…', scopes: [] }
        portal = (await act('registerPortal', { input: ['RegisterPortalInput!', input] })).portal!.id
      },
    ],
    ['issuePortalKey', () => act('issuePortalKey', { portal: ['ID!', portal] })],
    ['revokeToken', () => act('revokeToken', { id: ['ID!', token], reason: ['String!', '…'] })],
    ['inviteOfficer', () => invite('lin@example.org')],
    [
      'inviteOfficers',
      () => act('inviteOfficers', { input: ['[InviteOfficerInput!]!', [inviteeOf('a@example.org'), inviteeOf('a')]] }),
    ],
    [
      'inviteStaff',
      () => act('inviteStaff', { input: ['InviteStaffInput!', { name: '小张', email: 'zhang@example.org' }] }),
    ],
    ['removeStaff', () => act('removeStaff', { email: ['String!', 'yun@example.org'], reason: ['String!', '…'] })],
    [
      'resendInvitation',
      async () => {
        invitation.code = text(await act('resendInvitation', { id: ['ID!', invitation.id] }), 'code')
      },
    ],
    [
      'acceptInvitation',
      async () => {
        const input = { code: invitation.code }
        accepted = text(await act('acceptInvitation', { input: ['AcceptInvitationInput!', input] }), 'secret')
      },
    ],
    [
      'changeOfficerRole',
      async () =>
        act('changeOfficerRole', { ...(await officerOf('lin@example.org')), role: ['OfficerRole!', 'REPRESENTATIVE'] }),
    ],
    ['inviteOfficer', () => invite('wang@example.org')],
    ['revokeInvitation', () => act('revokeInvitation', { id: ['ID!', invitation.id] })],
    ['inviteOfficer', () => invite('wang@example.org')],
    [
      '',
      async () => {
        // An invitation ends, and nothing happens.
        clock.now = new Date(clock.now.getTime() + 15 * 86_400_000)
      },
    ],
    [
      'handOver',
      async () => {
        const [, to] = (await officerOf('zhou@example.org')).id
        await act('handOver', { input: ['HandOverInput!', { to }] }, accepted)
      },
    ],
    ['leaveMember', () => act('leaveMember', {}, accepted)],
    [
      'issueOfficerToken',
      async () => {
        const person = { member: one.id, role: 'LIAISON', name: '小王', email: 'wang@example.org' }
        accepted = text(await act('issueOfficerToken', { input: ['IssueOfficerTokenInput!', person] }), 'secret')
      },
    ],
    ['signOut', () => act('signOut', {}, accepted)],
    [
      'removeOfficer',
      async () => act('removeOfficer', { ...(await officerOf('wang@example.org')), reason: ['String!', '…'] }),
    ],
    [
      '',
      async () => {
        // As `load` does it.
        await change(running.request(), async (tx, report) => {
          await sql`update regions set names = '{"zh-Hans":"新名字"}' where code = ${places.chengdu}`.execute(tx)
          await sql`update vocabulary_terms set labels = '{"zh-Hans":"新词"}' where code = 'digital_twin'`.execute(tx)
          await report({ type: 'reference.loaded', subject: referenceData, detail: {}, audience: 'SECRETARIAT' })
        })
      },
    ],
  ]
  // Signing in needs a provider; what it changes, issueOfficerToken does.
  expect(new Set(acts.flatMap(([name]) => name || [])).add('signIn')).toEqual(
    new Set(Object.keys(schema.getMutationType()!.getFields())),
  )

  await settle(running)
  await compare('nothing')
  expect(await compare('nothing')).toBeGreaterThan(60)
  for (const [i, [name, work]] of acts.entries()) {
    clock.now = new Date(clock.now.getTime() + 1_000)
    await work()
    await compare(`${name} (${i})`)
    await settle(running)
  }

  const { rows } = await sql<{ type: string }>`select distinct type from event_log`.execute(services.db)
  expect(new Set(rows.map(({ type }) => type))).toEqual(new Set(Object.keys(types)))
  // Whatever may be kept was looked at.
  for (const name of shownTypes) {
    const type = schema.getType(name)
    if (!isObjectType(type)) throw new Error(`${name} is no type of the SDL.`)
    for (const field of Object.values(type.getFields()))
      if (!field.extensions.isCode && !['receipt', 'mail'].includes(field.name))
        expect(met).toContain(`${name}.${field.name}`)
  }
})
