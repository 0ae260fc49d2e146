import { type Expression, type ExpressionBuilder, expressionBuilder, type RawBuilder, type SqlBool, sql } from 'kysely'
import { isStaff } from '../access/actor.ts'
import type { Request } from '../access/request.ts'
import type { Db } from '../database/client.ts'
import { mergeParts, type PageArgs, type PageOrder } from '../database/page.ts'
import { type Shares, sharesOf } from '../database/shares.ts'
import type { DB } from '../database/tables.ts'
import { partsQuery, shareOfTerm } from '../database/text-parts.ts'
import { searchTerm } from '../name-keys.ts'
import { findWanted, type Wanted } from '../reads/judging.ts'
import type { Asked } from '../reads/listing.ts'
import { listing } from '../reads/source.ts'
import { asOfficer } from './policy.ts'
import { announcements } from './reads.ts'
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

/** A filter as statements take it: only what is there decides how they are written. */
interface Conditions extends Pick<AnnouncementFilter, 'statuses' | 'categories' | 'urgencies'> {
  readonly isPublic?: boolean
  readonly isInternal?: boolean
  readonly since?: Date | null
  /** As `searchTerm` writes it. */
  readonly term?: string | null
}

const conditionsOf = ({ public: open, publishedSince, title, ...sorts }: AnnouncementFilter): Conditions => ({
  ...sorts,
  isPublic: open === true,
  isInternal: open === false,
  since: publishedSince ?? null,
  term: title ? searchTerm(title) || null : null,
})

function meets({ statuses, categories, urgencies, isPublic, isInternal, since, term }: Conditions) {
  return (eb: ExpressionBuilder<DB, 'announcements'>): Expression<SqlBool> => {
    const conditions: Expression<SqlBool>[] = []
    if (statuses) conditions.push(sql`announcements.status = any(${statuses}::text[])`)
    if (categories) conditions.push(sql`announcements.category = any(${categories}::text[])`)
    if (urgencies) conditions.push(sql`announcements.urgency = any(${urgencies}::text[])`)
    // By parameters: said as the index of public ones says it, it would be read for the few that are pinned, too.
    if (isPublic) conditions.push(eb('announcements.isPublic', '=', true))
    if (isInternal) conditions.push(eb('announcements.isPublic', '=', false))
    if (since) conditions.push(isOut, eb('announcements.listedAt', '>=', since))
    if (term) conditions.push(sql`strpos(announcements.search, ${term}) > 0`)
    return eb.and(conditions)
  }
}

const conditionTypes = {
  statuses: 'text[]',
  categories: 'text[]',
  urgencies: 'text[]',
  isPublic: 'boolean',
  isInternal: 'boolean',
  since: 'timestamptz',
  term: 'text',
} as const satisfies Record<keyof Conditions, string>

/**
 * For each who wants an announcement, how it stands now, if the actor may see it and it meets the filter: read once for
 * all, and the very same row.
 */
export function findMeeting(
  { db, actor }: Pick<Request, 'db' | 'actor'>,
  wanted: readonly Wanted<AnnouncementFilter>[],
): Promise<(AnnouncementRow | null)[]> {
  const visible = selectAnnouncements(db).where(visibleAnnouncements(actor))
  const eb = expressionBuilder<DB, 'announcements'>()
  return findWanted<AnnouncementRow, Conditions>(
    wanted.map(({ id, filter }) => ({ id, filter: conditionsOf(filter) })),
    conditionTypes,
    filter => meets(filter)(eb),
    sql`announcements.id`,
    (met, isWanted) => visible.select(met.as('met')).where(isWanted).execute(),
  )
}

/** Downward by the place that a query gives its rows: a moment, and the UUID of the announcement. */
const byPlace: Omit<PageOrder, 'name'> = {
  direction: 'desc',
  keys: [
    { expression: sql.ref('place.listed_at'), type: 'timestamptz' },
    { expression: sql.ref('place.id'), type: 'uuid' },
  ],
}

type Place = { id: string; listedAt: Date }

/**
 * The announcements of these places that meet the conditions. Without the offset PostgreSQL may expect to find hardly
 * any, and read and sort all places.
 */
function selectAt(db: Db, places: Expression<Place>, conditions: readonly Expression<SqlBool>[]) {
  const one = db
    .selectFrom('announcements')
    .selectAll('announcements')
    .where(sql<SqlBool>`announcements.id = place.id`)
    .where(eb => eb.and([...conditions]))
    .offset(sql.lit(0))
  return db
    .selectFrom(sql<Place>`(${places})`.as('place'))
    .innerJoinLateral(one.as('announcements'), join => join.onTrue())
}

/** The announcements addressed to a member, each at its publication: the order of an index. */
function addressedTo(db: Db, memberId: string, only: Expression<SqlBool> = sql`true`): Expression<Place> {
  return db
    .selectFrom('announcementRecipients')
    .select(['announcementRecipients.announcementId as id', 'announcementRecipients.publishedAt as listedAt'])
    .where('announcementRecipients.memberId', '=', memberId)
    .where(only)
}

/** A stretch of the announcements in the order of the list. */
interface AnnouncementStretch {
  readonly status: AnnouncementRow['status']
  readonly category: AnnouncementRow['category']
  readonly urgency: AnnouncementRow['urgency']
}

/** How to find the announcements that are not addressed to the reader alone. */
interface AnnouncementRoute {
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
function routeAnnouncements(filter: Conditions, seesAll: boolean, shares: Shares): AnnouncementRoute {
  const { statuses, categories, urgencies, term } = filter
  if (term && shares.rows('announcements') * shareOfTerm(shares, 'announcements_parts.text_parts', term) <= few)
    return { parts: partsQuery(term) }
  if (!statuses && !categories && !urgencies) return {}
  const chosen = <T>(all: readonly T[], asked: readonly T[] | null | undefined) =>
    all.filter(value => asked?.includes(value) ?? true)
  return {
    stretches: chosen(seesAll ? allStatuses : outStatuses, statuses).flatMap(status =>
      chosen(allCategories, categories).flatMap(category =>
        chosen(allUrgencies, urgencies).map(urgency => ({ status, category, urgency })),
      ),
    ),
  }
}

/**
 * The places of a route in the list.
 * @param open only what everybody may read: said as the index of these says it
 */
function listedAt(
  db: Db,
  { stretches, parts }: AnnouncementRoute,
  open: boolean,
  sorting: RawBuilder<unknown> | null,
): Expression<Place> {
  const places = () => {
    const query = db.selectFrom('announcements as place').select(['place.id', 'place.listedAt'])
    return open ? query.where(sql<SqlBool>`place.is_public and place.published_at is not null`) : query
  }
  // What a text finds is sorted: PostgreSQL must not look through the list for it instead.
  if (parts !== undefined)
    return places().where(sql<SqlBool>`text_parts(place.search) @@ ${parts}::tsquery`).offset(sql.lit(0))
  if (!stretches) return places()
  if (stretches.length === 0) return places().where(sql<SqlBool>`false`)
  return mergeParts<Place>(
    stretches.map(({ status, category, urgency }) =>
      places()
        .where('place.status', '=', status)
        .where('place.category', '=', category)
        .where('place.urgency', '=', urgency),
    ),
    sorting,
  )
}

/** What is asked of the list of announcements. */
interface AnnouncementsAsked {
  readonly filter: Conditions
  readonly route: AnnouncementRoute
  /** The moment by which is decided what is pinned. */
  readonly pinnedAt: Date
}

/**
 * The announcements that the actor may see, in parts that share none: what is pinned, which is little, and the rest by
 * what opens it to the actor. An index has each part in its order, so that a page reads as many rows as it shows; the
 * whole, ordered by whether it is pinned and joined by `or`, would be read and sorted for every page.
 */
export const announcementList = listing(
  announcements,
  (db, actor, { filter, route, pinnedAt }: AnnouncementsAsked, _of, sorting) => {
    const eb = expressionBuilder<DB, 'announcements'>()
    const [isMeant, isVisible] = [meets(filter)(eb), visibleAnnouncements(actor)(eb)]
    const isPinned = sql<SqlBool>`announcements.status = 'PUBLISHED' and announcements.pinned_until > ${pinnedAt}`
    // Before all others: a thousand years later, in hours, which no time zone stretches.
    const onTop = sql<Place>`(select announcements.id, announcements.listed_at + interval '8766000 hours' as listed_at)`
    const pinned = db
      .selectFrom('announcements')
      .innerJoinLateral(onTop.as('place'), join => join.onTrue())
      .where(eb.and([isPinned, isVisible, isMeant]))

    // What a text finds is looked at one by one.
    const isOpen = !isStaff(actor) && route.parts === undefined
    // What is open to all is public: a list of what is not has none of it.
    const listed = isOpen && filter.isInternal ? [] : [listedAt(db, route, isOpen, sorting)]
    const memberId = readingMember(actor)
    // A list of public ones has nothing that is not.
    if (isOpen && memberId !== null && !filter.isPublic)
      listed.push(addressedTo(db, memberId, sql`not announcement_recipients.is_public`))
    const conditions = [sql<SqlBool>`(${isPinned}) is not true`, isMeant, ...(isOpen ? [] : [isVisible])]
    const rest = listed.map(places => {
      const part = selectAt(db, places, conditions)
      // What is out is listed at its publication: so said, the index bounds the stretch.
      return filter.since ? part.where('place.listedAt', '>=', filter.since) : part
    })
    return [pinned, ...rest]
  },
  { movedAt: 'pinnedUntil' },
)

const day = 86_400_000

/**
 * The moment at which a paging session began: its cursors carry it. A pin that ends between two pages would otherwise let
 * an announcement come twice.
 */
function sessionStart(args: PageArgs, now: Date): Date {
  const cursor = args.after ?? args.before
  const found = cursor && /^\["latest (\d{1,15})"/.exec(Buffer.from(cursor, 'base64url').toString('utf8'))
  const milliseconds = found ? Number(found[1]) : Number.NaN
  // The clocks of two processes may differ a little; a moment far ahead was never given.
  return milliseconds < now.getTime() + day ? new Date(milliseconds) : now
}

/** What is asked of the list: pinned ones first, then by publication or, before it, by the last change; downward. */
export function askAnnouncements(
  { db, actor, now }: Pick<Request, 'db' | 'actor' | 'now'>,
  asked: AnnouncementFilter,
  args: PageArgs,
): Asked<AnnouncementsAsked> {
  const pinnedAt = sessionStart(args, now)
  const filter = conditionsOf(asked)
  return {
    input: { filter, route: routeAnnouncements(filter, isStaff(actor), sharesOf(db)), pinnedAt },
    order: { ...byPlace, name: 'latest', session: String(pinnedAt.getTime()) },
  }
}

/** The announcements addressed to the officer's member. */
export const inboxList = listing(
  announcements,
  (db, actor, { unread, unacknowledged, categories, urgencies }: InboxFilter) => {
    const officer = asOfficer(actor)
    const awaited = sql<SqlBool>`announcement_recipients.is_asked and announcement_recipients.acknowledged_at is null`
    const eb = expressionBuilder<DB, 'announcements'>()
    const conditions = [meets({ categories, urgencies })(eb)]
    if (unread)
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
    if (unacknowledged) conditions.push(eb('announcements.status', '=', 'PUBLISHED'))
    return selectAt(db, addressedTo(db, officer.memberId, unacknowledged ? awaited : undefined), conditions)
  },
)

/** What is asked of the inbox: the latest first. @throws Forbidden for everybody but officers */
export function askInbox({ actor }: Pick<Request, 'actor'>, filter: InboxFilter): Asked<InboxFilter> {
  asOfficer(actor)
  // To acknowledge moves nothing else.
  return { input: filter, order: { ...byPlace, name: 'published' }, isMovedByAll: filter.unacknowledged === true }
}
