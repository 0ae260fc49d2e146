import { type Expression, type ExpressionBuilder, expressionBuilder, type RawBuilder, type SqlBool, sql } from 'kysely'
import { type Actor, isStaff, type Officer } from '../access/actor.ts'
import type { Db } from '../database/client.ts'
import { mergeParts, type Page, type PageArgs, type PageOrder, readPage, readPages } from '../database/page.ts'
import { type Shares, sharesOf } from '../database/shares.ts'
import type { DB } from '../database/tables.ts'
import { partsQuery, shareOfTerm } from '../database/text-parts.ts'
import { searchTerm } from '../name-keys.ts'
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
    if (filter.publishedSince) conditions.push(isOut, eb('announcements.listedAt', '>=', filter.publishedSince))
    if (filter.title) conditions.push(sql`strpos(announcements.search, ${searchTerm(filter.title)}) > 0`)
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

type Place = { id: string; at: Date }

/**
 * The announcements of these places that meet the conditions. Without the offset PostgreSQL may expect to find hardly
 * any, and read and sort all places.
 */
function selectAt(db: Db, places: RawBuilder<Place>, conditions: readonly Expression<SqlBool>[]) {
  const one = selectAnnouncements(db)
    .where(sql<SqlBool>`announcements.id = place.id`)
    .where(eb => eb.and([...conditions]))
    .offset(sql.lit(0))
  return db
    .selectFrom(places.as('place'))
    .innerJoinLateral(one.as('announcements'), join => join.onTrue())
    .selectAll('announcements')
    .select('place.at as placedAt')
}

/** The announcements addressed to a member, each at its publication: the order of an index. */
function addressedTo(db: Db, memberId: string, only: Expression<SqlBool> = sql`true`): RawBuilder<Place> {
  const places = db
    .selectFrom('announcementRecipients')
    .select(['announcementRecipients.announcementId as id', 'announcementRecipients.publishedAt as at'])
    .where('announcementRecipients.memberId', '=', memberId)
    .where(only)
  return sql<Place>`(${places})`
}

/** A stretch of the announcements in the order of the list. */
export interface AnnouncementStretch {
  readonly status: AnnouncementRow['status']
  readonly category: AnnouncementRow['category']
  readonly urgency: AnnouncementRow['urgency']
}

/** How to find the announcements that are not addressed to the reader alone. */
export interface AnnouncementRoute {
  /** They are in these stretches; all are one stretch without it. */
  readonly stretches?: readonly AnnouncementStretch[]
  /** They are few, and found by this tsquery in the parts of their titles. */
  readonly parts?: string
}

const outStatuses = ['PUBLISHED', 'RETRACTED'] as const
const allStatuses = ['DRAFT', 'SCHEDULED', ...outStatuses] as const
const allCategories = ['NOTICE', 'EVENT', 'POLICY', 'CALL', 'RELEASE', 'NEWS'] as const
const allUrgencies = ['NORMAL', 'URGENT', 'CRITICAL'] as const

/** How many announcements are read and sorted rather than read in order until a page is full. */
const few = 2_000

/** How to find the announcements that meet a filter. @param seesAll whether drafts are shown, too */
function routeAnnouncements(filter: AnnouncementFilter, seesAll: boolean, shares: Shares): AnnouncementRoute {
  const term = filter.title ? searchTerm(filter.title) : ''
  if (term && shares.rows('announcements') * shareOfTerm(shares, 'announcements_parts.text_parts', term) <= few)
    return { parts: partsQuery(term) }
  if (!filter.statuses && !filter.categories && !filter.urgencies) return {}
  const chosen = <T>(all: readonly T[], asked: readonly T[] | null | undefined) =>
    all.filter(value => asked?.includes(value) ?? true)
  return {
    stretches: chosen(seesAll ? allStatuses : outStatuses, filter.statuses).flatMap(status =>
      chosen(allCategories, filter.categories).flatMap(category =>
        chosen(allUrgencies, filter.urgencies).map(urgency => ({ status, category, urgency })),
      ),
    ),
  }
}

/**
 * The places of a route in the list.
 * @param open only what everybody may read: said as the index of these says it
 */
function listedAt(db: Db, { stretches, parts }: AnnouncementRoute, open: boolean, upward: boolean): RawBuilder<Place> {
  const places = () => {
    const query = db.selectFrom('announcements as a').select(['a.id', 'a.listedAt as at'])
    return open ? query.where(sql<SqlBool>`a.is_public and a.published_at is not null`) : query
  }
  const stretch = ({ status, category, urgency }: AnnouncementStretch) =>
    places().where('a.status', '=', status).where('a.category', '=', category).where('a.urgency', '=', urgency)
  const whole = () => (stretches ? places().where(sql<SqlBool>`false`) : places())
  const sorting = sql.raw(upward ? 'a.listed_at, a.id' : 'a.listed_at desc, a.id desc')
  // What a text finds is sorted: PostgreSQL must not look through the list for it instead.
  const found = () => places().where(sql<SqlBool>`text_parts(a.search) @@ ${parts}::tsquery`).offset(sql.lit(0))
  if (parts !== undefined) return sql<Place>`(${found()})`
  return stretches && stretches.length > 0 ? mergeParts(stretches.map(stretch), sorting) : sql<Place>`(${whole()})`
}

/** Places before all others: a thousand years later, in hours, which no time zone stretches. */
const onTop = sql<Date>`announcements.listed_at + interval '8766000 hours'`

/**
 * The list in parts that share no announcement: what is pinned, which is little, and the rest by what opens it to the
 * actor. An index has each part in its order, so that a page reads as many rows as it shows; the whole, ordered by
 * whether it is pinned and joined by `or`, would be read and sorted for every page.
 */
function parts(db: Db, actor: Actor, filter: AnnouncementFilter, pinnedAt: Date, upward: boolean) {
  const pinned = sql<SqlBool>`announcements.status = 'PUBLISHED' and announcements.pinned_until > ${pinnedAt}`
  const rest = sql<SqlBool>`(${pinned}) is not true`
  const route = routeAnnouncements(filter, isStaff(actor), sharesOf(db))
  const since = filter.publishedSince
  const isOpen = !isStaff(actor) && route.parts === undefined
  const listed = [listedAt(db, route, isOpen, upward)]
  const memberId = readingMember(actor)
  // What a text finds is looked at one by one; a list of public ones has nothing that is not.
  if (isOpen && memberId !== null && filter.public !== true)
    listed.push(addressedTo(db, memberId, sql`not announcement_recipients.is_public`))
  const eb = expressionBuilder<DB, 'announcements'>()
  const conditions = [rest, meets(filter)(eb), ...(isOpen ? [] : [visibleAnnouncements(actor)(eb)])]
  return [
    selectPlaced(db, onTop).where(pinned).where(visibleAnnouncements(actor)).where(meets(filter)),
    ...listed.map(places => {
      const part = selectAt(db, places, conditions)
      // What is out is listed at its publication: so said, the index bounds the stretch.
      return since ? part.where('place.at', '>=', since) : part
    }),
  ]
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
  const queries = parts(db, actor, filter, pinnedAt, args.last != null)
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
  const eb = expressionBuilder<DB, 'announcements'>()
  const conditions = [meets({ categories: filter.categories, urgencies: filter.urgencies })(eb)]
  if (filter.unread)
    conditions.push(
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
  if (filter.unacknowledged) conditions.push(eb('announcements.status', '=', 'PUBLISHED'))
  const places = addressedTo(db, officer.memberId, filter.unacknowledged ? awaited : undefined)
  return readPage(selectAt(db, places, conditions), byPlace('published'), args)
}
