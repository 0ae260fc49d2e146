import { type SqlBool, sql } from 'kysely'
import { actorName } from '../access/store.ts'
import type { PageOrder } from '../database/page.ts'
import { listing, oneBy, source } from '../reads/source.ts'
import type { ReceiptRow, RecipientRow } from './recipients.ts'
import type { AnnouncementRevisionRow } from './revisions.ts'
import { type AnnouncementRow, columns, visibleAnnouncements } from './store.ts'

/** Changes that move no announcement in a list, except in one of those to be acknowledged. */
const staying: ReadonlySet<string> = new Set(['REMINDED', 'ACKNOWLEDGED'])

/** Announcements that the actor may see, listed without the texts and the audience, which may be long. */
export const announcements = source<AnnouncementRow>('announcements', {
  visible: (db, actor) => db.selectFrom('announcements').where(visibleAnnouncements(actor)),
  news: {
    subject: 'id',
    types: ['announcement.published', 'announcement.changed'],
    moves: ({ detail }) => !('change' in detail && staying.has(detail.change)),
  },
  whole: columns.map(name => name.slice('announcements.'.length) as keyof AnnouncementRow),
})

export const announcementById = oneBy(announcements, 'id')

const receipts = source<ReceiptRow>('announcementRecipients', {
  visible: (db, actor) => {
    // Callers that have no inbox have no receipts.
    const { accountId, memberId } = actor.kind === 'OFFICER' ? actor : { accountId: null, memberId: null }
    return (
      db
        .selectFrom('announcementRecipients')
        .leftJoin('announcementReads as read', join =>
          join
            .onRef('read.announcementId', '=', 'announcementRecipients.announcementId')
            .on('read.accountId', '=', accountId),
        )
        .where('announcementRecipients.memberId', '=', memberId)
        // One by one: joined to a page without the offset, all that is addressed to the member may be read.
        .offset(sql.lit(0))
    )
  },
  columns: { readAt: sql.ref('read.readAt') },
  whole: ['announcementId', 'readAt', 'acknowledgedAt', 'remindedAt'],
})

/** How the caller and its member stand to an announcement. */
export const receiptOf = oneBy(receipts, 'announcementId')

const revisions = source<AnnouncementRevisionRow>('announcementRevisions', {
  news: { subject: 'announcementId', types: ['announcement.published', 'announcement.changed'] },
  columns: {
    titles: sql`announcement_revisions.snapshot -> 'titles'`,
    bodies: sql`announcement_revisions.snapshot -> 'bodies'`,
    by: actorName(sql.ref('announcement_revisions.actor')),
  },
  whole: ['announcementId', 'version', 'at', 'change', 'reason', 'titles', 'by'],
})

/** Every edit and step of an announcement. */
export const revisionsOf = listing(
  revisions,
  (db, _actor, _input: object, [announcement]) =>
    db
      .selectFrom('announcementRevisions')
      .where(sql<SqlBool>`announcement_revisions.announcement_id = ${announcement}`),
  { of: ['uuid'], isOfSubject: true },
)

export const latestRevisionFirst: PageOrder = {
  name: 'version',
  direction: 'desc',
  keys: [{ expression: sql.ref('announcement_revisions.version'), type: 'int' }],
}

const recipients = source<RecipientRow>('announcementRecipients', {
  news: { subject: 'announcementId', types: ['announcement.published', 'announcement.changed'] },
  columns: { acknowledgedBy: actorName(sql.ref('announcement_recipients.acknowledged_by')) },
  whole: ['announcementId', 'memberId', 'acknowledgedAt', 'remindedAt', 'acknowledgedBy'],
})

/** Which recipients to list: those that acknowledged, those awaited, or all. */
export interface RecipientFilter {
  readonly acknowledged: boolean
  readonly awaited: boolean
}

/** The organisations that an announcement was addressed to. */
export const recipientsOf = listing(
  recipients,
  (db, _actor, { acknowledged, awaited }: RecipientFilter, [announcement]) => {
    const query = db
      .selectFrom('announcementRecipients')
      .where(sql<SqlBool>`announcement_recipients.announcement_id = ${announcement}`)
    if (acknowledged) return query.where('announcementRecipients.acknowledgedAt', 'is not', null)
    return awaited ? query.where('announcementRecipients.acknowledgedAt', 'is', null) : query
  },
  { of: ['uuid'], isOfSubject: true },
)

/** By pinyin 「按拼音」, as the names were at the publication. */
export const recipientOrder: PageOrder = {
  name: 'recipients',
  direction: 'asc',
  keys: [{ expression: sql.ref('announcement_recipients.place'), type: 'int' }],
}
