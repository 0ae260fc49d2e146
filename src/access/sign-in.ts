import { InputRefused, refuse, text, Unauthenticated } from '../errors.ts'
import type { Actor } from './actor.ts'
import type { Entry } from './entry.ts'
import { type AccountRow, findLinkedAccount, holdStaffAccount } from './identities.ts'
import type { MembershipStatus, OfficerRole } from './permissions.ts'
import { change, type Request } from './request.ts'
import { findOffices, holdOffice, type OfficeRow } from './store.ts'
import { insertToken, revokeTokens } from './tokens.ts'

/** As whom to sign in. */
export interface SignInInput {
  readonly idToken: string
  /** An id of another kind than the member's is the id of nothing. */
  readonly member: { readonly id: string; readonly kind?: string } | null
  readonly isStaff: boolean
}

/** What came of signing in. */
export interface SignedIn {
  /** The token, which is nowhere kept; null when nobody was signed in. */
  readonly secret: string | null
  readonly expiresAt: Date | null
  /** UUIDs of the members among which to choose; empty when there is nothing to choose. */
  readonly choices: readonly string[]
}

const none = { permissions: new Set<never>() }

/** Somebody who comes in, before there is a token: as the journal and the histories write it. */
export function arriving(
  now: Date,
  account: { readonly id: string; readonly name: string },
  office: { memberId: string; memberStatus: MembershipStatus; role: OfficerRole } | null,
): Actor {
  const who = { ...none, tokenId: '', expiresAt: now, accountId: account.id, name: account.name }
  return office ? { ...who, ...office, kind: 'OFFICER' } : { ...who, kind: 'SECRETARIAT' }
}

const refuseStaff = (): never =>
  refuse('INVALID', ['input', 'staff'], 'You are not of the secretariat’s staff.', '您不是秘书处人员。')

/** The office that is meant; null for the staff. @throws InputRefused when there is none, or one must be chosen */
function choose(account: AccountRow, offices: readonly OfficeRow[], input: SignInInput): OfficeRow | null {
  const { member, isStaff } = input
  if (isStaff) {
    if (account.isSecretariat) return null
    refuseStaff()
  }
  if (member) {
    const named = offices.find(({ memberId, kind }) => memberId === member.id && kind === (member.kind ?? kind))
    return named ?? refuse('NOT_FOUND', ['input', 'member'], 'You act for no such member.', '您并不代表该成员。')
  }
  if (offices.length === 0) {
    if (account.isSecretariat) return null
    refuse(
      'WRONG_STATUS',
      ['input', 'idToken'],
      'You act for no member any more. Ask a member or the secretariat for an invitation.',
      '您已不再代表任何成员。请向成员或秘书处申请邀请。',
    )
  }
  if (offices.length === 1 && !account.isSecretariat) return offices[0]!
  const listed = offices.map(({ names }) => names['zh-Hans'] ?? Object.values(names)[0]).slice(0, 10)
  const [en, zh] = account.isSecretariat ? [', or staff: true', '，或填写 staff: true'] : ['', '']
  const reason = text(
    `You act for several; name one of them as member${en}: ${listed.join('; ')}.`,
    `您有多个身份，请用 member 指明其一${zh}：${listed.join('；')}。`,
  )
  const current: SignedIn = { secret: null, expiresAt: null, choices: offices.map(({ memberId }) => memberId) }
  throw new InputRefused([{ code: 'INVALID', field: ['input', 'member'], text: reason }], current)
}

/**
 * Exchanges an ID token for a token of short life.
 * @throws Unavailable when the provider is out of reach; InputRefused for a token that is not valid, a sign-in that is
 * linked to no account, and an account that acts for nobody or has to choose for whom
 */
export async function signIn(
  request: Request,
  { provider, sessionLife }: Entry,
  input: SignInInput,
): Promise<SignedIn> {
  if (!provider)
    refuse(
      'WRONG_STATUS',
      ['input', 'idToken'],
      'This service has no sign-in: come with a token.',
      '本服务未配置登录，请使用令牌。',
    )
  const { db, now } = request
  const identity = await provider.verify(input.idToken, now)
  const account = await findLinkedAccount(db, identity)
  if (!account)
    refuse(
      'NOT_FOUND',
      ['input', 'idToken'],
      'This sign-in is linked to no account. Accept an invitation with it first.',
      '此登录尚未关联任何账户，请先用它接受邀请。',
    )
  const office = choose(account, await findOffices(db, account.id), input)
  const self: Request = { ...request, actor: arriving(now, account, office) }
  const expiresAt = new Date(now.getTime() + sessionLife)
  return change(self, async (tx, report) => {
    if (!office) {
      if (!(await holdStaffAccount(tx, account.id))) refuseStaff()
      const { secret } = await insertToken(tx, report, self, { kind: 'SECRETARIAT', accountId: account.id, expiresAt })
      return { secret, expiresAt, choices: [] }
    }
    const { memberId } = office
    const role = await holdOffice(tx, account.id, memberId)
    if (!role) refuse('NOT_FOUND', ['input', 'member'], 'You act for no such member.', '您并不代表该成员。')
    const token = { kind: 'OFFICER', accountId: account.id, memberId, role, expiresAt } as const
    const { secret } = await insertToken(tx, report, self, token)
    return { secret, expiresAt, choices: [] }
  })
}

/** Ends the token that the caller comes with. @throws Unauthenticated without one */
export async function signOut(request: Request): Promise<void> {
  const { actor } = request
  if (!('tokenId' in actor)) throw new Unauthenticated(text('You came without a token.', '您没有使用令牌。'))
  await change(request, (tx, report) => revokeTokens(tx, report, request, [actor.tokenId], 'signed out'))
}
