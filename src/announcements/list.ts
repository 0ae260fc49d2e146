import { type Expression, type ExpressionBuilder, type RawBuilder, type SqlBool, sql } from 'kysely'
import { type Actor, isStaff, type Officer } from '../access/actor.ts'
import type { Db } from '../database/client.ts'
import { type Page, type PageArgs, type PageOrder, readPage, readPages } from '../database/page.ts'
import type { DB } from '../database/tables.ts'
import { searchTerm } from '../name-keys.ts'
import { containing } from '../regions/store.ts'
import { type AnnouncementRow, isOut, readingMember, selectAnnouncements, visibleAnnouncements } from './store.ts'

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

function meets(filter: AnnouncementFilter) {
  return (eb: ExpressionBuilder<DB, 'announcements'>): Expression<SqlBool> => {
    const conditions: Expression<SqlBool>[] = []
    if (filter.statuses) conditions.push(sql`announcements.status = any(${filter.statuses}::text[])`)
    if (filter.categories) conditions.push(sql`announcements.category = any(${filter.categories}::text[])`)
    if (filter.urgencies) conditions.push(sql`announcements.urgency = any(${filter.urgencies}::text[])`)
    if (filter.public != null) conditions.push(eb('announcements.isPublic', '=', filter.public))
    // What is out is listed at its publication: so said, the index of the list bounds it.
    if (filter.publishedSince) conditions.push(isOut, eb('announcements.listedAt', '>=', filter.publishedSince))
    if (filter.title) conditions.push(eb('announcements.search', 'like', containing(searchTerm(filter.title))))
    return eb.and(conditions)
  }
}

/** The announcement as it stands now, if the actor may see it and it meets the filter; undefined otherwise. */
export function findMeeting(
  db: Db,
  actor: Actor,
  filter: AnnouncementFilter,
  id: string,
): Promise<AnnouncementRow | undefined> {
  return selectAnnouncements(db)
    .where('id', '=', id)
    .where(visibleAnnouncements(actor))
    .where(meets(filter))
    .executeTakeFirst()
}

/** Downward by the place that a query gives its rows: a moment, and the UUID of the announcement. */
const byPlace = (name: string): PageOrder => ({
  name,
  direction: 'desc',
  keys: [
    { expression: sql.ref('place.at'), type: 'timestamptz' },
    { expression: sql.ref('place.id'), type: 'uuid' },
  ],
})

/** Announcements, each at a place computed from it. */
function selectPlaced(db: Db, at: RawBuilder<Date>) {
  return selectAnnouncements(db)
    .innerJoinLateral(
      () => db.selectNoFrom([at.as('at'), sql<string>`announcements.id`.as('id')]).as('place'),
      join => join.onTrue(),
    )
    .select('place.at as placedAt')
}

/** The announcements addressed to a member, each at its publication: the order of an index. */
function selectAddressed(db: Db, memberId: string, only: Expression<SqlBool> = sql`true`) {
  return selectAnnouncements(db)
    .innerJoin(
      eb =>
        eb
          .selectFrom('announcementRecipients')
          .select(['announcementRecipients.announcementId as id', 'announcementRecipients.publishedAt as at'])
          .where('announcementRecipients.memberId', '=', memberId)
          .where(only)
          .as('place'),
      join => join.onRef('place.id', '=', 'announcements.id'),
    )
    .select('place.at as placedAt')
}

const listedAt = sql<Date>`announcements.listed_at`
/** Places before all others: a thousand years later, in hours, which no time zone stretches. */
const onTop = sql<Date>`announcements.listed_at + interval '8766000 hours'`

/**
 * The list in parts that share no announcement: what is pinned, which is little, and the rest by what opens it to the
 * actor. An index has each part in its order, so that a page reads as many rows as it shows; the whole, ordered by
 * whether it is pinned and joined by `or`, would be read and sorted for every page.
 */
function parts(db: Db, actor: Actor, pinnedAt: Date) {
  const pinned = sql<SqlBool>`announcements.status = 'PUBLISHED' and announcements.pinned_until > ${pinnedAt}`
  const rest = sql<SqlBool>`(${pinned}) is not true`
  const top = selectPlaced(db, onTop).where(pinned).where(visibleAnnouncements(actor))
  if (isStaff(actor)) return [top, selectPlaced(db, listedAt).where(rest)]
  const open = selectPlaced(db, listedAt).where(isOut).where('announcements.isPublic', '=', true).where(rest)
  const memberId = readingMember(actor)
  if (memberId === null) return [top, open]
  return [top, open, selectAddressed(db, memberId, sql`not announcement_recipients.is_public`).where(rest)]
}

const defaultPageSize = 20

/** Makes one page of the same page of several parts of a list. */
function mergePages(
  pages: readonly Page<AnnouncementRow & { placedAt: Date }>[],
  args: PageArgs,
): Page<AnnouncementRow> {
  const size = args.first ?? args.last ?? defaultPageSize
  const fromEnd = args.last != null
  const found = pages
    .flatMap(({ rows, cursorAt }) => rows.map((row, i) => ({ row, cursor: () => cursorAt(i) })))
    .sort(({ row: a }, { row: b }) => b.placedAt.getTime() - a.placedAt.getTime() || (a.id < b.id ? 1 : -1))
  const shown = fromEnd ? found.slice(-size) : found.slice(0, size)
  const cut = found.length > size
  return {
    rows: shown.map(({ row }) => row),
    cursorAt: index => shown[index]!.cursor(),
    hasNextPage: pages.some(page => page.hasNextPage) || (cut && !fromEnd),
    hasPreviousPage: pages.some(page => page.hasPreviousPage) || (cut && fromEnd),
    count: async () => (await Promise.all(pages.map(page => page.count()))).reduce((sum, count) => sum + count, 0),
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

/**
 * A page of the announcements that the actor may see: pinned ones first, then by publication or, before it, by the last
 * change; downward.
 * @throws InvalidInput for page sizes out of 1 to 100 and cursors of another list
 */
export async function pageAnnouncements(
  db: Db,
  actor: Actor,
  now: Date,
  filter: AnnouncementFilter,
  args: PageArgs,
): Promise<Page<AnnouncementRow>> {
  const pinnedAt = sessionStart(args, now)
  const placed = db.withTables<{ place: { at: Date; id: string } }>()
  const queries = parts(db, actor, pinnedAt).map(part => part.where(meets(filter)))
  return mergePages(await readPages(placed, queries, byPlace(`latest ${pinnedAt.getTime()}`), args), args)
}

/** A page of the announcements addressed to the officer's member, the latest first. @throws InvalidInput as `pageAnnouncements` */
export function pageInbox(
  db: Db,
  officer: Officer,
  filter: InboxFilter,
  args: PageArgs,
): Promise<Page<AnnouncementRow>> {
  const awaited = sql<SqlBool>`announcement_recipients.is_asked and announcement_recipients.acknowledged_at is null`
  let query = selectAddressed(db, officer.memberId, filter.unacknowledged ? awaited : undefined).where(
    meets({ categories: filter.categories, urgencies: filter.urgencies }),
  )
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
  if (filter.unacknowledged) query = query.where('announcements.status', '=', 'PUBLISHED')
  return readPage(query, byPlace('published'), args)
}
