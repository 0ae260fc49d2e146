import {
  type Expression,
  type ExpressionBuilder,
  type InsertObject,
  type Selectable,
  type SqlBool,
  sql,
  type UpdateObject,
} from 'kysely'
import { type Actor, isStaff, type Officer } from '../access/actor.ts'
import type { Db, Tx } from '../database/client.ts'
import { type Page, type PageArgs, type PageOrder, readPage } from '../database/page.ts'
import type { Announcements, DB } from '../database/tables.ts'
import { searchTerm } from '../name-keys.ts'
import { containing } from '../regions/store.ts'
import type { Audience } from './audience.ts'

/** A file that belongs to an announcement, as a link. */
export type Attachment = {
  name: string
  url: string
  sha256: string
  bytes: number | null
  mediaType: string | null
}

/** An announcement 「公告、通知」. */
export type AnnouncementRow = Omit<Selectable<Announcements>, 'attachments' | 'audience'> & {
  attachments: Attachment[]
  audience: Audience
}

/** Which announcements to list; what is null or left out is no condition. */
export interface AnnouncementFilter {
  readonly statuses?: readonly AnnouncementRow['status'][] | null
  readonly categories?: readonly AnnouncementRow['category'][] | null
  readonly urgencies?: readonly AnnouncementRow['urgency'][] | null
  readonly public?: boolean | null
  readonly publishedSince?: Date | null
  readonly title?: string | null
}

/** Which announcements to list of an inbox; false is no condition. */
export interface InboxFilter {
  readonly unread?: boolean | null
  readonly unacknowledged?: boolean | null
  readonly categories?: readonly AnnouncementRow['category'][] | null
  readonly urgencies?: readonly AnnouncementRow['urgency'][] | null
}

/**
 * Which announcements the actor may see: the secretariat all; officers of members what is out and public or addressed
 * to their member; everybody else what is out and public. What was retracted stays readable.
 */
function visibleAnnouncements(actor: Actor) {
  return (eb: ExpressionBuilder<DB, 'announcements'>): Expression<SqlBool> => {
    if (isStaff(actor)) return eb.lit(true)
    const out = eb('announcements.status', 'in', ['PUBLISHED', 'RETRACTED'])
    const open = eb('announcements.isPublic', '=', true)
    if (actor.kind !== 'OFFICER' || !['ADMITTED', 'SUSPENDED'].includes(actor.memberStatus)) return out.and(open)
    const addressed = eb
      .selectFrom('announcementRecipients')
      .select('announcementRecipients.memberId')
      .whereRef('announcementRecipients.announcementId', '=', 'announcements.id')
      .where('announcementRecipients.memberId', '=', actor.memberId)
    return out.and(eb.or([open, eb.exists(addressed)]))
  }
}

function meets(filter: AnnouncementFilter) {
  return (eb: ExpressionBuilder<DB, 'announcements'>): Expression<SqlBool> => {
    const conditions: Expression<SqlBool>[] = []
    if (filter.statuses) conditions.push(sql`announcements.status = any(${filter.statuses}::text[])`)
    if (filter.categories) conditions.push(sql`announcements.category = any(${filter.categories}::text[])`)
    if (filter.urgencies) conditions.push(sql`announcements.urgency = any(${filter.urgencies}::text[])`)
    if (filter.public != null) conditions.push(eb('announcements.isPublic', '=', filter.public))
    if (filter.publishedSince) conditions.push(eb('announcements.publishedAt', '>=', filter.publishedSince))
    if (filter.title) conditions.push(eb('announcements.search', 'like', containing(searchTerm(filter.title))))
    return eb.and(conditions)
  }
}

/** The announcements with these UUIDs that the actor may see and that meet the filter, in no order. */
export function findAnnouncements(
  db: Db,
  actor: Actor,
  ids: readonly string[],
  filter: AnnouncementFilter = {},
): Promise<AnnouncementRow[]> {
  return db
    .selectFrom('announcements')
    .selectAll()
    .where('id', '=', sql<string>`any(${ids}::uuid[])`)
    .where(visibleAnnouncements(actor))
    .where(meets(filter))
    .$castTo<AnnouncementRow>()
    .execute()
}

/** Pinned ones first, then by publication or, before it, by the last change; downward. */
function latestOrder(pinnedAt: Date): PageOrder {
  return {
    name: `latest ${pinnedAt.getTime()}`,
    direction: 'desc',
    keys: [
      {
        expression: sql`case when announcements.status = 'PUBLISHED' and announcements.pinned_until > ${pinnedAt}
          then 1 else 0 end`,
        type: 'int',
      },
      { expression: sql`coalesce(announcements.published_at, announcements.updated_at)`, type: 'timestamptz' },
      { expression: sql.ref('announcements.id'), type: 'uuid' },
    ],
  }
}

const day = 86_400_000

/**
 * The moment at which a paging session began: its cursors carry it in the name of the order. A pin that ends between
 * two pages would otherwise let an announcement come twice.
 */
function sessionStart(args: PageArgs, now: Date): Date {
  const cursor = args.after ?? args.before
  const found = cursor && /^\["latest (\d{1,15})"/.exec(Buffer.from(cursor, 'base64url').toString('utf8'))
  const milliseconds = found ? Number(found[1]) : Number.NaN
  // The clocks of two processes may differ a little; a moment far ahead was never given.
  return milliseconds < now.getTime() + day ? new Date(milliseconds) : now
}

/** A page of the announcements that the actor may see, pinned ones first, then the latest. */
export function pageAnnouncements(
  db: Db,
  actor: Actor,
  now: Date,
  filter: AnnouncementFilter,
  args: PageArgs,
): Promise<Page<AnnouncementRow>> {
  const query = db
    .selectFrom('announcements')
    .selectAll()
    .where(visibleAnnouncements(actor))
    .where(meets(filter))
    .$castTo<AnnouncementRow>()
  return readPage(query, latestOrder(sessionStart(args, now)), args)
}

const byPublication: PageOrder = {
  name: 'published',
  direction: 'desc',
  keys: [
    { expression: sql.ref('announcements.published_at'), type: 'timestamptz' },
    { expression: sql.ref('announcements.id'), type: 'uuid' },
  ],
}

/** A page of the announcements addressed to the officer's member, the latest first. */
export function pageInbox(
  db: Db,
  officer: Officer,
  filter: InboxFilter,
  args: PageArgs,
): Promise<Page<AnnouncementRow>> {
  let query = db
    .selectFrom('announcements')
    .innerJoin('announcementRecipients as mine', 'mine.announcementId', 'announcements.id')
    .where('mine.memberId', '=', officer.memberId)
    .where(meets({ categories: filter.categories, urgencies: filter.urgencies }))
    .selectAll('announcements')
  if (filter.unread)
    query = query.where(eb =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('announcementReads')
            .select('announcementReads.readAt')
            .whereRef('announcementReads.announcementId', '=', 'announcements.id')
            .where('announcementReads.accountId', '=', officer.accountId),
        ),
      ),
    )
  if (filter.unacknowledged)
    query = query
      .where('announcements.status', '=', 'PUBLISHED')
      .where('announcements.acknowledgeBy', 'is not', null)
      .where('mine.acknowledgedAt', 'is', null)
  return readPage(query.$castTo<AnnouncementRow>(), byPublication, args)
}

/** The columns of an announcement as they are written. */
export type AnnouncementColumns = UpdateObject<DB, 'announcements'>

export async function insertAnnouncement(tx: Tx, values: InsertObject<DB, 'announcements'>): Promise<AnnouncementRow> {
  const row = await tx.insertInto('announcements').values(values).returningAll().executeTakeFirstOrThrow()
  return row as AnnouncementRow
}

export async function updateAnnouncement(tx: Tx, id: string, set: AnnouncementColumns): Promise<AnnouncementRow> {
  const row = await tx
    .updateTable('announcements')
    .set(set)
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
  return row as AnnouncementRow
}

/** An announcement, held against other changes until the transaction ends; undefined when there is none. */
export function lockAnnouncement(tx: Tx, id: string): Promise<AnnouncementRow | undefined> {
  return tx
    .selectFrom('announcements')
    .selectAll()
    .where('id', '=', id)
    .forNoKeyUpdate()
    .$castTo<AnnouncementRow>()
    .executeTakeFirst()
}

/** An announcement that the actor may see, held against retraction; undefined when there is none to be seen. */
export function lockVisible(tx: Tx, actor: Actor, id: string): Promise<AnnouncementRow | undefined> {
  return tx
    .selectFrom('announcements')
    .selectAll()
    .where('id', '=', id)
    .where(visibleAnnouncements(actor))
    .forShare()
    .$castTo<AnnouncementRow>()
    .executeTakeFirst()
}

/** An announcement that is due, held; undefined when it is not, or when another process has it in hand. */
export function lockDue(tx: Tx, id: string, now: Date): Promise<AnnouncementRow | undefined> {
  return tx
    .selectFrom('announcements')
    .selectAll()
    .where('id', '=', id)
    .where('status', '=', 'SCHEDULED')
    .where('publishAt', '<=', now)
    .forNoKeyUpdate()
    .skipLocked()
    .$castTo<AnnouncementRow>()
    .executeTakeFirst()
}

/** UUIDs of scheduled announcements that are due, the longest due first, at most 100. */
export async function findDue(db: Db, now: Date, except: readonly string[]): Promise<string[]> {
  const rows = await db
    .selectFrom('announcements')
    .select('id')
    .where('status', '=', 'SCHEDULED')
    .where('publishAt', '<=', now)
    .where(sql<SqlBool>`id <> all(${except}::uuid[])`)
    .orderBy('publishAt')
    .orderBy('id')
    .limit(100)
    .execute()
  return rows.map(row => row.id)
}

/** When the next scheduled announcement is due; null when none is scheduled. */
export async function findNextDue(db: Db, except: readonly string[]): Promise<Date | null> {
  const row = await db
    .selectFrom('announcements')
    .select('publishAt')
    .where('status', '=', 'SCHEDULED')
    .where(sql<SqlBool>`id <> all(${except}::uuid[])`)
    .orderBy('publishAt')
    .limit(1)
    .executeTakeFirst()
  return row?.publishAt ?? null
}
