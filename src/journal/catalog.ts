/**
 * What happens in the alliance, as the journal tells it: every type of event with its detail.
 * Events carry ids, never contents: readers load what they may see. `subject` is the UUID of the thing.
 */
export interface Events {
  /** A body was entered in the directory. Subject: the member. */
  'member.registered': Record<string, never>
  /** The profile changed. Subject: the member. */
  'member.profile': { version: number; fields: string[] }
  /** The contacts changed. Subject: the member. */
  'member.contacts': { version: number }
  /** The membership changed its status. Subject: the member. */
  'member.membership': { from: string; to: string; version: number }
  /**
   * A term of office was given, ended or put right; `change` is a value of OfficeTermChangeKind, `term` the term's UUID.
   * What a leaving member held ends with its `member.membership`. Subject: the member.
   */
  'office.changed': { term: string; version: number; change: 'GRANTED' | 'ENDED' | 'STRUCK' | 'CORRECTED' }
  /** A token ended before its time: its sockets close. Subject: the token. */
  'token.revoked': Record<string, never>
  /**
   * A token was issued, to an account or to a portal; to an officer together with the role in the member, which holds
   * for the account's other tokens, too. Subject: the token.
   */
  'token.issued': {
    kind: 'OFFICER' | 'SECRETARIAT' | 'PORTAL'
    accountId: string | null
    memberId: string | null
    role: 'REPRESENTATIVE' | 'LIAISON' | 'VIEWER' | null
    portalId: string | null
  }
  /** Somebody was removed from the secretariat's staff. Subject: the account. */
  'staff.removed': Record<string, never>
  /** A portal was registered. Subject: the portal. */
  'portal.registered': Record<string, never>
  /** A mail was put in the outbox; `purpose` is a value of MailPurpose. Subject: the mail. */
  'mail.written': { purpose: string }
  /**
   * A step of an invitation to act for a member, or to join the staff, which has no member. The one who accepted is
   * the actor. Subject: the invitation.
   */
  'invitation.changed': { change: 'INVITED' | 'RESENT' | 'REVOKED' | 'ACCEPTED'; memberId: string | null }
  /**
   * Somebody acts for a member, with another role, or no more: then `role` is null. The role holds for all tokens of the
   * account in the member. Subject: the officer.
   */
  'officer.changed': {
    change: 'JOINED' | 'ROLE' | 'REMOVED' | 'LEFT'
    accountId: string
    memberId: string
    role: 'REPRESENTATIVE' | 'LIAISON' | 'VIEWER' | null
  }
  /** Places and vocabularies were loaded anew. Subject: `referenceData`. */
  'reference.loaded': Record<string, never>
  /** Published, by a person or on its time. Subject: the announcement. */
  'announcement.published': { version: number }
  /** Anything else about an announcement; `change` is a value of AnnouncementChangeKind. Subject: the announcement. */
  'announcement.changed': {
    version: number
    change: 'DRAFTED' | 'EDITED' | 'SCHEDULED' | 'UNSCHEDULED' | 'RETRACTED' | 'REMINDED' | 'ACKNOWLEDGED'
  }
  /** A draft of the initiative was begun, edited or thrown away. Subject: the version of the initiative. */
  'initiative.drafted': { version: number; change: 'DRAFTED' | 'EDITED' | 'DISCARDED' }
  /** A version of the initiative was opened for signature, and the one before superseded. Subject: the version. */
  'initiative.opened': { number: number; requiresRenewal: boolean }
  /** A member signed. `binding` is the digest over what the signature binds, for the log to witness. Subject: the signature. */
  'initiative.signed': { versionId: string; memberId: string; binding: string }
  /** The secretariat countersigned. Subject: the signature. */
  'initiative.countersigned': { memberId: string }
  /** A signature was withdrawn. Subject: the signature. */
  'initiative.withdrawn': { memberId: string }
}

/** The subject of events about places and vocabularies as a whole. */
export const referenceData = '00000000-0000-7000-8000-000000000000'

/** The name of a type of event. */
export type EventType = keyof Events

/**
 * Who may hear of an event:
 * PUBLIC everybody; SUBJECT whoever may see the subject when the event is delivered;
 * MEMBERS the officers of `audienceMembers`, and the secretariat; SECRETARIAT its staff alone.
 */
export type Audience = 'PUBLIC' | 'SUBJECT' | 'MEMBERS' | 'SECRETARIAT'

/** An event as a service reports it. */
export interface NewEvent<Type extends EventType = EventType> {
  readonly type: Type
  /** UUID of the thing that it happened to. */
  readonly subject: string
  readonly detail: Events[Type]
  readonly audience: Audience
  /** UUIDs of members; only with the audience MEMBERS. */
  readonly audienceMembers?: readonly string[]
}

/** On whose account something happened. */
export interface Cause {
  /** `account:<uuid>`, `portal:<uuid>` or the name of a program such as `scheduler`. */
  readonly actor: string
  /** UUID of the member that the actor acted for; null for the secretariat and programs. */
  readonly onBehalfOf: string | null
  readonly requestId: string | null
  readonly at: Date
}

/** An event in the log, at its place in the one order that all listeners see. */
export interface JournalEvent<Type extends EventType = EventType> extends Cause {
  /** From 1, without holes. */
  readonly seq: number
  readonly type: Type
  readonly subject: string
  readonly detail: Events[Type]
  readonly audience: Audience
  readonly audienceMembers: readonly string[]
}

/** Narrows an event to one type. */
export function isEvent<Type extends EventType>(event: JournalEvent, type: Type): event is JournalEvent<Type> {
  return event.type === type
}
