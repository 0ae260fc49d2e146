import { actorReference } from '../access/actor.ts'
import type { Report, Request } from '../access/request.ts'
import type { Tx } from '../database/client.ts'
import { conflict, NotFound, text } from '../errors.ts'
import type { Events } from '../journal/catalog.ts'
import { type AnnouncementRevisionRow, insertRevision } from './revisions.ts'
import {
  type AnnouncementColumns,
  type AnnouncementRow,
  lockAnnouncement,
  updateAnnouncement,
  type WholeAnnouncement,
} from './store.ts'

/** The error for an announcement that does not exist or is not to be seen. */
export function noSuchAnnouncement(): NotFound {
  return new NotFound(text('There is no such announcement.', '没有这份公告。'))
}

/** An announcement, held for a change. @throws NotFound */
export async function holdAnnouncement(tx: Tx, id: string): Promise<WholeAnnouncement> {
  const announcement = await lockAnnouncement(tx, id)
  if (!announcement) throw noSuchAnnouncement()
  return announcement
}

/**
 * An announcement at the version that the caller saw, held for a change.
 * @throws NotFound; InputRefused with CONFLICT when it has moved on
 */
export async function holdVersion(
  tx: Tx,
  id: string,
  expectedVersion: number,
  field: readonly string[] = ['expectedVersion'],
): Promise<WholeAnnouncement> {
  const announcement = await holdAnnouncement(tx, id)
  if (announcement.version !== expectedVersion) conflict(expectedVersion, announcement, field)
  return announcement
}

/** One step of an announcement's life. */
export interface StepTaken {
  readonly change: AnnouncementRevisionRow['change']
  readonly reason?: string | null
  /** The columns that it changes, besides the version and the moment. */
  readonly set: AnnouncementColumns
}

/** Takes a step: the next version and its revision. The event is the caller's. */
export async function takeStep(
  tx: Tx,
  request: Request,
  announcement: AnnouncementRow,
  step: StepTaken,
): Promise<WholeAnnouncement> {
  const row = await updateAnnouncement(tx, announcement.id, {
    ...step.set,
    version: announcement.version + 1,
    updatedAt: request.now,
  })
  await insertRevision(tx, row, {
    change: step.change,
    reason: step.reason ?? null,
    actor: actorReference(request.actor),
    at: request.now,
  })
  return row
}

/** Reports a publication: to everybody when it is public, else to those who may see it. */
export function reportPublished(report: Report, announcement: AnnouncementRow): Promise<void> {
  return report({
    type: 'announcement.published',
    subject: announcement.id,
    detail: { version: announcement.version },
    audience: announcement.isPublic ? 'PUBLIC' : 'SUBJECT',
  })
}

/** Reports a change: to those who may see the announcement once it was published, before that to the secretariat. */
export function reportChanged(
  report: Report,
  announcement: AnnouncementRow,
  change: Events['announcement.changed']['change'],
): Promise<void> {
  return report({
    type: 'announcement.changed',
    subject: announcement.id,
    detail: { version: announcement.version, change },
    audience: announcement.publishedAt === null ? 'SECRETARIAT' : 'SUBJECT',
  })
}
