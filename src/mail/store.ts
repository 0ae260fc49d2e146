import { type Selectable, sql } from 'kysely'
import type { Db, Tx } from '../database/client.ts'
import type { Mails } from '../database/tables.ts'
import type { Locale } from '../languages.ts'

/** What mails are sent for. Equal to the enum MailPurpose of the SDL. */
export type MailPurpose = 'INVITATION'

/** A mail of the outbox. */
export type MailRow = Omit<Selectable<Mails>, 'purpose' | 'locale'> & { purpose: MailPurpose; locale: Locale }

/** A mail as a noun writes it. */
export interface NewMail {
  readonly id: string
  readonly purpose: MailPurpose
  /** UUID of the thing that it is about. */
  readonly about: string
  readonly recipient: string
  readonly locale: Locale
  readonly subject: string
  /** With marks (marks.ts) in the places of what is known only when it is sent. */
  readonly text: string
  readonly createdAt: Date
}

/** Puts a mail in the outbox. */
export async function insertMail(tx: Tx, mail: NewMail): Promise<void> {
  await tx
    .insertInto('mails')
    .values({ ...mail, nextAttemptAt: mail.createdAt })
    .execute()
}

/**
 * Takes mails that are due, the longest due first, and counts the attempt. Until `leasedUntil` they are this caller's: who
 * dies with them in hand leaves them to be taken again then. Of several processes that ask at once each gets others.
 */
export async function takeDueMails(db: Db, now: Date, leasedUntil: Date, most: number): Promise<MailRow[]> {
  const due = sql<string>`any(array(
    select id from mails where state = 'WAITING' and next_attempt_at <= ${now}
    order by next_attempt_at limit ${most} for update skip locked))`
  const taken = await db
    .updateTable('mails')
    .set(eb => ({ attempts: eb('attempts', '+', 1), nextAttemptAt: leasedUntil }))
    .where('id', '=', due)
    .returningAll()
    .execute()
  return taken as MailRow[]
}

/** What came of an attempt. */
export type Outcome =
  | { readonly state: 'SENT'; readonly sentAt: Date }
  | { readonly state: 'LOGGED' | 'WITHDRAWN' }
  | { readonly state: 'FAILED'; readonly lastError: string }
  | { readonly state: 'WAITING'; readonly lastError: string; readonly nextAttemptAt: Date }

/**
 * Notes what came of an attempt, unless the mail was taken again meanwhile: then the later attempt says what came of it.
 * That it was sent is always noted.
 */
export async function noteOutcome(db: Db, { id, attempts }: MailRow, outcome: Outcome): Promise<void> {
  const update = db
    .updateTable('mails')
    .set({ nextAttemptAt: null, ...outcome })
    .where('id', '=', id)
    .where('state', '=', 'WAITING')
  await (outcome.state === 'SENT' ? update : update.where('attempts', '=', attempts)).execute()
}
