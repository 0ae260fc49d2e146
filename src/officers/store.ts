import { type Selectable, type SqlBool, sql } from 'kysely'
import { type Actor, isStaff, type Officer } from '../access/actor.ts'
import type { OfficerRole } from '../access/permissions.ts'
import type { Db, Tx } from '../database/client.ts'
import type { Officers } from '../database/tables.ts'

/** Somebody who acts for a member, with the name and address of the account. */
export type OfficerRow = Selectable<Officers> & { name: string; email: string }

/** The condition that a row is of the actor's own member, or that the actor sees those of all: the secretariat. */
export function ofScope(actor: Actor, column: string) {
  if (isStaff(actor)) return sql<SqlBool>`true`
  return actor.kind === 'OFFICER' ? sql<SqlBool>`${sql.ref(column)} = ${actor.memberId}` : sql<SqlBool>`false`
}

/** An officer that the actor may see, by the id of its row; undefined when there is none. */
export function findOfficer(db: Db, actor: Actor, id: string): Promise<Selectable<Officers> | undefined> {
  return db
    .selectFrom('officers')
    .selectAll()
    .where('id', '=', id)
    .where(ofScope(actor, 'officers.memberId'))
    .executeTakeFirst()
}

/**
 * All officers of a member, held: who changes one of them waits for who changes another, and then sees the rows as they
 * are, so that each knows how many representatives there are. In one order, so that two don't wait for each other.
 */
export function holdOfficers(tx: Tx, memberId: string): Promise<Selectable<Officers>[]> {
  return tx
    .selectFrom('officers')
    .selectAll()
    .where('memberId', '=', memberId)
    .orderBy('accountId')
    .forUpdate()
    .execute()
}

/** Makes an account an officer of a member that it is not yet one of; answers the id of the officer, null when it is one. */
export async function insertOfficer(
  tx: Tx,
  officer: { id: string; accountId: string; memberId: string; role: OfficerRole; createdAt: Date },
): Promise<string | null> {
  const made = await tx
    .insertInto('officers')
    .values(officer)
    .onConflict(conflict => conflict.columns(['accountId', 'memberId']).doNothing())
    .returning('id')
    .executeTakeFirst()
  return made?.id ?? null
}

/**
 * All of the secretariat's staff, held: who removes one of them waits for who removes another, and then sees who is left.
 * In one order, so that two don't wait for each other.
 */
export function holdStaff(tx: Tx): Promise<{ id: string; email: string }[]> {
  return tx
    .selectFrom('accounts')
    .select(['id', 'email'])
    .where('isSecretariat', '=', true)
    .orderBy('id')
    .forUpdate()
    .execute()
}

/** The tokens of an account as staff that were not revoked. */
export async function findStaffTokens(tx: Tx, accountId: string): Promise<string[]> {
  const tokens = await tx
    .selectFrom('tokens')
    .select('id')
    .where('accountId', '=', accountId)
    .where('kind', '=', 'SECRETARIAT')
    .where('revokedAt', 'is', null)
    .execute()
  return tokens.map(({ id }) => id)
}

/** The tokens of an account for a member that were not revoked. */
export async function findTokensOf(
  tx: Tx,
  { accountId, memberId }: Pick<Officer, 'accountId' | 'memberId'>,
): Promise<string[]> {
  const tokens = await tx
    .selectFrom('tokens')
    .select('id')
    .where('accountId', '=', accountId)
    .where('memberId', '=', memberId)
    .where('revokedAt', 'is', null)
    .execute()
  return tokens.map(({ id }) => id)
}
