import type { Request } from '../access/request.ts'
import type { Context } from '../graphql/context.ts'
import { fieldsOf, find, pageOf } from '../graphql/fields.ts'
import type {
  CityAssociationsArgs,
  MemberFilter,
  ProfileInput,
  QueryMembersArgs,
  Resolvers,
} from '../graphql/generated.ts'
import { liveField } from '../graphql/live.ts'
import { payload } from '../graphql/payload.ts'
import { listTranslations } from '../graphql/shared-resolvers.ts'
import { memberTypes, parseId, readId, writeId } from '../ids.ts'
import type { JournalEvent } from '../journal/catalog.ts'
import { translated } from '../languages.ts'
import { regionByCode } from '../regions/reads.ts'
import { termOf } from '../vocabularies/reads.ts'
import { correctRegistration } from './correction.ts'
import { askDirectory, bodiesWithin, directory } from './directory.ts'
import { readCityFilter, readFilter } from './filter.ts'
import { findMeeting } from './list.ts'
import { readMemberId, readMemberKey } from './member-id.ts'
import { mayReadContacts, mayReadHistory, memberType } from './policy.ts'
import type { ProfileChanges } from './profile.ts'
import { contactsOf, latestRevisionFirst, memberById, referencesOf, revisionsOf } from './reads.ts'
import { placeFacet } from './route.ts'
import { approveCreditCode, registerMember, setContacts, updateProfile } from './service.ts'
import { findKinds, type MemberRow, type ProfileRevisionRow } from './store.ts'

const { from, typeFrom, same, one, many, each, page } = fieldsOf<MemberRow>()
const revision = fieldsOf<ProfileRevisionRow>()

async function readProfile({ db }: Request, { parent, lead, ...profile }: ProfileInput): Promise<ProfileChanges> {
  const at = (name: string) => ['input', 'profile', name]
  return {
    ...profile,
    parentId: parent == null ? parent : await readMemberId(db, parent, at('parent')),
    leadId: lead == null ? lead : await readMemberId(db, lead, at('lead')),
  }
}

/** What City, Association and Company have in common. */
const member = {
  id: from(['kind', 'id'], row => writeId(memberType(row), row.id)),
  profile: same,
  contacts: many(contactsOf, 'id', [['id'], (row, { request }) => mayReadContacts(request.actor, row.id)]),
  membership: same,
  region: one(regionByCode, 'regionCode'),
  externalReferences: many(referencesOf, 'id'),
  profileHistory: page(revisionsOf, [['id'], row => [row.id]], () => ({ input: {}, order: latestRevisionFirst }), [
    ['id'],
    (row, { request }) => mayReadHistory(request.actor, row.id),
  ]),
}

/** The list of bodies of one kind in a city. */
function inCity(kind: MemberRow['kind']) {
  return page(
    bodiesWithin,
    [['regionCode'], city => [placeFacet(city.regionCode!)]],
    ({ filter, orderBy }: Partial<CityAssociationsArgs>, { request }) =>
      askDirectory(request, readCityFilter(kind, filter), orderBy, { isOfPlaces: true }),
  )
}

const asJson = (value: unknown) => (value == null ? null : JSON.stringify(value))

const changes = {
  'member.registered': 'REGISTERED',
  'member.profile': 'PROFILE',
  'member.contacts': 'CONTACTS',
  'member.membership': 'MEMBERSHIP',
} as const

/** The kinds of members that there are, in their order. */
async function findKind({ db }: Request, wanted: readonly { readonly id: string }[]): Promise<MemberRow['kind'][]> {
  const kinds = await findKinds(
    db,
    wanted.map(({ id }) => id),
  )
  return wanted.map(({ id }) => kinds.get(id)!)
}

/** What happened to a member, and how it stands now for this listener. */
async function memberChange(event: JournalEvent, { filter }: { filter?: MemberFilter | null }, { loaders }: Context) {
  const id = event.subject
  const row = await loaders.batch(findMeeting, { id, filter: readFilter(filter) })
  const kind = row?.kind ?? (await loaders.batch(findKind, { id }))
  return {
    change: changes[event.type as keyof typeof changes],
    memberId: writeId(memberType({ kind }), event.subject),
    member: row,
  }
}

export const memberResolvers: Resolvers = {
  Member: { __resolveType: typeFrom(['kind'], memberType) },
  City: { ...member, associations: inCity('ASSOCIATION'), companies: inCity('COMPANY') },
  Association: { ...member, kind: from(['associationKind'], row => row.associationKind!) },
  Company: member,
  Profile: {
    name: from(['names'], (row, { locale }, context) => translated(row.names, locale ?? context.locale)!),
    names: from(['names'], row => listTranslations(row.names)),
    summary: from(['summaries'], (row, { locale }, context) => translated(row.summaries, locale ?? context.locale)),
    summaries: from(['summaries'], row => listTranslations(row.summaries)),
    description: from(['descriptions'], (row, { locale }, context) =>
      translated(row.descriptions, locale ?? context.locale),
    ),
    descriptions: from(['descriptions'], row => listTranslations(row.descriptions)),
    fields: each(termOf('FIELD'), 'fields'),
    capabilities: each(termOf('CAPABILITY'), 'capabilities'),
    parent: one(memberById, 'parentId'),
    lead: one(memberById, 'leadId'),
  },
  ProfileRevision: {
    onBehalfOf: revision.one(memberById, 'onBehalfOf'),
    changes: revision.from(['changes'], row =>
      row.changes.map(({ field, before, after }) => ({ field, before: asJson(before), after: asJson(after) })),
    ),
  },
  Query: {
    // The id of another kind than the member's is the id of nothing.
    member: find(memberById, ({ id }: { id: string }) => readId(id, ...memberTypes), [
      ['kind'],
      (row, { id }) => memberType(row) === parseId(id)!.type,
    ]),
    members: pageOf(directory, ({ filter, orderBy }: Partial<QueryMembersArgs>, { request }) =>
      askDirectory(request, readFilter(filter), orderBy),
    ),
  },
  Mutation: {
    registerMember: (_, { input, idempotencyKey }, { request }) =>
      payload('member', async () => {
        const profile = await readProfile(request, input.profile)
        return registerMember(request, { ...input, profile }, idempotencyKey)
      }),
    updateProfile: (_, { id, input }, { request }) =>
      payload('member', async () => {
        const key = readMemberKey(id)
        return updateProfile(request, key, { ...input, profile: await readProfile(request, input.profile) })
      }),
    setContacts: (_, { id, input }, { request }) =>
      payload('member', async () => setContacts(request, readMemberKey(id), input)),
    approveCreditCode: (_, { id, input }, { request }) =>
      payload('member', async () => approveCreditCode(request, readMemberKey(id), input)),
    correctRegistration: (_, { id, input }, { request }) =>
      payload('member', async () => correctRegistration(request, readMemberKey(id), input)),
  },
  Subscription: {
    memberChanged: liveField({
      types: Object.keys(changes) as (keyof typeof changes)[],
      check: ({ filter }: { filter?: MemberFilter | null; after?: string | null }) => void readFilter(filter),
      payload: memberChange,
    }),
  },
}
