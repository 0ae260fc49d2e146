import { type RawBuilder, type Selectable, sql } from 'kysely'
import type { Db, Tx } from '../database/client.ts'
import type { Portals, Tokens } from '../database/tables.ts'
import type { Translations } from '../languages.ts'
import type { MembershipStatus, OfficerRole, Permission } from './permissions.ts'

/** A token with the names around it, without its secret. */
export type TokenRow = Omit<Selectable<Tokens>, 'secretHash'> & { holder: string; role: OfficerRole | null }

/** A portal. */
export type PortalRow = Omit<Selectable<Portals>, 'scopes'> & { scopes: Permission[] }

/** A token with all that decides who its bearer is. */
export interface TokenHolder {
  id: string
  kind: 'OFFICER' | 'SECRETARIAT' | 'PORTAL'
  secretHash: Buffer
  accountId: string | null
  memberId: string | null
  portalId: string | null
  expiresAt: Date
  revokedAt: Date | null
  lastUsedAt: Date | null
  accountName: string | null
  isSecretariat: boolean | null
  role: OfficerRole | null
  memberStatus: MembershipStatus | null
  portalName: string | null
  scopes: string[] | null
}

function selectTokenHolders(db: Db) {
  return db
    .selectFrom('tokens')
    .leftJoin('accounts', 'accounts.id', 'tokens.accountId')
    .leftJoin('officers', join =>
      join.onRef('officers.accountId', '=', 'tokens.accountId').onRef('officers.memberId', '=', 'tokens.memberId'),
    )
    .leftJoin('members', 'members.id', 'tokens.memberId')
    .leftJoin('portals', 'portals.id', 'tokens.portalId')
    .select([
      'tokens.id',
      'tokens.kind',
      'tokens.secretHash',
      'tokens.accountId',
      'tokens.memberId',
      'tokens.portalId',
      'tokens.expiresAt',
      'tokens.revokedAt',
      'tokens.lastUsedAt',
      'accounts.name as accountName',
      'accounts.isSecretariat',
      'officers.role',
      'members.status as memberStatus',
      'portals.name as portalName',
      'portals.scopes',
    ])
}

/** Everything about the bearer of a token in one read; undefined when there is no such token. */
export function findTokenHolder(db: Db, tokenId: string): Promise<TokenHolder | undefined> {
  return selectTokenHolders(db).where('tokens.id', '=', tokenId).executeTakeFirst()
}

/** The same for many tokens in one statement, in no order; those that do not exist are left out. */
export function findTokenHolders(db: Db, tokenIds: readonly string[]): Promise<TokenHolder[]> {
  return selectTokenHolders(db).where('tokens.id', '=', sql<string>`any(${tokenIds}::uuid[])`).execute()
}

/** Notes that a token was used, to the minute: at most one write a minute and token. */
export async function touchToken(db: Db, tokenId: string, now: Date): Promise<void> {
  await db
    .updateTable('tokens')
    .set({ lastUsedAt: now })
    .where('id', '=', tokenId)
    .where(eb => eb.or([eb('lastUsedAt', 'is', null), eb('lastUsedAt', '<', new Date(now.getTime() - 60_000))]))
    .execute()
}

/** The live keys of portals, two at most for each, in the order of their issue. */
export function findPortalKeys(
  db: Db,
  portalIds: readonly string[],
  now: Date,
): Promise<{ id: string; portalId: string | null }[]> {
  return db
    .selectFrom('tokens')
    .select(['id', 'portalId'])
    .where('portalId', '=', sql<string>`any(${portalIds}::uuid[])`)
    .where('revokedAt', 'is', null)
    .where('expiresAt', '>', now)
    .orderBy('id')
    .execute()
}

/**
 * The readable name of an actor as `actorReference` wrote it: the name of the account or portal, else what was written,
 * such as the name of a program.
 * @param reference a column of actor references
 */
export function actorName(reference: RawBuilder<string>): RawBuilder<string> {
  return sql<string>`coalesce(
    (select accounts.name from accounts where accounts.id =
      case when ${reference} like 'account:%' then substr(${reference}, 9)::uuid end),
    (select portals.name from portals where portals.id =
      case when ${reference} like 'portal:%' then substr(${reference}, 8)::uuid end),
    ${reference})`
}

/** Makes sure that there is an account with this mail address, and answers its id. The name of an older account stays. */
export async function upsertAccount(
  tx: Tx,
  account: { id: string; name: string; email: string; isSecretariat: boolean; createdAt: Date },
): Promise<string> {
  const { id } = await tx
    .insertInto('accounts')
    .values(account)
    .onConflict(conflict =>
      conflict.column('email').doUpdateSet({ isSecretariat: sql`accounts.is_secretariat or excluded.is_secretariat` }),
    )
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** A member that an account acts for. */
export interface OfficeRow {
  readonly memberId: string
  readonly memberStatus: MembershipStatus
  readonly kind: string
  readonly names: Translations
  readonly role: OfficerRole
}

/** The members that an account acts for and that have not left, the first come first; at most 100. */
export function findOffices(db: Db, accountId: string): Promise<OfficeRow[]> {
  return db
    .selectFrom('officers')
    .innerJoin('members', 'members.id', 'officers.memberId')
    .select(['officers.memberId', 'officers.role', 'members.status as memberStatus', 'members.kind', 'members.names'])
    .where('officers.accountId', '=', accountId)
    .where('members.status', 'not in', ['WITHDRAWN', 'EXPELLED'])
    .orderBy('officers.createdAt')
    .orderBy('officers.id')
    .limit(100)
    .execute()
}

/**
 * The role of an account in a member that has not left; both stay as they are until the transaction ends. Undefined when
 * it acts for it no more.
 */
export async function holdOffice(tx: Tx, accountId: string, memberId: string): Promise<OfficerRole | undefined> {
  const office = await tx
    .selectFrom('officers')
    .innerJoin('members', 'members.id', 'officers.memberId')
    .select('officers.role')
    .where('officers.accountId', '=', accountId)
    .where('officers.memberId', '=', memberId)
    .where('members.status', 'not in', ['WITHDRAWN', 'EXPELLED'])
    .forShare()
    .executeTakeFirst()
  return office?.role
}
