import type { Actor, Officer } from '../../src/access/actor.ts'
import { authenticate } from '../../src/access/authenticate.ts'
import type { OfficerRole } from '../../src/access/permissions.ts'
import { writeId } from '../../src/ids.ts'
import type { Locale } from '../../src/languages.ts'
import type { Alliance, TestMember } from '../support/alliance.ts'

/** What is wrong with an input, as the API says it. */
interface Fault {
  readonly code: string
  readonly field: readonly string[]
  readonly message: string
}

/** An invitation as the mutations answer it. */
interface Shown {
  readonly id: string
  readonly state: string
  readonly email: string
  readonly role: OfficerRole | null
  readonly expiresAt: string
}

/** What the mutations answer; each those of these fields that it has. */
export interface Outcome {
  readonly invitation: Shown | null
  readonly code: string | null
  readonly secret: string | null
  /** Of whom was removed from the staff. */
  readonly email?: string | null
  readonly expiresAt: string | null
  readonly officer: { readonly id: string; readonly role: OfficerRole } | null
  readonly own: { readonly id: string; readonly role: OfficerRole } | null
  readonly members: readonly { readonly id: string }[]
  readonly userErrors: readonly Fault[]
  readonly rows: readonly {
    readonly email: string
    readonly outcome: string
    readonly code: string | null
    readonly invitation: Shown | null
    readonly userErrors: readonly Fault[]
  }[]
}

const errors = 'userErrors { code field message }'
const invitation = 'id state email role expiresAt'

/** The mutations, each with the variables that its name stands for. */
export const mutations = {
  inviteOfficer: `mutation ($input: InviteOfficerInput!) {
    out: inviteOfficer(input: $input) { invitation { ${invitation} } code ${errors} } }`,
  inviteOfficers: `mutation ($input: [InviteOfficerInput!]!) {
    out: inviteOfficers(input: $input) { rows { email outcome code invitation { ${invitation} } ${errors} } ${errors} } }`,
  inviteStaff: `mutation ($input: InviteStaffInput!) {
    out: inviteStaff(input: $input) { invitation { ${invitation} } code ${errors} } }`,
  removeStaff: `mutation ($email: String!, $reason: String!) {
    out: removeStaff(email: $email, reason: $reason) { email ${errors} } }`,
  resendInvitation: `mutation ($id: ID!, $expiresAt: DateTime) {
    out: resendInvitation(id: $id, expiresAt: $expiresAt) { invitation { ${invitation} } code ${errors} } }`,
  revokeInvitation: `mutation ($id: ID!, $reason: String) {
    out: revokeInvitation(id: $id, reason: $reason) { invitation { ${invitation} } code ${errors} } }`,
  acceptInvitation: `mutation ($input: AcceptInvitationInput!) {
    out: acceptInvitation(input: $input) { invitation { state role } secret expiresAt ${errors} } }`,
  changeOfficerRole: `mutation ($id: ID!, $role: OfficerRole!) {
    out: changeOfficerRole(id: $id, role: $role) { officer { id role } ${errors} } }`,
  removeOfficer: `mutation ($id: ID!, $reason: String!) {
    out: removeOfficer(id: $id, reason: $reason) { officer { id role } ${errors} } }`,
  leaveMember: `mutation { out: leaveMember { officer { id role } ${errors} } }`,
  handOver: `mutation ($input: HandOverInput!) {
    out: handOver(input: $input) { officer { id role } own { id role } ${errors} } }`,
  signIn: `mutation ($input: SignInInput!) {
    out: signIn(input: $input) { secret expiresAt members { id } ${errors} } }`,
  signOut: `mutation { out: signOut { ${errors} } }`,
} as const

/** Calls a mutation and answers its payload. @throws Error when the answer has errors beside the data */
export async function call(
  alliance: Alliance,
  actor: Actor,
  mutation: keyof typeof mutations,
  variables: Record<string, unknown> = {},
  locale: Locale = 'en',
): Promise<Outcome> {
  return (await alliance.as(actor, locale).ask<{ out: Outcome }>(mutations[mutation], variables)).out
}

/** As `call`, for a mutation that must be done. */
export async function done(...asked: Parameters<typeof call>): Promise<Outcome> {
  const outcome = await call(...asked)
  if (outcome.userErrors.length > 0) throw new Error(JSON.stringify(outcome.userErrors))
  return outcome
}

let made = 0

/** An address that nobody has. */
export const address = () => `person-${++made}@yungu.example`

/** The input of an invitation. */
export const invitee = (member: TestMember, more: object = {}) => ({
  member: member.id,
  role: 'LIAISON',
  name: '王小云',
  email: address(),
  ...more,
})

/** Invites by the secretariat, which is shown the code; answers it with the id of the invitation. */
export async function invited(
  alliance: Alliance,
  staff: Actor,
  member: TestMember,
  more: object = {},
): Promise<{ id: string; code: string }> {
  const outcome = await done(alliance, staff, 'inviteOfficer', { input: invitee(member, more) })
  return { id: outcome.invitation!.id, code: outcome.code! }
}

/** The caller that a token makes. */
export const entering = (alliance: Alliance, secret: string | null) =>
  authenticate(alliance.db, `Bearer ${secret}`, alliance.clock.now)

/** The id of an officer, as the API shows it. */
export async function officerId({ db }: Alliance, { accountId, memberId }: Officer): Promise<string> {
  const row = await db
    .selectFrom('officers')
    .select('id')
    .where('accountId', '=', accountId)
    .where('memberId', '=', memberId)
    .executeTakeFirstOrThrow()
  return writeId('Officer', row.id)
}
