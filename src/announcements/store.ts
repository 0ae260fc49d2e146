import {
  type Expression,
  type ExpressionBuilder,
  type InsertObject,
  type Selectable,
  type SqlBool,
  sql,
  type UpdateObject,
} from 'kysely'
import { type Actor, isStaff } from '../access/actor.ts'
import type { Db, Tx } from '../database/client.ts'
import type { Announcements, DB } from '../database/tables.ts'
import type { Translations } from '../languages.ts'
import type { Audience } from './audience.ts'

/** A file that belongs to an announcement, as a link. */
export type Attachment = {
  name: string
  url: string
  sha256: string
  bytes: number | null
  mediaType: string | null
}

/** The columns of `AnnouncementRow`. */
export const columns = [
  'announcements.id',
  'announcements.version',
  'announcements.status',
  'announcements.category',
  'announcements.urgency',
  'announcements.titles',
  'announcements.attachments',
  'announcements.isPublic',
  'announcements.acknowledgeBy',
  'announcements.pinnedUntil',
  'announcements.publishAt',
  'announcements.publishedAt',
  'announcements.retractedAt',
  'announcements.retractionReason',
  'announcements.createdAt',
  'announcements.updatedAt',
] as const
const whole = [...columns, 'announcements.bodies', 'announcements.audience'] as const

type Column = (typeof columns)[number] extends `announcements.${infer Name}` ? Name : never

/** An announcement 「公告、通知」 as it is listed: without the texts and the audience, which may be long. */
export type AnnouncementRow = Pick<Selectable<Announcements>, Exclude<Column, 'attachments'>> & {
  attachments: Attachment[]
}

/** An announcement with all that it says and to whom, as a change needs it. */
export type WholeAnnouncement = AnnouncementRow & { bodies: Translations; audience: Audience }

/** Selects announcements as they are listed. */
export function selectAnnouncements(db: Db) {
  return db.selectFrom('announcements').select(columns).$castTo<AnnouncementRow>()
}

function selectWhole(tx: Tx) {
  return tx.selectFrom('announcements').select(whole).$castTo<WholeAnnouncement>()
}

/** What is out: published, also when it was retracted since. */
export const isOut: Expression<SqlBool> = sql`announcements.published_at is not null`

/** The member to which what its officers see is addressed; null for an actor who sees only what is public. */
export function readingMember(actor: Actor): string | null {
  return actor.kind === 'OFFICER' && ['ADMITTED', 'SUSPENDED'].includes(actor.memberStatus) ? actor.memberId : null
}

/**
 * Which announcements the actor may see: the secretariat all; officers of members what is out and public or addressed
 * to their member; everybody else what is out and public. What was retracted stays readable.
 */
export function visibleAnnouncements(actor: Actor) {
  return (eb: ExpressionBuilder<DB, 'announcements'>): Expression<SqlBool> => {
    if (isStaff(actor)) return eb.lit(true)
    const open = eb('announcements.isPublic', '=', true)
    const memberId = readingMember(actor)
    if (memberId === null) return eb.and([isOut, open])
    const addressed = eb
      .selectFrom('announcementRecipients')
      .select('announcementRecipients.memberId')
      .whereRef('announcementRecipients.announcementId', '=', 'announcements.id')
      .where('announcementRecipients.memberId', '=', memberId)
    // As `exists` PostgreSQL may read all that is addressed to the member.
    return eb.and([isOut, eb.or([open, sql<SqlBool>`(${addressed}) is not null`])])
  }
}

/** The announcements with these UUIDs that the actor may see, in no order. */
export function findAnnouncements(db: Db, actor: Actor, ids: readonly string[]): Promise<AnnouncementRow[]> {
  return selectAnnouncements(db)
    .where('id', '=', sql<string>`any(${ids}::uuid[])`)
    .where(visibleAnnouncements(actor))
    .execute()
}

/** The texts of announcements that the actor was found to see, in their order. */
export async function findBodies(
  { db }: { readonly db: Db },
  announcements: readonly AnnouncementRow[],
): Promise<Translations[]> {
  const rows = await db
    .selectFrom('announcements')
    .select(['id', 'bodies'])
    .where('id', '=', sql<string>`any(${announcements.map(({ id }) => id)}::uuid[])`)
    .execute()
  const found = new Map(rows.map(({ id, bodies }) => [id, bodies]))
  return announcements.map(({ id }) => found.get(id)!)
}

/** To whom these announcements are addressed, in their order. */
export async function findAudiences(
  { db }: { readonly db: Db },
  announcements: readonly AnnouncementRow[],
): Promise<Audience[]> {
  const rows = await db
    .selectFrom('announcements')
    .select(['id', 'audience'])
    .where('id', '=', sql<string>`any(${announcements.map(({ id }) => id)}::uuid[])`)
    .execute()
  const found = new Map(rows.map(({ id, audience }) => [id, audience as unknown as Audience]))
  return announcements.map(({ id }) => found.get(id)!)
}

/** The columns of an announcement as they are written. */
export type AnnouncementColumns = UpdateObject<DB, 'announcements'>

export async function insertAnnouncement(
  tx: Tx,
  values: InsertObject<DB, 'announcements'>,
): Promise<WholeAnnouncement> {
  const row = await tx.insertInto('announcements').values(values).returning(whole).executeTakeFirstOrThrow()
  return row as unknown as WholeAnnouncement
}

export async function updateAnnouncement(tx: Tx, id: string, set: AnnouncementColumns): Promise<WholeAnnouncement> {
  const row = await tx
    .updateTable('announcements')
    .set(set)
    .where('id', '=', id)
    .returning(whole)
    .executeTakeFirstOrThrow()
  return row as unknown as WholeAnnouncement
}

/** An announcement, held against other changes until the transaction ends; undefined when there is none. */
export function lockAnnouncement(tx: Tx, id: string): Promise<WholeAnnouncement | undefined> {
  return selectWhole(tx).where('id', '=', id).forNoKeyUpdate().executeTakeFirst()
}

/** An announcement that the actor may see, held against retraction; undefined when there is none to be seen. */
export function lockVisible(tx: Tx, actor: Actor, id: string): Promise<AnnouncementRow | undefined> {
  return selectAnnouncements(tx).where('id', '=', id).where(visibleAnnouncements(actor)).forShare().executeTakeFirst()
}

/** An announcement that is due, held; undefined when it is not, or when another process has it in hand. */
export function lockDue(tx: Tx, id: string, now: Date): Promise<WholeAnnouncement | undefined> {
  return selectWhole(tx)
    .where('id', '=', id)
    .where('status', '=', 'SCHEDULED')
    .where('publishAt', '<=', now)
    .forNoKeyUpdate()
    .skipLocked()
    .executeTakeFirst()
}

/** Said as the index of these says it: a parameter would hide it. */
const isScheduled: Expression<SqlBool> = sql`status = 'SCHEDULED'`

/** UUIDs of scheduled announcements that are due, the longest due first, at most 100. */
export async function findDue(db: Db, now: Date, except: readonly string[]): Promise<string[]> {
  const rows = await db
    .selectFrom('announcements')
    .select('id')
    .where(isScheduled)
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
    .where(isScheduled)
    .where(sql<SqlBool>`id <> all(${except}::uuid[])`)
    .orderBy('publishAt')
    .limit(1)
    .executeTakeFirst()
  return row?.publishAt ?? null
}
