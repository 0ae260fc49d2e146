import type { Selectable } from 'kysely'
import type { Db, Tx } from '../database/client.ts'
import type { AnnouncementRecipients } from '../database/tables.ts'

/** A member that an announcement was addressed to; `acknowledgedBy` is the name of the account. */
export type RecipientRow = Omit<Selectable<AnnouncementRecipients>, 'publishedAt' | 'isPublic' | 'isAsked' | 'place'>

/** How a member, and one of its officers, stand to an announcement. */
export interface ReceiptRow {
  readonly announcementId: string
  readonly readAt: Date | null
  readonly acknowledgedAt: Date | null
  readonly remindedAt: Date | null
}

/** Whether the announcement was addressed to the member. */
export async function isRecipient(db: Db, announcementId: string, memberId: string): Promise<boolean> {
  const found = await db
    .selectFrom('announcementRecipients')
    .select('memberId')
    .where('announcementId', '=', announcementId)
    .where('memberId', '=', memberId)
    .executeTakeFirst()
  return found !== undefined
}

/** Records the acknowledgement of a member that has not acknowledged yet; false when it has, or is no recipient. */
export async function acknowledge(
  tx: Tx,
  announcementId: string,
  memberId: string,
  by: { actor: string; at: Date },
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('announcementRecipients')
    .set({ acknowledgedAt: by.at, acknowledgedBy: by.actor })
    .where('announcementId', '=', announcementId)
    .where('memberId', '=', memberId)
    .where('acknowledgedAt', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** Marks the admitted recipients that have not acknowledged as reminded, and answers their UUIDs. */
export async function remindRecipients(tx: Tx, announcementId: string, at: Date): Promise<string[]> {
  const rows = await tx
    .updateTable('announcementRecipients')
    .from('members')
    .set({ remindedAt: at })
    .whereRef('members.id', '=', 'announcementRecipients.memberId')
    .where('members.status', '=', 'ADMITTED')
    .where('announcementRecipients.announcementId', '=', announcementId)
    .where('announcementRecipients.acknowledgedAt', 'is', null)
    .returning('announcementRecipients.memberId')
    .execute()
  return rows.map(row => row.memberId)
}

/** Records that an account read an announcement; the first time counts. */
export async function insertRead(db: Db, announcementId: string, accountId: string, at: Date): Promise<void> {
  await db
    .insertInto('announcementReads')
    .values({ announcementId, accountId, readAt: at })
    .onConflict(conflict => conflict.doNothing())
    .execute()
}

/** Makes an announcement unread for an account. */
export async function deleteRead(db: Db, announcementId: string, accountId: string): Promise<void> {
  await db
    .deleteFrom('announcementReads')
    .where('announcementId', '=', announcementId)
    .where('accountId', '=', accountId)
    .execute()
}
