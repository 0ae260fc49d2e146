import { type Selectable, sql } from 'kysely'
import type { Actor } from '../access/actor.ts'
import type { Db } from '../database/client.ts'
import type { AnnouncementRecipients, AnnouncementRevisions, Announcements } from '../database/tables.ts'

export type AnnouncementRow = Selectable<Announcements>
export type AnnouncementRevisionRow = Selectable<AnnouncementRevisions> & { by: string }
export type RecipientRow = Selectable<AnnouncementRecipients>

/** The announcements with these UUIDs that the actor may see, in no order. */
export function findAnnouncements(db: Db, _actor: Actor, ids: readonly string[]): Promise<AnnouncementRow[]> {
  return db.selectFrom('announcements').selectAll().where('id', '=', sql<string>`any(${ids}::uuid[])`).execute()
}
