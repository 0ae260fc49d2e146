import type { Request } from '../access/request.ts'
import { connection } from '../graphql/connection.ts'
import type { Context } from '../graphql/context.ts'
import type {
  CityAssociationsArgs,
  CityResolvers,
  MemberFilter,
  ProfileInput,
  Resolvers,
} from '../graphql/generated.ts'
import { liveField } from '../graphql/live.ts'
import { payload } from '../graphql/payload.ts'
import { listTranslations } from '../graphql/shared-resolvers.ts'
import { memberTypes, parseId, readId, writeId } from '../ids.ts'
import type { JournalEvent } from '../journal/catalog.ts'
import { translated } from '../languages.ts'
import type { TermRow } from '../vocabularies/store.ts'
import { correctRegistration } from './correction.ts'
import { readCityFilter, readFilter } from './filter.ts'
import { findMeeting, pageMembers } from './list.ts'
import { ofType, readMemberId } from './member-id.ts'
import { mayReadContacts, mayReadHistory, memberType } from './policy.ts'
import type { ProfileChanges } from './profile.ts'
import { approveCreditCode, registerMember, setContacts, updateProfile } from './service.ts'
import { findKinds, type MemberRow } from './store.ts'

/** The member with this id; null when there is none that the actor may see, or when it is of another kind than the id. */
async function loadMember({ loaders }: Context, id: string): Promise<MemberRow | null> {
  const uuid = readId(id, ...memberTypes)
  return ofType(await loaders.memberById.load(uuid), parseId(id)!.type)
}

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
  id: row => writeId(memberType(row), row.id),
  profile: row => row,
  contacts: (row, _, { loaders, request }) =>
    mayReadContacts(request.actor, row.id) ? loaders.memberContacts.load(row.id) : null,
  membership: row => row,
  region: (row, _, { loaders }) => (row.regionCode === null ? null : loaders.regionByCode.load(row.regionCode)),
  externalReferences: (row, _, { loaders }) => loaders.memberReferences.load(row.id),
  profileHistory: async (row, args, { loaders, request }) =>
    mayReadHistory(request.actor, row.id)
      ? connection(await loaders.memberRevisions.load({ memberId: row.id, args }))
      : null,
} satisfies CityResolvers

/** The list of bodies of one kind in a city. */
function inCity(kind: MemberRow['kind']) {
  return async (city: MemberRow, { filter, orderBy, ...args }: Partial<CityAssociationsArgs>, { loaders }: Context) =>
    connection(await loaders.memberList.load({ filter: readCityFilter(city, kind, filter), order: orderBy, args }))
}

const asJson = (value: unknown) => (value == null ? null : JSON.stringify(value))

/** The terms that there are. @throws the error of one that could not be read */
function known(terms: readonly (TermRow | Error | null)[]): TermRow[] {
  return terms.flatMap(term => {
    if (term instanceof Error) throw term
    return term ?? []
  })
}

const changes = {
  'member.registered': 'REGISTERED',
  'member.profile': 'PROFILE',
  'member.contacts': 'CONTACTS',
  'member.membership': 'MEMBERSHIP',
} as const

/** What happened to a member, and how it stands now for this listener. */
async function memberChange(
  event: JournalEvent,
  { filter }: { filter?: MemberFilter | null },
  { request: { db, actor } }: Context,
) {
  const row = (await findMeeting(db, actor, readFilter(filter), event.subject)) ?? null
  const kind = row?.kind ?? (await findKinds(db, [event.subject])).get(event.subject)!
  return {
    change: changes[event.type as keyof typeof changes],
    memberId: writeId(memberType({ kind }), event.subject),
    member: row,
  }
}

export const memberResolvers: Resolvers = {
  Member: { __resolveType: memberType },
  City: { ...member, associations: inCity('ASSOCIATION'), companies: inCity('COMPANY') },
  Association: { ...member, kind: row => row.associationKind! },
  Company: member,
  Profile: {
    name: (row, { locale }, context) => translated(row.names, locale ?? context.locale)!,
    names: row => listTranslations(row.names),
    summary: (row, { locale }, context) => translated(row.summaries, locale ?? context.locale),
    summaries: row => listTranslations(row.summaries),
    description: (row, { locale }, context) => translated(row.descriptions, locale ?? context.locale),
    descriptions: row => listTranslations(row.descriptions),
    fields: async (row, _, { loaders }) => known(await loaders.term.loadMany(row.fields.map(code => `FIELD ${code}`))),
    capabilities: async (row, _, { loaders }) =>
      known(await loaders.term.loadMany(row.capabilities.map(code => `CAPABILITY ${code}`))),
    parent: (row, _, { loaders }) => (row.parentId === null ? null : loaders.memberById.load(row.parentId)),
    lead: (row, _, { loaders }) => (row.leadId === null ? null : loaders.memberById.load(row.leadId)),
  },
  ProfileRevision: {
    onBehalfOf: (row, _, { loaders }) => (row.onBehalfOf === null ? null : loaders.memberById.load(row.onBehalfOf)),
    changes: row =>
      row.changes.map(({ field, before, after }) => ({ field, before: asJson(before), after: asJson(after) })),
  },
  Query: {
    member: (_, { id }, context) => loadMember(context, id),
    members: async (_, { filter, orderBy, ...page }, { request }) =>
      connection(await pageMembers(request.db, request.actor, readFilter(filter), orderBy, page)),
  },
  Mutation: {
    registerMember: (_, { input, idempotencyKey }, { request }) =>
      payload('member', async () => {
        const profile = await readProfile(request, input.profile)
        return registerMember(request, { ...input, profile }, idempotencyKey)
      }),
    updateProfile: (_, { id, input }, { request }) =>
      payload('member', async () => {
        const memberId = await readMemberId(request.db, id)
        return updateProfile(request, memberId, { ...input, profile: await readProfile(request, input.profile) })
      }),
    setContacts: (_, { id, input }, { request }) =>
      payload('member', async () => setContacts(request, await readMemberId(request.db, id), input)),
    approveCreditCode: (_, { id, input }, { request }) =>
      payload('member', async () => approveCreditCode(request, await readMemberId(request.db, id), input)),
    correctRegistration: (_, { id, input }, { request }) =>
      payload('member', async () => correctRegistration(request, await readMemberId(request.db, id), input)),
  },
  Subscription: {
    memberChanged: liveField({
      types: Object.keys(changes) as (keyof typeof changes)[],
      check: ({ filter }: { filter?: MemberFilter | null; after?: string | null }) => void readFilter(filter),
      payload: memberChange,
    }),
  },
}
