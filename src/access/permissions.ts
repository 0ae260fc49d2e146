/** What a token can be allowed to do. Equal to the enum Permission of the SDL, which says what each means. */
export const permissions = [
  'PROFILE_WRITE',
  'PROFILE_HISTORY_READ',
  'CONTACTS_READ',
  'DIRECTORY_FOLLOW',
  'MEMBERS_REGISTER',
  'MEMBERSHIP_DECIDE',
  'MEMBERSHIP_HISTORY_READ',
  'CREDIT_CODE_REVIEW',
  'OFFICES_MANAGE',
  'ANNOUNCEMENTS_WRITE',
  'INBOX_READ',
  'ANNOUNCEMENTS_ACKNOWLEDGE',
  'ACCESS_MANAGE',
  'INITIATIVE_MANAGE',
  'INITIATIVE_SIGN',
  'INITIATIVE_WITHDRAW',
  'OFFICERS_READ',
  'OFFICERS_MANAGE',
] as const

export type Permission = (typeof permissions)[number]

/** Roles inside a member: representative 「代表」, liaison 「联络员」, viewer. */
export type OfficerRole = 'REPRESENTATIVE' | 'LIAISON' | 'VIEWER'

/** How a body stands to the alliance. Equal to the enum MembershipStatus of the SDL. */
export type MembershipStatus = 'LISTED' | 'ADMITTED' | 'SUSPENDED' | 'WITHDRAWN' | 'EXPELLED'

const none: ReadonlySet<Permission> = new Set()
const reading: ReadonlySet<Permission> = new Set<Permission>([
  'PROFILE_HISTORY_READ',
  'MEMBERSHIP_HISTORY_READ',
  'DIRECTORY_FOLLOW',
  'CONTACTS_READ',
  'INBOX_READ',
  'OFFICERS_READ',
])
const writing: ReadonlySet<Permission> = new Set<Permission>([...reading, 'PROFILE_WRITE', 'ANNOUNCEMENTS_ACKNOWLEDGE'])
/** What a representative may do besides: sign for its member, and say who acts for it. */
const signing: readonly Permission[] = ['INITIATIVE_SIGN', 'INITIATIVE_WITHDRAW', 'OFFICERS_MANAGE']
const representing: ReadonlySet<Permission> = new Set<Permission>([...writing, ...signing])
/** Of a body that has not joined: keep its own entry true, and nothing of the members' common life. */
const listedReading: ReadonlySet<Permission> = new Set<Permission>([
  'PROFILE_HISTORY_READ',
  'MEMBERSHIP_HISTORY_READ',
  'CONTACTS_READ',
  'OFFICERS_READ',
])
const listedWriting: ReadonlySet<Permission> = new Set<Permission>([...listedReading, 'PROFILE_WRITE'])
const listedRepresenting: ReadonlySet<Permission> = new Set<Permission>([...listedWriting, ...signing])

/** What an officer may do: by its role, and by how its member stands to the alliance. */
export function officerPermissions(role: OfficerRole, status: MembershipStatus): ReadonlySet<Permission> {
  switch (status) {
    case 'ADMITTED':
      return { VIEWER: reading, LIAISON: writing, REPRESENTATIVE: representing }[role]
    case 'LISTED':
      return { VIEWER: listedReading, LIAISON: listedWriting, REPRESENTATIVE: listedRepresenting }[role]
    case 'SUSPENDED':
      return reading
    case 'WITHDRAWN':
    case 'EXPELLED':
      return none
  }
}

/** What the secretariat's staff 「秘书处」 may do: everything but what an officer does for its own member. */
export const secretariatPermissions: ReadonlySet<Permission> = new Set(
  permissions.filter(
    permission => !['INBOX_READ', 'ANNOUNCEMENTS_ACKNOWLEDGE', 'INITIATIVE_SIGN'].includes(permission),
  ),
)

/** What a portal's key can be given besides all that is public. */
export const portalScopes: readonly Permission[] = ['DIRECTORY_FOLLOW']
