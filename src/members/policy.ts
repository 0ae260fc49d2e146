import { type Actor, isStaff } from '../access/actor.ts'
import { Forbidden, text } from '../errors.ts'
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

/**
 * Who changed a profile or a membership, and why, is for the member's own officers and the secretariat.
 * @throws Forbidden for everybody else
 */
export function demandHistory(actor: Actor, memberId: string): void {
  if (!ownOrStaff(actor, memberId))
    throw new Forbidden(
      text(
        "A member's history is for its own officers and the secretariat.",
        '成员的历史记录仅供其本单位联络员与秘书处查看。',
      ),
    )
}

/**
 * Contact details are for members among themselves: the officers of a body that has not joined read its own alone.
 * @throws Forbidden
 */
export function demandContacts(actor: Actor, memberId: string): void {
  if (actor.kind === 'OFFICER' && actor.memberStatus === 'LISTED' && actor.memberId !== memberId)
    throw new Forbidden(
      text(
        'Contact details are for members. Your body is listed and has not joined; you can read its own contacts.',
        '联系方式仅供成员查看。贵单位尚未入会，只能查看本单位的联系方式。',
      ),
    )
}
