import { type Selectable, sql } from 'kysely'
import type { Db, Tx } from '../database/client.ts'
import { json } from '../database/json.ts'
import type { AnnouncementRevisions } from '../database/tables.ts'
import type { Translations } from '../languages.ts'
import type { Audience } from './audience.ts'
import type { AnnouncementRow, Attachment, WholeAnnouncement } from './store.ts'

/** What an announcement said at one version; moments as RFC 3339. */
type Snapshot = {
  titles: Translations
  bodies: Translations
  category: AnnouncementRow['category']
  urgency: AnnouncementRow['urgency']
  attachments: Attachment[]
  audience: Audience
  acknowledgeBy: string | null
  pinnedUntil: string | null
  publishAt: string | null
}

/** One edit or step, with the name of the one who made it and the titles of its snapshot. */
export type AnnouncementRevisionRow = Omit<Selectable<AnnouncementRevisions>, 'snapshot' | 'actor'> & {
  titles: Translations
  by: string
}

/** Keeps an announcement as it is now, as the revision of its version. */
export async function insertRevision(
  tx: Tx,
  announcement: WholeAnnouncement,
  step: { change: AnnouncementRevisionRow['change']; reason: string | null; actor: string; at: Date },
): Promise<void> {
  const snapshot: Snapshot = {
    titles: announcement.titles,
    bodies: announcement.bodies,
    category: announcement.category,
    urgency: announcement.urgency,
    attachments: announcement.attachments,
    audience: announcement.audience,
    acknowledgeBy: announcement.acknowledgeBy?.toISOString() ?? null,
    pinnedUntil: announcement.pinnedUntil?.toISOString() ?? null,
    publishAt: announcement.publishAt?.toISOString() ?? null,
  }
  await tx
    .insertInto('announcementRevisions')
    .values({ announcementId: announcement.id, version: announcement.version, ...step, snapshot: json(snapshot) })
    .execute()
}

/** The texts of these revisions, in their order. */
export async function findRevisionBodies(
  { db }: { readonly db: Db },
  revisions: readonly AnnouncementRevisionRow[],
): Promise<Translations[]> {
  const ids = revisions.map(({ announcementId }) => announcementId)
  const versions = revisions.map(({ version }) => version)
  const rows = await db
    .selectFrom('announcementRevisions')
    .select(['announcementId', 'version', sql<Translations>`snapshot -> 'bodies'`.as('bodies')])
    .where(
      sql<boolean>`(announcement_id, version) in (select * from unnest(${ids}::uuid[], ${versions}::int[]) as wanted)`,
    )
    .execute()
  const found = new Map(rows.map(({ announcementId, version, bodies }) => [`${announcementId} ${version}`, bodies]))
  return revisions.map(({ announcementId, version }) => found.get(`${announcementId} ${version}`)!)
}
