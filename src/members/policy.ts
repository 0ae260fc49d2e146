import { type Actor, isStaff } from '../access/actor.ts'
import type { memberTypes } from '../ids.ts'
import type { MemberRow } from './store.ts'

const types = { CITY: 'City', ASSOCIATION: 'Association', COMPANY: 'Company' } as const

/** The SDL type of a member, which is also the type of its id. */
export function memberType(member: Pick<MemberRow, 'kind'>): (typeof memberTypes)[number] {
  return types[member.kind]
}

/** Whether the actor speaks for this member or for the secretariat. */
function ownOrStaff(actor: Actor, memberId: string): boolean {
  return isStaff(actor) || (actor.kind === 'OFFICER' && actor.memberId === memberId)
}

/**
 * Whether this member's profile and contacts are the actor's to change: an officer's own member's, any for the
 * secretariat. That the actor may change profiles at all is the permission PROFILE_WRITE, which officers of suspended
 * members lack.
 */
export function mayEditMember(actor: Actor, memberId: string): boolean {
  return ownOrStaff(actor, memberId)
}

/** Who changed a profile or a membership, and why, is for the member's own officers and the secretariat. */
export function mayReadHistory(actor: Actor, memberId: string): boolean {
  return ownOrStaff(actor, memberId)
}

/** Contact details are for members among themselves: the officers of a body that has not joined read its own alone. */
export function mayReadContacts(actor: Actor, memberId: string): boolean {
  return !(actor.kind === 'OFFICER' && actor.memberStatus === 'LISTED' && actor.memberId !== memberId)
}
