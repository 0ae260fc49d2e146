import { Forbidden, text, Unauthenticated } from '../errors.ts'
import type { MembershipStatus, OfficerRole, Permission } from './permissions.ts'

interface SignedIn {
  readonly tokenId: string
  readonly expiresAt: Date
  readonly permissions: ReadonlySet<Permission>
  /** The name of the account or portal. */
  readonly name: string
}

/** An officer: an account acting for one member. */
export interface Officer extends SignedIn {
  readonly kind: 'OFFICER'
  readonly accountId: string
  readonly memberId: string
  readonly memberStatus: MembershipStatus
  readonly role: OfficerRole
}

/** One of the secretariat's staff 「秘书处」. */
export interface Staff extends SignedIn {
  readonly kind: 'SECRETARIAT'
  readonly accountId: string
}

/** A partner portal with an API key. */
export interface PortalKey extends SignedIn {
  readonly kind: 'PORTAL'
  readonly portalId: string
}

/** A caller without a token. */
export interface Anonymous {
  readonly kind: 'ANONYMOUS'
  readonly permissions: ReadonlySet<Permission>
}

/** The service itself or its operator at the command line: no token, all that the secretariat may do. */
export interface Program {
  readonly kind: 'PROGRAM'
  /** What the histories show, such as `scheduler`. */
  readonly name: string
  readonly permissions: ReadonlySet<Permission>
}

/** Who is calling. */
export type Actor = Anonymous | Officer | Staff | PortalKey | Program

export const anonymous: Anonymous = { kind: 'ANONYMOUS', permissions: new Set() }

/** Whether the actor sees what the secretariat sees. */
export function isStaff(actor: Actor): actor is Staff | Program {
  return actor.kind === 'SECRETARIAT' || actor.kind === 'PROGRAM'
}

/** The actor as the journal and the histories write it: `account:<uuid>`, `portal:<uuid>`, `anonymous` or the name of a program. */
export function actorReference(actor: Actor): string {
  switch (actor.kind) {
    case 'OFFICER':
    case 'SECRETARIAT':
      return `account:${actor.accountId}`
    case 'PORTAL':
      return `portal:${actor.portalId}`
    case 'ANONYMOUS':
      return 'anonymous'
    case 'PROGRAM':
      return actor.name
  }
}

const permissionKeys = new WeakMap<ReadonlySet<Permission>, string>()

/** Equal for equal sets of permissions. */
export function permissionsKey(permissions: ReadonlySet<Permission>): string {
  const known = permissionKeys.get(permissions)
  if (known !== undefined) return known
  const key = [...permissions].sort().join(',')
  permissionKeys.set(permissions, key)
  return key
}

/**
 * Equal for two actors who see exactly the same: the key by which live executions are shared.
 * Permissions are part of it, since the same account may come with another role; so is the membership, by which row
 * rules decide.
 * @param isPersonal whether they look at something that depends on the account or the token itself, such as what its
 * bearer has read. Without it the officers of one member see the same, and so do all of the staff and all portals.
 */
export function visibilityKey(actor: Actor, isPersonal: boolean): string {
  const permissions = permissionsKey(actor.permissions)
  // A token is of one account or portal.
  const bearer = isPersonal && 'tokenId' in actor ? ` ${actor.tokenId}` : ''
  switch (actor.kind) {
    case 'OFFICER':
      return `officer ${actor.memberId} ${actor.memberStatus} ${permissions}${bearer}`
    case 'SECRETARIAT':
    case 'PROGRAM':
      return `secretariat ${permissions}${bearer}`
    case 'PORTAL':
      return `portal ${permissions}${bearer}`
    case 'ANONYMOUS':
      return 'anonymous'
  }
}

/** @throws Unauthenticated or Forbidden when the actor lacks the permission */
export function demand(actor: Actor, permission: Permission): void {
  if (actor.permissions.has(permission)) return
  if (actor.kind === 'ANONYMOUS')
    throw new Unauthenticated(
      text(
        `This needs the permission ${permission}: send a token as "Authorization: Bearer mva_…".`,
        `此操作需要权限 ${permission}：请以“Authorization: Bearer mva_…”发送令牌。`,
      ),
    )
  throw new Forbidden(
    text(
      `Your token does not carry the permission ${permission}. Ask the secretariat for a role that does.`,
      `您的令牌没有权限 ${permission}。请向秘书处申请相应的角色。`,
    ),
  )
}
