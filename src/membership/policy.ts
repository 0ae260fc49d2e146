import type { MembershipStatus } from '../access/permissions.ts'

/** What the secretariat can decide on a membership. */
export type Decision = 'ADMIT' | 'SUSPEND' | 'REINSTATE' | 'WITHDRAW' | 'EXPEL'

/** From which statuses each decision leads where. A body that left comes back by a new admission. */
const table: Record<Decision, { readonly from: readonly MembershipStatus[]; readonly to: MembershipStatus }> = {
  ADMIT: { from: ['LISTED', 'WITHDRAWN', 'EXPELLED'], to: 'ADMITTED' },
  SUSPEND: { from: ['ADMITTED'], to: 'SUSPENDED' },
  REINSTATE: { from: ['SUSPENDED'], to: 'ADMITTED' },
  WITHDRAW: { from: ['ADMITTED', 'SUSPENDED'], to: 'WITHDRAWN' },
  EXPEL: { from: ['ADMITTED', 'SUSPENDED'], to: 'EXPELLED' },
}

/** The status after a decision; null when the present status does not allow it. */
export function statusAfter(present: MembershipStatus, decision: Decision): MembershipStatus | null {
  const { from, to } = table[decision]
  return from.includes(present) ? to : null
}

/** The statuses that allow a decision. */
export function statusesBefore(decision: Decision): readonly MembershipStatus[] {
  return table[decision].from
}

/** Whether nobody acts for a body any more when it comes to this status, so that its officers' tokens and its portals' keys end. */
export function endsOffice(status: MembershipStatus): boolean {
  return status === 'WITHDRAWN' || status === 'EXPELLED'
}
