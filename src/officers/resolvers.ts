import { type Context, holdsUntil } from '../graphql/context.ts'
import { fieldsOf, pageOf } from '../graphql/fields.ts'
import type { InviteOfficerInput, QueryInvitationsArgs, QueryOfficersArgs, Resolvers } from '../graphql/generated.ts'
import { payload } from '../graphql/payload.ts'
import { readId, writeId } from '../ids.ts'
import { checkInput } from '../input.ts'
import { mailById } from '../mail/reads.ts'
import { readMemberId, readMemberKey } from '../members/member-id.ts'
import { memberById } from '../members/reads.ts'
import { acceptInvitation } from './acceptance.ts'
import { findInvitationByCode, type InvitationRow } from './invitation-store.ts'
import {
  demandManagerOfAll,
  type Invited,
  inviteOfficer,
  inviteRow,
  inviteStaff,
  type OfficerInvitee,
  resendInvitation,
  revokeInvitation,
} from './invitations.ts'
import { stateOf } from './policy.ts'
import { firstOfficers, invitationList, latestInvitations, officerById, officerList } from './reads.ts'
import { changeOfficerRole, handOver, leaveMember, removeOfficer } from './service.ts'
import { firstStaff, removeStaff, staffList } from './staff.ts'
import type { OfficerRow } from './store.ts'

const officer = fieldsOf<OfficerRow>()
const { from, one } = fieldsOf<InvitationRow>()

const readOfficerId = (id: string) => readId(id, 'Officer')
const readInvitationId = (id: string) => readId(id, 'Invitation')
const chosen = (values: readonly string[] | null | undefined) =>
  values ? Object.fromEntries(values.map(value => [value, true])) : null
const keyOf = (id: string | null | undefined) => (id == null ? null : readMemberKey(id))

/** How an invitation stands; a pending one until its end. */
const state = from(['acceptedAt', 'revokedAt', 'expiresAt'], (row, _, context) => {
  const now = stateOf(row, context.request.now)
  if (now === 'PENDING') holdsUntil(context, row.expiresAt)
  return now
})

/** Shows an invitation with its code, for this once and to those who are shown it. */
async function invited(invite: () => Promise<Invited>) {
  let code: string | null = null
  const outcome = await payload('invitation', async () => {
    const made = await invite()
    code = made.code
    return made.invitation
  })
  return { ...outcome, code }
}

/** Whom an input invites. @throws InputRefused for a member that there is not; InvalidInput for what is no id of one */
async function readInvitee(
  input: InviteOfficerInput,
  { request, locale }: Context,
  path: readonly string[],
): Promise<OfficerInvitee> {
  const memberId = await readMemberId(request.db, input.member, [...path, 'member'])
  return { ...input, locale: input.locale ?? locale, memberId }
}

/** Shows a change of an officer; null for one who is none any more. */
const changed = ({ loaders }: Context, work: () => Promise<string | null>) =>
  payload('officer', async () => {
    const id = await work()
    return id === null ? null : loaders.one(officerById, id)
  })

export const officerResolvers: Resolvers = {
  Query: {
    officers: pageOf(officerList, ({ filter }: Partial<QueryOfficersArgs>) => ({
      order: firstOfficers,
      input: { member: keyOf(filter?.member), roles: chosen(filter?.roles) },
    })),
    staff: pageOf(staffList, () => ({ order: firstStaff, input: {} })),
    invitations: pageOf(invitationList, ({ filter }: Partial<QueryInvitationsArgs>, context) => {
      // Others come in and go out by the clock alone.
      if (filter?.states) holdsUntil(context, null)
      return {
        order: latestInvitations,
        input: { member: keyOf(filter?.member), states: chosen(filter?.states), now: context.request.now },
      }
    }),
    invitation: (_, { code }, { request }) => findInvitationByCode(request.db, code),
  },
  Officer: {
    id: officer.from(['id'], row => writeId('Officer', row.id)),
    member: officer.one(memberById, 'memberId'),
  },
  Invitation: {
    id: from(['id'], row => writeId('Invitation', row.id)),
    state,
    member: one(memberById, 'memberId'),
    mail: one(mailById, 'mailId', [[], (_, { request }) => request.actor.permissions.has('ACCESS_MANAGE')]),
  },
  InvitationOffer: {
    state,
    member: one(memberById, 'memberId'),
    needsIdToken: from([], (_, __, { entry }) => entry.provider !== null),
  },
  Mutation: {
    inviteOfficer: (_, { input }, context) =>
      invited(async () => {
        const invitee = await readInvitee(input, context, ['input'])
        return inviteOfficer(context.request, context.entry, invitee)
      }),
    inviteOfficers: async (_, { input }, context) => {
      const { request, entry } = context
      const { rows, userErrors } = await payload('rows', async () => {
        const check = checkInput()
        check.size(input, ['input'], 100)
        check.done()
        const members = [...new Set(input.map(({ member }) => readMemberKey(member).id))]
        await demandManagerOfAll(request.db, request, members)
        const done = []
        for (const [i, row] of input.entries()) {
          const path = ['input', String(i)]
          const { faults, ...rest } = await inviteRow(request, entry, () => readInvitee(row, context, path), path)
          done.push({ ...rest, email: row.email, userErrors: [...faults] })
        }
        return done
      })
      return { rows: rows ?? [], userErrors }
    },
    inviteStaff: (_, { input }, { request, entry, locale }) =>
      invited(() => inviteStaff(request, entry, { ...input, locale: input.locale ?? locale })),
    removeStaff: (_, { email, reason }, { request }) => payload('email', () => removeStaff(request, email, reason)),
    resendInvitation: (_, { id, expiresAt }, { request, entry }) =>
      invited(() => resendInvitation(request, entry, readInvitationId(id), expiresAt)),
    revokeInvitation: async (_, { id, reason }, { request }) => ({
      ...(await payload('invitation', () => revokeInvitation(request, readInvitationId(id), reason))),
      code: null,
    }),
    acceptInvitation: async (_, { input }, { request, entry }) => {
      const outcome = await payload('accepted', () => acceptInvitation(request, entry, input))
      const { invitation = null, secret = null, expiresAt = null } = outcome.accepted ?? {}
      return { invitation, secret, expiresAt, userErrors: outcome.userErrors }
    },
    changeOfficerRole: (_, { id, role }, context) =>
      changed(context, () => changeOfficerRole(context.request, readOfficerId(id), role)),
    removeOfficer: (_, { id, reason }, context) =>
      changed(context, async () => {
        await removeOfficer(context.request, readOfficerId(id), reason)
        return null
      }),
    leaveMember: (_, __, context) =>
      changed(context, async () => {
        await leaveMember(context.request)
        return null
      }),
    handOver: async (_, { input }, { request, loaders }) => {
      const outcome = await payload('done', () =>
        handOver(request, { to: readOfficerId(input.to), leave: input.leave ?? false }),
      )
      const { to = null, own = null } = outcome.done ?? {}
      return {
        officer: to === null ? null : await loaders.one(officerById, to),
        own: own === null ? null : await loaders.one(officerById, own),
        userErrors: outcome.userErrors,
      }
    },
  },
}
