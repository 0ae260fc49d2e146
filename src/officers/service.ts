import { actorReference, type Officer } from '../access/actor.ts'
import type { OfficerRole } from '../access/permissions.ts'
import { change, type Report, type Request } from '../access/request.ts'
import { demandPresence, revokeTokens } from '../access/tokens.ts'
import type { Tx } from '../database/client.ts'
import { NotFound, refuse, text } from '../errors.ts'
import { checkInput } from '../input.ts'
import type { Events } from '../journal/catalog.ts'
import { revokePendingOf } from './invitation-store.ts'
import { demandManager, demandRank, reportInvitation, roleChanged } from './invitations.ts'
import { keepsRepresentative } from './policy.ts'
import { findOfficer, findTokensOf, holdOfficers, type OfficerRow } from './store.ts'

type Held = Pick<OfficerRow, 'id' | 'accountId' | 'memberId' | 'role'>
type Step = Events['officer.changed']['change']

/** Reports who acts for a member now: to its officers and the secretariat. */
export function reportOfficer(
  report: Report,
  { id, accountId, memberId, role }: Omit<Held, 'role'> & { readonly role: OfficerRole | null },
  change: Step,
): Promise<void> {
  const detail = { change, accountId, memberId, role }
  return report({ type: 'officer.changed', subject: id, detail, audience: 'MEMBERS', audienceMembers: [memberId] })
}

function noSuchOfficer(): NotFound {
  return new NotFound(text('There is no such officer.', '没有这个人员。'))
}

/** @throws InputRefused when the member would lose its last representative */
function demandRepresentative(
  officers: readonly Held[],
  changed: Held,
  role: OfficerRole | null,
  field: string[],
): void {
  if (keepsRepresentative(officers, changed.id, role)) return
  refuse(
    'WRONG_STATUS',
    field,
    'This is the last representative of the member. Make somebody else representative first, or hand over.',
    '这是该成员的最后一位代表。请先任命其他代表，或办理移交。',
  )
}

/** All officers of a member, held, the actor itself among them as it stands now. */
async function holdAll(tx: Tx, { actor }: Request, memberId: string): Promise<{ officers: Held[]; own: Held | null }> {
  const officers = await holdOfficers(tx, memberId)
  const own = actor.kind === 'OFFICER' ? officers.find(({ accountId }) => accountId === actor.accountId) : null
  return { officers, own: own ?? null }
}

/**
 * An officer that the actor may see and change, with all of its member, held.
 * @throws NotFound; Forbidden; InputRefused for one above the actor
 */
async function holdForChange(tx: Tx, request: Request, id: string): Promise<{ officers: Held[]; officer: Held }> {
  const { actor } = request
  const seen = await findOfficer(tx, actor, id)
  if (!seen) throw noSuchOfficer()
  demandManager(request, seen.memberId)
  const { officers, own } = await holdAll(tx, request, seen.memberId)
  // Between the look at its token and this moment somebody may have taken the role away.
  if (actor.kind === 'OFFICER' && own?.role !== actor.role) throw roleChanged()
  const officer = officers.find(one => one.id === id)
  if (!officer) throw noSuchOfficer()
  demandRank(request, officer.role, ['id'])
  return { officers, officer }
}

async function setRole(tx: Tx, report: Report, officer: Held, role: OfficerRole): Promise<void> {
  await tx.updateTable('officers').set({ role }).where('id', '=', officer.id).execute()
  await reportOfficer(report, { ...officer, role }, 'ROLE')
}

/** Takes an officer's place away, and with it the tokens. */
async function end(
  tx: Tx,
  report: Report,
  request: Request,
  officer: Held,
  step: Extract<Step, 'REMOVED' | 'LEFT'>,
  reason: string,
): Promise<void> {
  await revokeTokens(tx, report, request, await findTokensOf(tx, officer), reason)
  await tx.deleteFrom('officers').where('id', '=', officer.id).execute()
  await reportOfficer(report, { ...officer, role: null }, step)
}

/** Revokes what somebody invited from whom the right to was taken: it may be a way back. */
async function revokeInvited(tx: Tx, report: Report, request: Request, officer: Held): Promise<void> {
  const { memberId } = officer
  const ids = await revokePendingOf(tx, officer, {
    revokedAt: request.now,
    revokedBy: actorReference(request.actor),
    revokedReason: '邀请人已不再具有邀请权限。 Who invited may do so no more.',
  })
  for (const id of ids) await reportInvitation(report, { id, memberId }, 'REVOKED')
}

/**
 * Changes the role of an officer, and answers its UUID. The same role changes nothing.
 * @throws NotFound; Forbidden; InputRefused for a role above the actor's own, and for the last representative
 */
export function changeOfficerRole(request: Request, id: string, role: OfficerRole): Promise<string> {
  return change(request, async (tx, report) => {
    const { officers, officer } = await holdForChange(tx, request, id)
    await demandPresence(tx, officer.memberId, ['id'])
    demandRank(request, role, ['role'])
    if (officer.role === role) return id
    demandRepresentative(officers, officer, role, ['role'])
    await setRole(tx, report, officer, role)
    if (officer.role === 'REPRESENTATIVE') await revokeInvited(tx, report, request, officer)
    return id
  })
}

/**
 * Takes an officer's place in the member away: its tokens for that member end, and so do its pending invitations.
 * @throws NotFound; Forbidden; InputRefused without a reason, and for the last representative
 */
export function removeOfficer(request: Request, id: string, reason: string): Promise<void> {
  const check = checkInput()
  const why = check.text(reason, ['reason'], 500)
  check.done()
  return change(request, async (tx, report) => {
    const { officers, officer } = await holdForChange(tx, request, id)
    demandRepresentative(officers, officer, null, ['id'])
    await end(tx, report, request, officer, 'REMOVED', why)
    await revokeInvited(tx, report, request, officer)
  })
}

/** The actor as an officer of a member. @throws InputRefused for everybody else */
function asOfficer({ actor }: Request): Officer {
  if (actor.kind === 'OFFICER') return actor
  refuse(
    'WRONG_STATUS',
    [],
    'You act for no member: this is for officers. Use changeOfficerRole or removeOfficer.',
    '您不代表任何成员，此操作仅供成员人员使用。请使用 changeOfficerRole 或 removeOfficer。',
  )
}

/** The actor's own place in its member, with all of the member, held. @throws NotFound when it was removed meanwhile */
async function holdOwn(tx: Tx, request: Request): Promise<{ officers: Held[]; own: Held }> {
  const { officers, own } = await holdAll(tx, request, asOfficer(request).memberId)
  if (!own) throw noSuchOfficer()
  return { officers, own }
}

/** Leaves the own member. @throws InputRefused for the last representative, and for who is no officer */
export async function leaveMember(request: Request): Promise<void> {
  asOfficer(request)
  await change(request, async (tx, report) => {
    const { officers, own } = await holdOwn(tx, request)
    demandRepresentative(officers, own, null, [])
    await end(tx, report, request, own, 'LEFT', 'left')
    await revokeInvited(tx, report, request, own)
  })
}

/**
 * Makes another officer representative, and the actor, who was, liaison or none: in one step, so that the member is never
 * without. Answers the UUIDs of both, null for an actor who left.
 * @throws InputRefused for an officer that there is not, oneself, and an actor who is no representative
 */
export async function handOver(
  request: Request,
  input: { readonly to: string; readonly leave: boolean },
): Promise<{ to: string; own: string | null }> {
  asOfficer(request)
  return change(request, async (tx, report) => {
    const { officers, own } = await holdOwn(tx, request)
    const field = ['input', 'to']
    if (own.role !== 'REPRESENTATIVE')
      refuse('WRONG_STATUS', [], 'Only a representative hands over.', '只有代表可以移交。')
    const to = officers.find(({ id }) => id === input.to)
    if (!to) refuse('NOT_FOUND', field, 'There is no such officer of your member.', '本成员没有这个人员。')
    if (to.id === own.id) refuse('INVALID', field, 'Name somebody else than yourself.', '请指定您以外的人员。')
    await demandPresence(tx, own.memberId, [])
    if (to.role !== 'REPRESENTATIVE') await setRole(tx, report, to, 'REPRESENTATIVE')
    if (input.leave) await end(tx, report, request, own, 'LEFT', 'handed over')
    else await setRole(tx, report, own, 'LIAISON')
    await revokeInvited(tx, report, request, own)
    return { to: to.id, own: input.leave ? null : own.id }
  })
}
