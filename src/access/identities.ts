import type { Db, Tx } from '../database/client.ts'
import type { Identity } from './oidc.ts'

/** An account, as somebody comes in with it. */
export interface AccountRow {
  readonly id: string
  readonly name: string
  readonly isSecretariat: boolean
}

/** The account that a sign-in is linked to; undefined when it is linked to none. */
export function findLinkedAccount(db: Db, { issuer, subject }: Identity): Promise<AccountRow | undefined> {
  return db
    .selectFrom('accountIdentities')
    .innerJoin('accounts', 'accounts.id', 'accountIdentities.accountId')
    .select(['accounts.id', 'accounts.name', 'accounts.isSecretariat'])
    .where('accountIdentities.issuer', '=', issuer)
    .where('accountIdentities.subject', '=', subject)
    .executeTakeFirst()
}

/** Whether an account is linked to a sign-in of this issuer already. */
export async function isLinked(tx: Tx, accountId: string, issuer: string): Promise<boolean> {
  const found = await tx
    .selectFrom('accountIdentities')
    .select('subject')
    .where('accountId', '=', accountId)
    .where('issuer', '=', issuer)
    .executeTakeFirst()
  return found !== undefined
}

/** Whether an account acts for a member or is of the staff: who is linked to it has all of that. */
export async function hasRights(tx: Tx, accountId: string): Promise<boolean> {
  const office = tx.selectFrom('officers').select('officers.id').where('officers.accountId', '=', accountId)
  const found = await tx
    .selectFrom('accounts')
    .select('id')
    .where('id', '=', accountId)
    .where(eb => eb.or([eb('isSecretariat', '=', true), eb.exists(office)]))
    .executeTakeFirst()
  return found !== undefined
}

/** Whether an account is of the staff; it stays so until the transaction ends. */
export async function holdStaffAccount(tx: Tx, accountId: string): Promise<boolean> {
  const found = await tx
    .selectFrom('accounts')
    .select('id')
    .where('id', '=', accountId)
    .where('isSecretariat', '=', true)
    .forShare()
    .executeTakeFirst()
  return found !== undefined
}

/** Links a sign-in to an account, unless it is linked already. Answers the UUID of the account that it is linked to. */
export async function linkAccount(
  tx: Tx,
  { issuer, subject }: Identity,
  accountId: string,
  linkedAt: Date,
): Promise<string> {
  await tx
    .insertInto('accountIdentities')
    .values({ issuer, subject, accountId, linkedAt })
    .onConflict(conflict => conflict.doNothing())
    .execute()
  return (await findLinkedAccount(tx, { issuer, subject }))!.id
}
