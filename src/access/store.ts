import { type RawBuilder, type Selectable, sql } from 'kysely'
import type { Db, Tx } from '../database/client.ts'
import { mergeParts, type Page, type PageArgs, type PageOrder, readPage } from '../database/page.ts'
import type { Portals, Tokens } from '../database/tables.ts'
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

/** Tokens with the names around them. @param tokens rows of the table; all without it */
function selectTokens(db: Db, tokens: RawBuilder<Selectable<Tokens>> = sql.table('tokens')) {
  return db
    .selectFrom(tokens.as('tokens'))
    .leftJoin('accounts', 'accounts.id', 'tokens.accountId')
    .leftJoin('officers', join =>
      join.onRef('officers.accountId', '=', 'tokens.accountId').onRef('officers.memberId', '=', 'tokens.memberId'),
    )
    .leftJoin('portals', 'portals.id', 'tokens.portalId')
    .select([
      'tokens.id',
      'tokens.kind',
      'tokens.accountId',
      'tokens.memberId',
      'tokens.portalId',
      'tokens.createdAt',
      'tokens.expiresAt',
      'tokens.revokedAt',
      'tokens.revokedReason',
      'tokens.lastUsedAt',
      'officers.role',
    ])
    .select([
      sql<string>`coalesce(accounts.name, portals.name)`.as('holder'),
      actorName(sql.ref('tokens.createdBy')).as('createdBy'),
      actorName(sql.ref('tokens.revokedBy')).as('revokedBy'),
    ])
}

/** Which tokens to list. */
export interface TokenFilter {
  readonly kinds?: readonly TokenRow['kind'][] | null
  /** UUIDs. */
  readonly memberId?: string | null
  readonly portalId?: string | null
  /** Whether it can still be used. */
  readonly live?: boolean | null
}

const latestFirst = (name: string, id = name): PageOrder => ({
  name,
  direction: 'desc',
  keys: [{ expression: sql.ref(id), type: 'uuid' }],
})

/** A page of tokens, the latest first. */
export function pageTokens(db: Db, filter: TokenFilter, now: Date, args: PageArgs): Promise<Page<TokenRow>> {
  const { kinds, memberId, portalId, live } = filter
  // Each kind is a stretch of an index, and PostgreSQL merges them. It stands in the text, so that it is known how rare
  // it is also by plans that are kept: there are three.
  const ofKind = (kind: TokenRow['kind']) => db.selectFrom('tokens').select('id').where('kind', '=', sql.lit(kind))
  const sorting = sql.raw(args.last == null ? 'id desc' : 'id')
  let query = selectTokens(
    db,
    kinds && kinds.length > 0
      ? sql`(select one.*, listed.id as place from ${mergeParts([...new Set(kinds)].map(ofKind), sorting)} as listed
          cross join lateral (select * from tokens where tokens.id = listed.id offset 0) as one)`
      : undefined,
  )
  if (kinds?.length === 0) query = query.where(sql<boolean>`false`)
  if (memberId) query = query.where('tokens.memberId', '=', memberId)
  if (portalId) query = query.where('tokens.portalId', '=', portalId)
  if (live != null)
    query = query.where(
      sql<boolean>`(tokens.revoked_at is null and tokens.expires_at > ${now}::timestamptz) = ${live}::boolean`,
    )
  return readPage(query, latestFirst('tokens.id', kinds && kinds.length > 0 ? 'tokens.place' : 'tokens.id'), args)
}

/** A page of portals, the latest first. */
export function pagePortals(db: Db, args: PageArgs): Promise<Page<PortalRow>> {
  return readPage(db.selectFrom('portals').selectAll().$castTo<PortalRow>(), latestFirst('portals.id'), args)
}

export function findTokens(db: Db, ids: readonly string[]): Promise<TokenRow[]> {
  return selectTokens(db).where('tokens.id', '=', sql<string>`any(${ids}::uuid[])`).execute()
}

/** The live keys of portals, two at most for each. */
export function findPortalKeys(db: Db, portalIds: readonly string[], now: Date): Promise<TokenRow[]> {
  return selectTokens(db)
    .where('tokens.portalId', '=', sql<string>`any(${portalIds}::uuid[])`)
    .where('tokens.revokedAt', 'is', null)
    .where('tokens.expiresAt', '>', now)
    .orderBy('tokens.id')
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
