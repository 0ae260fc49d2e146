import { actorReference, isStaff } from '../access/actor.ts'
import type { Entry } from '../access/entry.ts'
import type { OfficerRole } from '../access/permissions.ts'
import { change, type Report, type Request } from '../access/request.ts'
import { checkPerson, demandPresence, type Person } from '../access/tokens.ts'
import type { Db, Tx } from '../database/client.ts'
import { transact } from '../database/transaction.ts'
import { Forbidden, InputRefused, NotFound, refuse, text } from '../errors.ts'
import { newUuid } from '../ids.ts'
import { checkInput } from '../input.ts'
import type { Locale, Translations } from '../languages.ts'
import type { MakeCode } from '../mail/deliverer.ts'
import { writeMail } from '../mail/outbox.ts'
import { demandRest } from './brake.ts'
import {
  deleteCodes,
  findPending,
  holdForMail,
  holdInvitation,
  type InvitationRow,
  insertCode,
  insertInvitation,
  readInvitation,
} from './invitation-store.ts'
import { letterLocale, writeLetter } from './letter.ts'
import { mayGrant, mayManage, stateOf } from './policy.ts'

const day = 86_400_000

/** Whom to invite. */
interface Invitee extends Person {
  readonly locale: Locale
}

/** Whom to invite to act for a member. */
export interface OfficerInvitee extends Invitee {
  /** A UUID. */
  readonly memberId: string
  readonly role: OfficerRole
}

/** An invitation with its code, where the caller is shown it. */
export interface Invited {
  readonly invitation: InvitationRow
  readonly code: string | null
}

/** Until when an invitation can be accepted. @throws InputRefused when that is past, or more than 60 days ahead */
function endOf(now: Date, asked: Date | null | undefined, field: readonly string[]): Date {
  const end = asked ?? new Date(now.getTime() + 14 * day)
  if (end <= now) refuse('IN_THE_PAST', field, 'An invitation must end in the future.', '邀请的有效期须在将来。')
  if (end.getTime() - now.getTime() > 60 * day)
    refuse('INVALID', field, 'An invitation lives for 60 days at most.', '邀请的有效期最长为 60 天。')
  return end
}

/** @throws Forbidden when the actor does not decide who acts for the member */
export function demandManager({ actor }: Request, memberId: string): void {
  if (mayManage(actor, memberId)) return
  throw new Forbidden(text('You decide only who acts for your own member.', '您只能管理本成员的人员。'))
}

/** @throws InputRefused when the role is above the actor's own */
export function demandRank({ actor }: Request, role: OfficerRole, field: readonly string[]): void {
  if (mayGrant(actor, role)) return
  refuse('INVALID', field, `${role} is above your own role.`, `${role} 高于您自己的角色。`)
}

/**
 * Holds the actor's own office until the transaction ends: between the look at its token and this moment somebody may have
 * taken it away, and with it what the actor invited.
 * @throws Forbidden when it did
 */
async function demandOffice(tx: Tx, { actor }: Request): Promise<void> {
  if (actor.kind !== 'OFFICER') return
  const office = await tx
    .selectFrom('officers')
    .select('role')
    .where('accountId', '=', actor.accountId)
    .where('memberId', '=', actor.memberId)
    .forShare()
    .executeTakeFirst()
  if (office?.role !== actor.role) throw roleChanged()
}

/** For an officer whose role is not any more what its token said a moment ago. */
export const roleChanged = () =>
  new Forbidden(text('Your role has just changed. Ask again.', '您的角色刚刚发生变化，请重新提交。'))

/** Whether the person has already what it would be invited to. */
async function isIn(tx: Tx, { memberId, email }: { memberId: string | null; email: string }): Promise<boolean> {
  const account = tx.selectFrom('accounts').select('accounts.id').where('accounts.email', '=', email)
  const found =
    memberId === null
      ? account.where('isSecretariat', '=', true)
      : account.innerJoin('officers', 'officers.accountId', 'accounts.id').where('officers.memberId', '=', memberId)
  return (await found.executeTakeFirst()) !== undefined
}

/** @throws InputRefused with TAKEN for a person who is in already, or whose invitation is pending: that is its `current` */
async function demandUninvited(
  tx: Tx,
  { now }: Request,
  whom: { memberId: string | null; email: string },
  field: readonly string[],
): Promise<void> {
  const pending = await findPending(tx, whom, now)
  if (await isIn(tx, whom))
    refuse(
      'TAKEN',
      field,
      'The person with this address is in already. To change the role, use changeOfficerRole.',
      '此邮箱的持有人已在其中。如需变更角色，请使用 changeOfficerRole。',
    )
  if (!pending) return
  const reason = text(
    'An invitation of this address is pending already. Send it anew with resendInvitation, or revoke it first.',
    '此邮箱已有待接受的邀请。可用 resendInvitation 重新发送，或先撤销该邀请。',
  )
  throw new InputRefused([{ code: 'TAKEN', field, text: reason }], pending)
}

/** The code for the secretariat's eyes while there is no mail server; null for others. */
async function shownCode(tx: Tx, { actor }: Request, entry: Entry, invitationId: string): Promise<string | null> {
  return !entry.sendsMail && isStaff(actor) ? insertCode(tx, invitationId) : null
}

export function reportInvitation(
  report: Report,
  { id, memberId }: Pick<InvitationRow, 'id' | 'memberId'>,
  change: 'INVITED' | 'RESENT' | 'REVOKED' | 'ACCEPTED',
): Promise<void> {
  const audience = memberId === null ? 'SECRETARIAT' : 'MEMBERS'
  const audienceMembers = memberId === null ? [] : [memberId]
  return report({ type: 'invitation.changed', subject: id, detail: { change, memberId }, audience, audienceMembers })
}

/** The name that a mail shows as that of the one who invites. */
const inviter = ({ actor }: Request) => ('name' in actor ? actor.name : '')

function sendLetter(
  tx: Tx,
  report: Report,
  request: Request,
  invitation: Pick<InvitationRow, 'id' | 'name' | 'email' | 'role' | 'expiresAt' | 'locale'>,
  member: Translations | null,
): Promise<string> {
  const { id: about, email: recipient, locale } = invitation
  const letter = writeLetter({ ...invitation, by: inviter(request) }, member)
  return writeMail(tx, report, request, { purpose: 'INVITATION', about, recipient, locale, ...letter })
}

async function invite(
  tx: Tx,
  report: Report,
  request: Request,
  entry: Entry,
  whom: { name: string; email: string; locale: Locale; expiresAt: Date } & (
    | { kind: 'OFFICER'; memberId: string; role: OfficerRole; member: Translations }
    | { kind: 'STAFF' }
  ),
): Promise<Invited> {
  const { member, ...office } = whom.kind === 'OFFICER' ? whom : { ...whom, member: null, memberId: null, role: null }
  const invitation = {
    ...office,
    id: newUuid(request.now.getTime()),
    locale: letterLocale(whom.locale),
    actor: actorReference(request.actor),
    createdAt: request.now,
  }
  const mailId = await sendLetter(tx, report, request, invitation, member)
  await insertInvitation(tx, { ...invitation, mailId })
  await reportInvitation(report, invitation, 'INVITED')
  const code = await shownCode(tx, request, entry, invitation.id)
  return { invitation: await readInvitation(tx, invitation.id), code }
}

/**
 * Invites somebody to act for a member. The mail leaves after the commit.
 * @param path where the input has the person
 * @throws Forbidden for an officer of another member; InputRefused for a bad name, address or end, an unknown member or
 * one that has left, a role above the actor's own, with TAKEN as `demandUninvited`, and with TOO_MANY
 */
export async function inviteOfficer(
  request: Request,
  entry: Entry,
  input: OfficerInvitee,
  path: readonly string[] = ['input'],
): Promise<Invited> {
  const person = checkPerson(input, path)
  const expiresAt = endOf(request.now, input.expiresAt, [...path, 'expiresAt'])
  const { memberId, role, locale } = input
  return change(request, async (tx, report) => {
    await demandOffice(tx, request)
    const { names } = await demandPresence(tx, memberId, [...path, 'member'])
    demandManager(request, memberId)
    demandRank(request, role, [...path, 'role'])
    await demandUninvited(tx, request, { memberId, email: person.email }, [...path, 'email'])
    await demandRest(tx, request, { memberId, email: person.email }, [...path, 'email'])
    return invite(tx, report, request, entry, {
      kind: 'OFFICER',
      ...person,
      memberId,
      role,
      locale,
      expiresAt,
      member: names,
    })
  })
}

/** What came of one row of a bulk invitation. Equal to the enum InviteOutcome of the SDL. */
export type InviteOutcome = 'INVITED' | 'ALREADY_OFFICER' | 'ALREADY_INVITED' | 'REFUSED'

/** One row of a bulk invitation, with what came of it. */
export interface InvitedRow {
  readonly outcome: InviteOutcome
  readonly invitation: InvitationRow | null
  readonly code: string | null
  readonly faults: InputRefused['faults']
}

function refusedRow({ faults, current }: InputRefused): InvitedRow {
  const isTaken = faults.some(({ code }) => code === 'TAKEN')
  const outcome = !isTaken ? 'REFUSED' : current ? 'ALREADY_INVITED' : 'ALREADY_OFFICER'
  return { outcome, invitation: current as InvitationRow | null, code: null, faults }
}

/**
 * Invites one of many, and tells what came of it. Each row is a transaction of its own, so that none undoes another.
 * @throws Forbidden as `inviteOfficer`
 */
export async function inviteRow(
  request: Request,
  entry: Entry,
  input: () => Promise<OfficerInvitee>,
  path: readonly string[],
): Promise<InvitedRow> {
  try {
    return { outcome: 'INVITED', faults: [], ...(await inviteOfficer(request, entry, await input(), path)) }
  } catch (error) {
    if (error instanceof InputRefused) return refusedRow(error)
    throw error
  }
}

/** Whether there are members among these whose officers the actor does not decide on. */
export async function demandManagerOfAll(db: Db, request: Request, memberIds: readonly string[]): Promise<void> {
  const foreign = memberIds.filter(id => !mayManage(request.actor, id))
  if (foreign.length === 0) return
  const known = await db.selectFrom('members').select('id').where('id', 'in', foreign).limit(1).execute()
  for (const { id } of known) demandManager(request, id)
}

/** Invites somebody to the staff. Who may, the SDL says. @throws InputRefused as `inviteOfficer` */
export async function inviteStaff(request: Request, entry: Entry, input: Invitee): Promise<Invited> {
  const person = checkPerson(input)
  const expiresAt = endOf(request.now, input.expiresAt, ['input', 'expiresAt'])
  return change(request, async (tx, report) => {
    await demandUninvited(tx, request, { memberId: null, email: person.email }, ['input', 'email'])
    return invite(tx, report, request, entry, { kind: 'STAFF', ...person, locale: input.locale, expiresAt })
  })
}

/** @throws NotFound for an invitation that there is not, or that the actor may not see */
async function hold(tx: Tx, { actor }: Request, id: string): Promise<InvitationRow> {
  const invitation = await holdInvitation(tx, actor, id)
  if (!invitation) throw new NotFound(text('There is no such invitation.', '没有这份邀请。'))
  return invitation
}

/**
 * Sends an invitation anew: with a new code, a new mail and a new end. Its codes until now end.
 * @throws NotFound; InputRefused with WRONG_STATUS for one that was accepted or revoked, and as `inviteOfficer`
 */
export async function resendInvitation(
  request: Request,
  entry: Entry,
  id: string,
  asked?: Date | null,
): Promise<Invited> {
  const expiresAt = endOf(request.now, asked, ['expiresAt'])
  return change(request, async (tx, report) => {
    await demandOffice(tx, request)
    const invitation = await hold(tx, request, id)
    const { memberId, email, role } = invitation
    const state = stateOf(invitation, request.now)
    if (state === 'ACCEPTED' || state === 'REVOKED')
      refuse(
        'WRONG_STATUS',
        ['id'],
        `The invitation is ${state}; only one that is PENDING or EXPIRED is sent anew.`,
        `该邀请的状态为 ${state}，只有 PENDING 或 EXPIRED 的邀请可以重新发送。`,
      )
    const member = memberId === null ? null : await demandPresence(tx, memberId, ['id'])
    if (role) demandRank(request, role, ['id'])
    if (memberId !== null) await demandRest(tx, request, { memberId, email }, ['id'])
    // One that is pending is in its own way.
    if (state === 'EXPIRED') await demandUninvited(tx, request, { memberId, email }, ['id'])
    await deleteCodes(tx, id)
    const mailId = await sendLetter(tx, report, request, { ...invitation, expiresAt }, member?.names ?? null)
    await tx.updateTable('invitations').set({ expiresAt, mailId }).where('id', '=', id).execute()
    await reportInvitation(report, invitation, 'RESENT')
    const code = await shownCode(tx, request, entry, id)
    return { invitation: await readInvitation(tx, id), code }
  })
}

/** Takes an invitation back. Doing so again changes nothing. @throws NotFound; InputRefused for one that was accepted */
export async function revokeInvitation(request: Request, id: string, reason?: string | null): Promise<InvitationRow> {
  const check = checkInput()
  const revokedReason = check.optionalText(reason, ['reason'], 500)
  check.done()
  return change(request, async (tx, report) => {
    await demandOffice(tx, request)
    const invitation = await hold(tx, request, id)
    if (invitation.acceptedAt)
      refuse(
        'WRONG_STATUS',
        ['id'],
        'The invitation was accepted. To end what it gave, use removeOfficer or revokeToken.',
        '该邀请已被接受。如需收回，请使用 removeOfficer 或 revokeToken。',
      )
    if (invitation.revokedAt) return invitation
    const revokedBy = actorReference(request.actor)
    await tx
      .updateTable('invitations')
      .set({ revokedAt: request.now, revokedBy, revokedReason })
      .where('id', '=', id)
      .execute()
    await reportInvitation(report, invitation, 'REVOKED')
    return readInvitation(tx, id)
  })
}

/** The code of an invitation's mail, made when the mail is sent; null when it was revoked, accepted or sent anew since. */
export const invitationCode: MakeCode = ({ db, now }, mail) =>
  transact(db, async tx => ((await holdForMail(tx, mail, now)) ? insertCode(tx, mail.about) : null))
