import { createHash, randomBytes } from 'node:crypto'
import { type Insertable, type Selectable, type SqlBool, sql } from 'kysely'
import type { Actor } from '../access/actor.ts'
import { actorName } from '../access/store.ts'
import type { Db, Tx } from '../database/client.ts'
import type { Invitations } from '../database/tables.ts'
import type { Locale } from '../languages.ts'
import { ofScope } from './store.ts'

/** An invitation, with the names of who invited and revoked. */
export type InvitationRow = Omit<Selectable<Invitations>, 'locale' | 'actor'> & { locale: Locale; by: string }

/** How an invitation stands. Equal to the enum InvitationState of the SDL. */
export type InvitationState = 'PENDING' | 'ACCEPTED' | 'REVOKED' | 'EXPIRED'

/** What must be so of an invitation to be found in a state at a moment. */
export function isInState(state: InvitationState, now: Date) {
  const open = sql`invitations.accepted_at is null and invitations.revoked_at is null`
  const conditions = {
    PENDING: sql<SqlBool>`${open} and invitations.expires_at > ${now}`,
    EXPIRED: sql<SqlBool>`${open} and invitations.expires_at <= ${now}`,
    ACCEPTED: sql<SqlBool>`invitations.accepted_at is not null`,
    REVOKED: sql<SqlBool>`invitations.revoked_at is not null`,
  }
  return conditions[state]
}

/** The names of who invited and who revoked. */
export const names = {
  by: actorName(sql.ref('invitations.actor')),
  revokedBy: actorName(sql.ref('invitations.revoked_by')),
}

function selectInvitations(db: Db) {
  return db
    .selectFrom('invitations')
    .selectAll()
    .select([names.by.as('by'), names.revokedBy.as('revokedBy')])
    .$castTo<InvitationRow>()
}

/** An invitation, whoever may see it. */
export function readInvitation(db: Db, id: string): Promise<InvitationRow> {
  return selectInvitations(db).where('id', '=', id).executeTakeFirstOrThrow()
}

/** A code as it goes out, once: `mvi_` and 256 random bits. */
const shape = /^mvi_[A-Za-z0-9_-]{43}$/

/** SHA-256 suffices at rest: the code is random, so there is nothing to guess from a list. */
const hashOf = (code: string) => createHash('sha256').update(code).digest()

/** Gives an invitation a code, beside those that it has. */
export async function insertCode(tx: Tx, invitationId: string): Promise<string> {
  const code = `mvi_${randomBytes(32).toString('base64url')}`
  await tx
    .insertInto('invitationCodes')
    .values({ hash: hashOf(code), invitationId })
    .execute()
  return code
}

/** Ends all codes of an invitation. */
export async function deleteCodes(tx: Tx, invitationId: string): Promise<void> {
  await tx.deleteFrom('invitationCodes').where('invitationId', '=', invitationId).execute()
}

/** The UUID of the invitation of a code; null for what is no code, or none any more. */
async function findCode(db: Db, code: string): Promise<string | null> {
  const trimmed = code.trim()
  if (!shape.test(trimmed)) return null
  const found = await db
    .selectFrom('invitationCodes')
    .select('invitationId')
    .where('hash', '=', hashOf(trimmed))
    .executeTakeFirst()
  return found?.invitationId ?? null
}

/** The invitation of a code; null when there is none. */
export async function findInvitationByCode(db: Db, code: string): Promise<InvitationRow | null> {
  const id = await findCode(db, code)
  return id === null ? null : readInvitation(db, id)
}

/** The same, held: of two who accept it the second waits for the first. */
export async function holdInvitationByCode(tx: Tx, code: string): Promise<InvitationRow | null> {
  const id = await findCode(tx, code)
  if (id === null) return null
  await lock(tx, id)
  // While we waited it may have been sent anew.
  return (await findCode(tx, code)) === id ? readInvitation(tx, id) : null
}

async function lock(tx: Tx, id: string): Promise<void> {
  await tx.selectFrom('invitations').select('id').where('id', '=', id).forUpdate().execute()
}

/** An invitation that the actor may see, held; null when there is none. */
export async function holdInvitation(tx: Tx, actor: Actor, id: string): Promise<InvitationRow | null> {
  const seen = await tx
    .selectFrom('invitations')
    .select('id')
    .where('id', '=', id)
    .where(ofScope(actor, 'invitations.member_id'))
    .forUpdate()
    .executeTakeFirst()
  return seen ? readInvitation(tx, id) : null
}

/** Whether an invitation still waits for this mail of it to be sent, held. */
export async function holdForMail(tx: Tx, mail: { id: string; about: string }, now: Date): Promise<boolean> {
  const waiting = await tx
    .selectFrom('invitations')
    .select('id')
    .where('id', '=', mail.about)
    .where('mailId', '=', mail.id)
    .where(isInState('PENDING', now))
    .forUpdate()
    .executeTakeFirst()
  return waiting !== undefined
}

export async function insertInvitation(tx: Tx, invitation: Insertable<Invitations>): Promise<void> {
  await tx.insertInto('invitations').values(invitation).execute()
}

/**
 * The pending invitation of an address to a member, or to the staff without a member; null when there is none. Others
 * who invite the address there wait until the transaction ends.
 */
export async function findPending(
  tx: Tx,
  { memberId, email }: { memberId: string | null; email: string },
  now: Date,
): Promise<InvitationRow | null> {
  await sql`select pg_advisory_xact_lock(hashtext('invitation'), hashtext(${`${memberId} ${email}`}))`.execute(tx)
  const found = await selectInvitations(tx)
    .where('email', '=', email)
    .where('memberId', 'is not distinct from', memberId)
    .where(isInState('PENDING', now))
    .executeTakeFirst()
  return found ?? null
}

/** Revokes what an officer invited to its member and is pending; answers the UUIDs. */
export async function revokePendingOf(
  tx: Tx,
  inviter: { accountId: string; memberId: string },
  revoked: { revokedAt: Date; revokedBy: string; revokedReason: string },
): Promise<string[]> {
  const rows = await tx
    .updateTable('invitations')
    .set(revoked)
    .where('memberId', '=', inviter.memberId)
    .where('actor', '=', `account:${inviter.accountId}`)
    .where(isInState('PENDING', revoked.revokedAt))
    .returning('id')
    .execute()
  return rows.map(({ id }) => id)
}

/** Revokes what one of the staff invited and is pending, and what would make that account staff. */
export function revokePendingOfStaff(
  tx: Tx,
  { id, email }: { id: string; email: string },
  revoked: { revokedAt: Date; revokedBy: string; revokedReason: string },
): Promise<Pick<InvitationRow, 'id' | 'memberId'>[]> {
  return tx
    .updateTable('invitations')
    .set(revoked)
    .where(eb =>
      eb.or([eb('actor', '=', `account:${id}`), eb.and([eb('kind', '=', 'STAFF'), eb('email', '=', email)])]),
    )
    .where(isInState('PENDING', revoked.revokedAt))
    .returning(['id', 'memberId'])
    .execute()
}
