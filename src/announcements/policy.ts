import { type Actor, isStaff, type Officer } from '../access/actor.ts'
import { Forbidden, refuse, text } from '../errors.ts'
import type { AnnouncementRow } from './store.ts'

type Status = AnnouncementRow['status']

const chinese: Record<Status, string> = {
  DRAFT: '草稿',
  SCHEDULED: '待发布',
  PUBLISHED: '已发布',
  RETRACTED: '已撤回',
}

/** From which statuses each step leads. */
const steps = {
  edit: ['DRAFT', 'SCHEDULED', 'PUBLISHED'],
  schedule: ['DRAFT', 'SCHEDULED'],
  unschedule: ['SCHEDULED'],
  publish: ['DRAFT', 'SCHEDULED'],
  retract: ['PUBLISHED'],
  remind: ['PUBLISHED'],
  acknowledge: ['PUBLISHED'],
} as const satisfies Record<string, readonly Status[]>

/** What can be done with an announcement. */
export type Step = keyof typeof steps

/** @throws InputRefused with WRONG_STATUS when the step does not lead on from the announcement's status */
export function checkStatus(announcement: Pick<AnnouncementRow, 'status'>, step: Step): void {
  const allowed: readonly Status[] = steps[step]
  if (allowed.includes(announcement.status)) return
  refuse(
    'WRONG_STATUS',
    [],
    `The announcement is ${announcement.status}; this needs one that is ${allowed.join(' or ')}.`,
    `该公告的状态为“${chinese[announcement.status]}”；此操作只适用于“${allowed.map(status => chinese[status]).join('”“')}”的公告。`,
  )
}

/** Whether an announcement stands on top of the lists at this moment. */
export function isPinned(announcement: Pick<AnnouncementRow, 'status' | 'pinnedUntil'>, now: Date): boolean {
  return announcement.status === 'PUBLISHED' && announcement.pinnedUntil !== null && announcement.pinnedUntil > now
}

/** The actor as an officer of a member. @throws Forbidden for everybody else */
export function asOfficer(actor: Actor): Officer {
  if (actor.kind === 'OFFICER') return actor
  throw new Forbidden(
    text('Only an officer of a member has an inbox and acknowledges.', '只有成员的联络员才有收件箱并可确认公告。'),
  )
}

/**
 * The SDL asks for ANNOUNCEMENTS_WRITE already. But services are called from elsewhere, too, such as the scheduler and the
 * command line, and a portal may one day be given that permission: who writes for the alliance is decided here.
 * @throws Forbidden for everybody but the secretariat and programs of the house
 */
export function demandStaff(actor: Actor): void {
  if (isStaff(actor)) return
  throw new Forbidden(text('Only the secretariat writes announcements.', '只有秘书处可以撰写公告。'))
}
