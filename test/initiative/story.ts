import type { Actor } from '../../src/access/actor.ts'
import { createContext } from '../../src/graphql/context.ts'
import { type LiveSource, mayHear } from '../../src/graphql/live.ts'
import type { JournalEvent } from '../../src/journal/catalog.ts'
import type { Locale } from '../../src/languages.ts'
import type { Decision } from '../../src/membership/policy.ts'
import { decideMembership } from '../../src/membership/service.ts'
import type { Alliance, TestMember } from '../support/alliance.ts'

/** A version as the mutations answer it. */
export interface Version {
  readonly id: string
  readonly version: number
  readonly number: number | null
  readonly status: string
  readonly sha256: string
}

/** A signature as the mutations answer it. */
export interface Signature {
  readonly id: string
  readonly state: string
  readonly signedAt: string
  readonly code: string | null
  readonly person: string | null
  readonly memberName: string
  readonly countersignedAt: string | null
  readonly withdrawalReason: string | null
}

/** What a mutation of the initiative answers. */
export interface Outcome {
  readonly initiativeVersion?: Version | null
  readonly signature?: Signature | null
  readonly userErrors: readonly { readonly code: string; readonly field: readonly string[]; readonly message: string }[]
}

const errors = 'userErrors { code field message }'
const version = `initiativeVersion { id version number status sha256 } ${errors}`
/** What is shown of a signature. */
export const shown = 'id state signedAt code person memberName countersignedAt withdrawalReason'
const signature = `signature { ${shown} } ${errors}`

/** The mutations, each with the variables that its name stands for. */
export const mutations = {
  draft: `mutation ($input: DraftInitiativeInput!, $key: String) {
    out: draftInitiative(input: $input, idempotencyKey: $key) { ${version} } }`,
  edit: `mutation ($id: ID!, $input: EditInitiativeDraftInput!) {
    out: editInitiativeDraft(id: $id, input: $input) { ${version} } }`,
  discard: `mutation ($id: ID!, $expectedVersion: Int!) {
    out: discardInitiativeDraft(id: $id, expectedVersion: $expectedVersion) { ${version} } }`,
  open: `mutation ($id: ID!, $expectedVersion: Int!) {
    out: openInitiative(id: $id, expectedVersion: $expectedVersion) { ${version} } }`,
  sign: `mutation ($version: ID!, $sha256: Sha256!, $key: String) {
    out: signInitiative(input: { version: $version, sha256: $sha256 }, idempotencyKey: $key) { ${signature} } }`,
  countersign: `mutation ($id: ID!) { out: countersignSignature(id: $id) { ${signature} } }`,
  withdraw: `mutation ($id: ID!, $reason: String!) { out: withdrawSignature(id: $id, reason: $reason) { ${signature} } }`,
} as const

/** Calls a mutation and answers its payload. @throws Error when the answer has errors beside the data */
export async function call(
  alliance: Alliance,
  actor: Actor,
  mutation: keyof typeof mutations,
  variables: Record<string, unknown>,
  locale: Locale = 'en',
): Promise<Outcome> {
  const { out } = await alliance.as(actor, locale).ask<{ out: Outcome }>(mutations[mutation], variables)
  return out
}

const done = (outcome: Outcome) => {
  if (outcome.userErrors.length > 0) throw new Error(JSON.stringify(outcome.userErrors))
  return outcome
}

/** A good input of draftInitiative, of an invented initiative. */
export const draftInput = {
  titles: [
    { locale: 'zh-Hans', text: '云谷元宇宙共建倡议' },
    { locale: 'en', text: 'Initiative of Yungu' },
  ],
  bodies: [
    { locale: 'zh-Hans', text: '一、共建标准。\n\n二、共享场景。' },
    { locale: 'en', text: 'First: standards.\n\nSecond: places.' },
  ],
}

/** A draft of the secretariat's. */
export async function drafted(alliance: Alliance, staff: Actor, changes: object = {}): Promise<Version> {
  return done(await call(alliance, staff, 'draft', { input: { ...draftInput, ...changes } })).initiativeVersion!
}

/** A version that is open for signature. */
export async function opened(alliance: Alliance, staff: Actor, changes: object = {}): Promise<Version> {
  const { id, version: expectedVersion } = await drafted(alliance, staff, changes)
  return done(await call(alliance, staff, 'open', { id, expectedVersion })).initiativeVersion!
}

/** A signature by a new representative of the member. */
export async function signed(alliance: Alliance, member: TestMember, { id, sha256 }: Version): Promise<Signature> {
  const representative = await alliance.officerOf(member, 'REPRESENTATIVE')
  return done(await call(alliance, representative, 'sign', { version: id, sha256 })).signature!
}

/** As `call` for a change of a signature that must be done. */
export async function changed(
  alliance: Alliance,
  actor: Actor,
  mutation: 'countersign' | 'withdraw',
  variables: Record<string, unknown>,
): Promise<Signature> {
  return done(await call(alliance, actor, mutation, variables)).signature!
}

/** Decides on a membership, whatever the version. */
export async function decide(alliance: Alliance, member: TestMember, decision: Decision): Promise<void> {
  const { version: expectedVersion } = await alliance.db
    .selectFrom('members')
    .select('version')
    .where('id', '=', member.uuid)
    .executeTakeFirstOrThrow()
  await decideMembership(alliance.request(), { id: member.uuid }, decision, { expectedVersion, reason: '测试' })
}

/** The UUIDs of the signatures that a listener of initiativeSigned hears of, of the events after `since`. */
export async function heard(
  alliance: Alliance,
  actor: Actor,
  since: number,
  args: Record<string, unknown> = {},
): Promise<string[]> {
  const context = () => createContext(alliance.services, { actor, locale: 'en' })
  const { subscribe } = alliance.schema.getSubscriptionType()!.getFields().initiativeSigned!
  const info = { fieldNodes: [], path: { key: 'initiativeSigned' } } as never
  const source = (await subscribe!(undefined, args, context(), info)) as LiveSource
  const rows = await alliance.db.selectFrom('outbox').selectAll().where('id', '>', since).orderBy('id').execute()
  const told: string[] = []
  for (const { id, ...row } of rows) {
    const event = { ...row, seq: id } as unknown as JournalEvent
    if (!source.types.has(event.type) || !mayHear(event, actor)) continue
    const payload = (await source.payload(event, context())) as { signature: { id: string } } | null
    if (payload) told.push(payload.signature.id)
  }
  return told
}
