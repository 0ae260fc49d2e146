import { type Selectable, sql } from 'kysely'
import { actorName } from '../access/store.ts'
import type { Db, Tx } from '../database/client.ts'
import { json } from '../database/json.ts'
import { type Page, type PageArgs, type PageOrder, readPage } from '../database/page.ts'
import type { AnnouncementRevisions } from '../database/tables.ts'
import type { Translations } from '../languages.ts'
import type { Audience } from './audience.ts'
import type { AnnouncementRow, Attachment } from './store.ts'

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

/** One edit or step, with the name of the one who made it. */
export type AnnouncementRevisionRow = Omit<Selectable<AnnouncementRevisions>, 'snapshot'> & {
  snapshot: Snapshot
  by: string
}

const byVersion: PageOrder = {
  name: 'version',
  direction: 'desc',
  keys: [{ expression: sql.ref('announcement_revisions.version'), type: 'int' }],
}

/** Keeps an announcement as it is now, as the revision of its version. */
export async function insertRevision(
  tx: Tx,
  announcement: AnnouncementRow,
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

/** A page of the revisions of one announcement, the latest first. */
export function pageRevisions(db: Db, announcementId: string, args: PageArgs): Promise<Page<AnnouncementRevisionRow>> {
  const query = db
    .selectFrom('announcementRevisions')
    .selectAll()
    .select(actorName(sql.ref('announcement_revisions.actor')).as('by'))
    .where('announcementId', '=', announcementId)
    .$castTo<AnnouncementRevisionRow>()
  return readPage(query, byVersion, args)
}
