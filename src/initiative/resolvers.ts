import type { Context } from '../graphql/context.ts'
import { fieldsOf, find, pageOf } from '../graphql/fields.ts'
import type { QuerySignatoriesArgs, Resolvers, SignatoryFilter as SentFilter } from '../graphql/generated.ts'
import { liveField } from '../graphql/live.ts'
import { payload } from '../graphql/payload.ts'
import { listTranslations } from '../graphql/shared-resolvers.ts'
import { readId, writeId } from '../ids.ts'
import { translated } from '../languages.ts'
import { readFilter } from '../members/filter.ts'
import { memberById } from '../members/reads.ts'
import type { MemberRow } from '../members/store.ts'
import { canonicalText, manifestOf } from './canonical.ts'
import { verifySignature } from './certificate.ts'
import { discardInitiativeDraft, draftInitiative, editInitiativeDraft, openInitiative } from './drafts.ts'
import { askSignatories, findMeeting, type SignatoryFilter, signatoryList } from './list.ts'
import { maySeeSigner } from './policy.ts'
import { latestVersionFirst, signaturesOf, versionById, versionByStatus, versionList } from './reads.ts'
import { countersignSignature, signInitiative, withdrawSignature } from './signing.ts'
import { findTexts, type InitiativeVersionRow, type SignatureRow } from './store.ts'

const readVersionId = (id: string) => readId(id, 'InitiativeVersion')
const readSignatureId = (id: string) => readId(id, 'Signature')

/** @throws InvalidInput for a malformed code of a place or id, and for too long a list */
function readSignatoryFilter(filter: SentFilter | null | undefined): SignatoryFilter {
  const { kinds, associationKinds, regions } = filter ?? {}
  return {
    ...filter,
    regions: readFilter({ kinds, associationKinds, regions }).regions,
    version: filter?.version == null ? null : readVersionId(filter.version),
  }
}

const { from, late } = fieldsOf<InitiativeVersionRow>()
const signature = fieldsOf<SignatureRow>()
const member = { signatures: fieldsOf<MemberRow>().many(signaturesOf, 'id') }

/** A column that is for the member's own officers and the secretariat; null for everybody else. */
const toOwn = <const Name extends 'person' | 'code' | 'countersignedBy'>(name: Name) =>
  signature.from(['memberId', name], (row, _, { request }) =>
    maySeeSigner(request.actor, row.memberId) ? row[name] : null,
  )

export const initiativeResolvers: Resolvers = {
  Query: {
    initiative: find(versionByStatus, () => 'OPEN'),
    initiativeVersion: find(versionById, ({ id }: { id: string }) => readVersionId(id)),
    initiativeVersions: pageOf(versionList, () => ({ input: {}, order: latestVersionFirst })),
    signatories: pageOf(signatoryList, ({ filter, orderBy }: Partial<QuerySignatoriesArgs>, { request }) =>
      askSignatories(request, readSignatoryFilter(filter), orderBy),
    ),
    verifySignature: (_, { code }, { request }) => verifySignature(request, code),
  },
  City: member,
  Association: member,
  Company: member,
  InitiativeVersion: {
    id: from(['id'], version => writeId('InitiativeVersion', version.id)),
    title: from(['titles'], (version, { locale }, context) => translated(version.titles, locale ?? context.locale)!),
    titles: from(['titles'], version => listTranslations(version.titles)),
    body: late(
      'texts',
      findTexts,
      ({ texts }, { locale }, context) => translated(texts.bodies, locale ?? context.locale)!,
    ),
    bodies: late('texts', findTexts, ({ texts }) => listTranslations(texts.bodies)),
    canonicalText: late('texts', findTexts, ({ texts }, { locale }: { locale?: string | null }) => {
      const [title, body] = [texts.titles[locale ?? 'zh-Hans'], texts.bodies[locale ?? 'zh-Hans']]
      return title === undefined || body === undefined ? null : canonicalText(title, body)
    }),
    hashes: from(['hashes'], version =>
      listTranslations(version.hashes).map(({ locale, text }) => ({ locale, sha256: text })),
    ),
    manifest: from(['hashes'], version => manifestOf(version.hashes)),
  },
  Signature: {
    id: signature.from(['id'], row => writeId('Signature', row.id)),
    member: signature.one(memberById, 'memberId'),
    memberName: signature.from(
      ['memberNames'],
      (row, { locale }, context) => translated(row.memberNames, locale ?? context.locale)!,
    ),
    memberNames: signature.from(['memberNames'], row => listTranslations(row.memberNames)),
    initiativeVersion: signature.one(versionById, 'versionId'),
    person: toOwn('person'),
    code: toOwn('code'),
    countersignedBy: toOwn('countersignedBy'),
  },
  SignatureCertificate: {
    memberName: (row, { locale }, context) => translated(row.memberNames, locale ?? context.locale)!,
    memberNames: row => listTranslations(row.memberNames),
    member: (row, _, { loaders }) => loaders.one(memberById, row.memberId),
    initiativeVersion: async (row, _, { loaders }) => (await loaders.one(versionById, row.versionId))!,
  },
  Mutation: {
    draftInitiative: (_, { input, idempotencyKey }, { request }) =>
      payload('initiativeVersion', async () => (await draftInitiative(request, input, idempotencyKey)) ?? null),
    editInitiativeDraft: (_, { id, input }, { request }) =>
      payload('initiativeVersion', async () => editInitiativeDraft(request, readVersionId(id), input)),
    discardInitiativeDraft: (_, { id, expectedVersion }, { request }) =>
      payload('initiativeVersion', async () => discardInitiativeDraft(request, readVersionId(id), expectedVersion)),
    openInitiative: (_, { id, expectedVersion }, { request }) =>
      payload('initiativeVersion', async () => openInitiative(request, readVersionId(id), expectedVersion)),
    signInitiative: (_, { input, idempotencyKey }, { request }) =>
      payload('signature', async () =>
        signInitiative(request, { ...input, version: readVersionId(input.version) }, idempotencyKey),
      ),
    countersignSignature: (_, { id }, { request }) =>
      payload('signature', async () => countersignSignature(request, readSignatureId(id))),
    withdrawSignature: (_, { id, reason }, { request }) =>
      payload('signature', async () => withdrawSignature(request, readSignatureId(id), reason)),
  },
  Subscription: {
    initiativeSigned: liveField<{ filter?: SentFilter | null; after?: string | null }, { signature: SignatureRow }>({
      types: ['initiative.signed'],
      check: ({ filter }) => void readSignatoryFilter(filter),
      payload: async (event, { filter }, { loaders }: Context) => {
        const wanted = { id: event.subject, filter: readSignatoryFilter(filter) }
        const row = await loaders.batch(findMeeting, wanted)
        return row && { signature: row }
      },
    }),
  },
}
