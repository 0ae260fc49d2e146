import { type Actor, isStaff } from '../access/actor.ts'
import type { OfficerRole } from '../access/permissions.ts'
import type { InvitationRow, InvitationState } from './invitation-store.ts'

const rank: Readonly<Record<OfficerRole, number>> = { VIEWER: 1, LIAISON: 2, REPRESENTATIVE: 3 }

/** Whether the actor decides who acts for a member: the secretariat for any, an officer for its own. */
export function mayManage(actor: Actor, memberId: string): boolean {
  return isStaff(actor) || (actor.kind === 'OFFICER' && actor.memberId === memberId)
}

/** Whether the actor may give a role, or take it away: the secretariat any, an officer none above its own. */
export function mayGrant(actor: Actor, role: OfficerRole): boolean {
  return isStaff(actor) || (actor.kind === 'OFFICER' && rank[role] <= rank[actor.role])
}

/** How an invitation stands at a moment. */
export function stateOf(
  { acceptedAt, revokedAt, expiresAt }: Pick<InvitationRow, 'acceptedAt' | 'revokedAt' | 'expiresAt'>,
  now: Date,
): InvitationState {
  if (acceptedAt) return 'ACCEPTED'
  if (revokedAt) return 'REVOKED'
  return expiresAt > now ? 'PENDING' : 'EXPIRED'
}

/**
 * Whether a member keeps a representative when one of its officers gets another role or, with null, none. A member that
 * has none loses none.
 */
export function keepsRepresentative(
  officers: readonly { readonly id: string; readonly role: OfficerRole }[],
  changedId: string,
  role: OfficerRole | null,
): boolean {
  const isOne = ({ role }: { readonly role: OfficerRole | null }) => role === 'REPRESENTATIVE'
  const after = officers.map(officer => (officer.id === changedId ? { role } : officer))
  return after.some(isOne) || !officers.some(isOne)
}
