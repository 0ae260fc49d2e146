import type { Entry } from '../access/entry.ts'
import { findLinkedAccount, hasRights, isLinked, linkAccount } from '../access/identities.ts'
import type { Verified } from '../access/oidc.ts'
import { change, type Request } from '../access/request.ts'
import { arriving } from '../access/sign-in.ts'
import { upsertAccount } from '../access/store.ts'
import { demandPresence, insertToken } from '../access/tokens.ts'
import type { Tx } from '../database/client.ts'
import { refuse } from '../errors.ts'
import { newUuid } from '../ids.ts'
import {
  findInvitationByCode,
  holdInvitationByCode,
  type InvitationRow,
  type InvitationState,
  readInvitation,
} from './invitation-store.ts'
import { reportInvitation } from './invitations.ts'
import { stateOf } from './policy.ts'
import { reportOfficer } from './service.ts'
import { insertOfficer } from './store.ts'

const field = ['input', 'code']
/** How long a token lives that is issued for a code alone, in milliseconds: such people can't sign in for another. */
const lifeWithoutSignIn = 90 * 86_400_000

/** What came of accepting. */
export interface Accepted {
  readonly invitation: InvitationRow
  /** The token, which is nowhere kept. */
  readonly secret: string
  readonly expiresAt: Date
}

const unknown = () =>
  refuse(
    'NOT_FOUND',
    field,
    'No invitation has this code. If there is a later mail, use the code of that one.',
    '没有使用此邀请码的邀请。如有更新的邮件，请使用其中的邀请码。',
  )

/** @throws InputRefused with WRONG_STATUS for an invitation that can't be accepted any more */
function demandPending(invitation: InvitationRow, now: Date): void {
  const end = invitation.expiresAt.toISOString()
  const reasons: Record<Exclude<InvitationState, 'PENDING'>, readonly [en: string, zh: string]> = {
    ACCEPTED: ['This invitation was accepted already. It can be used once.', '此邀请已被接受，只能使用一次。'],
    REVOKED: ['This invitation was revoked.', '此邀请已被撤销。'],
    EXPIRED: [
      `This invitation ended on ${end}. Ask for it to be sent anew.`,
      `此邀请已于 ${end} 到期，请联系邀请方重新发送。`,
    ],
  }
  const state = stateOf(invitation, now)
  if (state !== 'PENDING') refuse('WRONG_STATUS', field, ...reasons[state])
}

/** Whom the ID token is of; null where there is no sign-in. */
async function identify(
  { now }: Request,
  { provider }: Entry,
  idToken: string | null | undefined,
): Promise<Verified | null> {
  if (!provider) return null
  if (idToken == null)
    refuse(
      'REQUIRED',
      ['input', 'idToken'],
      'Sign in first, and send the ID token with the code.',
      '请先登录，并将 ID 令牌与邀请码一并发送。',
    )
  return provider.verify(idToken, now)
}

/**
 * The account of the one who accepts: that of the sign-in, if it is linked to one, so that one person has one account for
 * all members; else that of the mail address, which is linked now. A code can be leaked or forwarded: an account that has
 * rights already is linked only to a sign-in whose provider has verified that address.
 * @throws InputRefused with TAKEN when that account is linked to another sign-in, or can't be linked to this one
 */
async function accountOf(
  tx: Tx,
  now: Date,
  { name, email }: InvitationRow,
  identity: Verified | null,
): Promise<string> {
  const linked = identity && (await findLinkedAccount(tx, identity))
  if (linked) return linked.id
  const account = { id: newUuid(now.getTime()), name, email, isSecretariat: false, createdAt: now }
  const accountId = await upsertAccount(tx, account)
  if (!identity) return accountId
  // Who accepts two at once has waited for the account.
  const meanwhile = await findLinkedAccount(tx, identity)
  if (meanwhile) return meanwhile.id
  // Whoever was forwarded the mail would have all that the account has, and not only what the invitation gives.
  if (await isLinked(tx, accountId, identity.issuer))
    refuse(
      'TAKEN',
      ['input', 'idToken'],
      'The account of this mail address is linked to another sign-in. Sign in by that one, or ask for an invitation to another address.',
      '此邮箱的账户已关联另一登录。请使用该登录，或请邀请方改用其他邮箱。',
    )
  if (identity.verifiedEmail !== email && (await hasRights(tx, accountId)))
    refuse(
      'TAKEN',
      ['input', 'idToken'],
      'This mail address has an account already. Sign in with the mail address that was invited, verified by the sign-in, or ask the secretariat.',
      '此邮箱已有账户。请使用受邀的邮箱（须经登录服务验证）登录，或联系秘书处。',
    )
  return linkAccount(tx, identity, accountId, now)
}

/**
 * Accepts an invitation, once: of two who do so at once the second is told that it was accepted. Answers a token.
 * @throws Unavailable when the provider of the sign-in is out of reach; InputRefused for a code that there is not, that
 * was used, revoked or is past its time, an ID token that is missing or not valid, a member that has left, and for
 * somebody who acts for the member already
 */
export async function acceptInvitation(
  request: Request,
  entry: Entry,
  { code, idToken }: { readonly code: string; readonly idToken?: string | null },
): Promise<Accepted> {
  const { db, now } = request
  const offered = (await findInvitationByCode(db, code)) ?? unknown()
  demandPending(offered, now)
  const identity = await identify(request, entry, idToken)
  const expiresAt = new Date(now.getTime() + (identity ? entry.sessionLife : lifeWithoutSignIn))
  // The one who acts has no token, and may have no account, before.
  const self: { -readonly [Key in keyof Request]: Request[Key] } = { ...request }
  return change(self, async (tx, report) => {
    const invitation = (await holdInvitationByCode(tx, code)) ?? unknown()
    demandPending(invitation, now)
    const { id, kind, memberId, role } = invitation
    const member = memberId === null ? null : await demandPresence(tx, memberId, field)
    const accountId = await accountOf(tx, now, invitation, identity)
    const office = member && { memberId: memberId!, memberStatus: member.status, role: role! }
    self.actor = arriving(now, { id: accountId, name: invitation.name }, office)
    await tx.updateTable('invitations').set({ acceptedAt: now }).where('id', '=', id).execute()
    await reportInvitation(report, invitation, 'ACCEPTED')
    if (office) {
      const officer = { id: newUuid(now.getTime()), accountId, memberId: office.memberId, role: office.role }
      if (!(await insertOfficer(tx, { ...officer, createdAt: now })))
        refuse(
          'TAKEN',
          field,
          'You act for this member already. Your role can be changed by a representative or the secretariat.',
          '您已代表该成员。如需变更角色，请联系其代表或秘书处。',
        )
      await reportOfficer(report, officer, 'JOINED')
    } else await tx.updateTable('accounts').set({ isSecretariat: true }).where('id', '=', accountId).execute()
    const acting = office ? { memberId: office.memberId, role: office.role } : {}
    const tokenKind = kind === 'OFFICER' ? 'OFFICER' : 'SECRETARIAT'
    const { secret } = await insertToken(tx, report, self, { kind: tokenKind, accountId, ...acting, expiresAt })
    return { invitation: await readInvitation(tx, id), secret, expiresAt }
  })
}
