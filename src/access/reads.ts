import { type SqlBool, sql } from 'kysely'
import type { PageOrder } from '../database/page.ts'
import { listing, oneBy, source } from '../reads/source.ts'
import { actorName, type PortalRow, type TokenRow } from './store.ts'

/**
 * Tokens with the names around them, without their secrets. Who may read them, the SDL says. No event tells when one was
 * used last.
 */
const tokens = source<TokenRow>('tokens', {
  visible: db =>
    db
      .selectFrom('tokens')
      .leftJoin('accounts', 'accounts.id', 'tokens.accountId')
      .leftJoin('officers', join =>
        join.onRef('officers.accountId', '=', 'tokens.accountId').onRef('officers.memberId', '=', 'tokens.memberId'),
      )
      .leftJoin('portals', 'portals.id', 'tokens.portalId'),
  columns: {
    role: sql.ref('officers.role'),
    holder: sql`coalesce(accounts.name, portals.name)`,
    createdBy: actorName(sql.ref('tokens.createdBy')),
    revokedBy: actorName(sql.ref('tokens.revokedBy')),
  },
  whole: [
    'id',
    'kind',
    'accountId',
    'memberId',
    'portalId',
    'createdAt',
    'expiresAt',
    'revokedAt',
    'revokedReason',
    'lastUsedAt',
    'role',
    'holder',
    'createdBy',
    'revokedBy',
  ],
})

export const tokenById = oneBy(tokens, 'id')

const portals = source<PortalRow>('portals', { news: { subject: 'id', types: ['portal.registered'] } })

export const portalById = oneBy(portals, 'id')

/** Which tokens to list; what is null or false is no condition. */
export interface TokenFilter {
  /** Those that are true. */
  readonly kinds: { readonly [Kind in TokenRow['kind']]?: boolean } | null
  /** An id of another kind than the member's is the id of nothing. */
  readonly member: { readonly id: string; readonly kind?: string } | null
  /** A UUID. */
  readonly portalId: string | null
  /** Those that can be used now, or those that can't. */
  readonly live: boolean
  readonly ended: boolean
  readonly now: Date
}

/** Tokens, of which each kind is a stretch of an index: named in the text, so that it is known how rare it is. */
export const tokenList = listing(tokens, (db, actor, { kinds, member, portalId, live, ended, now }: TokenFilter) => {
  let query = tokens.visible(db, actor)
  if (member)
    query = query.where(sql<SqlBool>`tokens.member_id = ${member.id} and exists (
        select from members where members.id = tokens.member_id and members.kind = ${member.kind})`)
  if (portalId) query = query.where('tokens.portalId', '=', portalId)
  const isLive = sql`(tokens.revoked_at is null and tokens.expires_at > ${now})`
  if (live) query = query.where(sql<SqlBool>`${isLive}`)
  if (ended) query = query.where(sql<SqlBool>`not ${isLive}`)
  if (!kinds) return query
  const named = Object.keys(kinds)
  return named.length > 0
    ? named.map(kind => query.where('tokens.kind', '=', sql.lit(kind)))
    : query.where(sql<SqlBool>`false`)
})

/** Portals. */
export const portalList = listing(portals, db => db.selectFrom('portals'))

const latestFirst = (id: string): PageOrder => ({
  name: id,
  direction: 'desc',
  keys: [{ expression: sql.ref(id), type: 'uuid' }],
})

export const latestTokens = latestFirst('tokens.id')
export const latestPortals = latestFirst('portals.id')
