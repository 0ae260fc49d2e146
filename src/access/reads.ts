import { sql } from 'kysely'
import { oneBy, source } from '../reads/source.ts'
import { actorName, type PortalRow, type TokenRow } from './store.ts'

/** Tokens with the names around them, without their secrets. Who may read them, the SDL says. */
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

export const portalById = oneBy(source<PortalRow>('portals'), 'id')
