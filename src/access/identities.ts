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

/** Links a sign-in to an account, unless it is linked already. Answers the UUID of the account that it is linked to. */
export async function linkAccount(tx: Tx, identity: Identity, accountId: string, linkedAt: Date): Promise<string> {
  await tx
    .insertInto('accountIdentities')
    .values({ ...identity, accountId, linkedAt })
    .onConflict(conflict => conflict.doNothing())
    .execute()
  return (await findLinkedAccount(tx, identity))!.id
}
