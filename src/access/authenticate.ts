import type { Db } from '../database/client.ts'
import { text, Unauthenticated } from '../errors.ts'
import { type Actor, anonymous } from './actor.ts'
import type { Bearers } from './bearers.ts'
import { officerPermissions, type Permission, secretariatPermissions } from './permissions.ts'
import { isSecretOf, readToken } from './secret.ts'
import { findTokenHolder, findTokenHolders, type TokenHolder, touchToken } from './store.ts'

function refused(en: string, zh: string): Unauthenticated {
  return new Unauthenticated(
    text(
      `${en} Ask the secretariat for a new one, or call without a token.`,
      `${zh}请向秘书处申请新令牌，或不带令牌调用。`,
    ),
  )
}

const unknown = () => refused('The token is not valid.', '令牌无效。')

/** The actor behind a token that is known, not revoked and not expired. @throws Unauthenticated */
function actorOf(holder: TokenHolder, now: Date): Actor {
  if (holder.revokedAt) throw refused('The token was revoked.', '令牌已被吊销。')
  if (holder.expiresAt <= now)
    throw refused(
      `The token expired on ${holder.expiresAt.toISOString()}.`,
      `令牌已于 ${holder.expiresAt.toISOString()} 过期。`,
    )
  const { id: tokenId, expiresAt } = holder
  switch (holder.kind) {
    case 'OFFICER': {
      if (holder.role === null) throw refused('You act for this member no more.', '您已不再代表该成员。')
      const permissions = officerPermissions(holder.role, holder.memberStatus!)
      if (permissions.size === 0)
        throw refused('The member that this token acts for has left the alliance.', '此令牌所代表的成员已离开联盟。')
      return {
        kind: 'OFFICER',
        tokenId,
        expiresAt,
        permissions,
        name: holder.accountName!,
        accountId: holder.accountId!,
        memberId: holder.memberId!,
        memberStatus: holder.memberStatus!,
        role: holder.role,
      }
    }
    case 'SECRETARIAT':
      if (!holder.isSecretariat) throw unknown()
      return {
        kind: 'SECRETARIAT',
        tokenId,
        expiresAt,
        permissions: secretariatPermissions,
        name: holder.accountName!,
        accountId: holder.accountId!,
      }
    case 'PORTAL':
      return {
        kind: 'PORTAL',
        tokenId,
        expiresAt,
        permissions: new Set(holder.scopes as Permission[]),
        name: holder.portalName!,
        portalId: holder.portalId!,
      }
  }
}

/**
 * Who is calling, by the Authorization header; anonymous without one.
 * @param find looks the bearer up; what it answers may be kept and is told when it was used
 * @throws Unauthenticated when the token is malformed, unknown, expired or revoked
 */
export async function authenticate(
  db: Db,
  header: string | undefined,
  now: Date,
  find: Bearers['find'] = findTokenHolder,
): Promise<Actor> {
  if (header === undefined) return anonymous
  const bearer = /^Bearer +(\S+)$/i.exec(header.trim())
  if (!bearer)
    throw new Unauthenticated(
      text('Send the token as "Authorization: Bearer mva_…".', '请以“Authorization: Bearer mva_…”的形式发送令牌。'),
    )
  const token = readToken(bearer[1]!)
  const holder = token && (await find(db, token.tokenId))
  if (!holder || !isSecretOf(token.secret, holder.secretHash)) throw unknown()
  const actor = actorOf(holder, now)
  if (!holder.lastUsedAt || now.getTime() - holder.lastUsedAt.getTime() > 60_000) {
    holder.lastUsedAt = now
    await touchToken(db, holder.id, now)
  }
  return actor
}

/** The bearer as it stands now; null when there is none any more. */
function standing(holder: TokenHolder | undefined, now: Date): Actor | null {
  try {
    return holder ? actorOf(holder, now) : null
  } catch (error) {
    if (error instanceof Unauthenticated) return null
    throw error
  }
}

/** The same caller as it stands now; null when its token is revoked or expired, or its member has left. */
export async function reauthenticate(db: Db, tokenId: string, now: Date): Promise<Actor | null> {
  return standing(await findTokenHolder(db, tokenId), now)
}

/** The same for many tokens in one statement, by token: an entry for each. */
export async function reauthenticateAll(
  db: Db,
  tokenIds: readonly string[],
  now: Date,
): Promise<ReadonlyMap<string, Actor | null>> {
  const holders = new Map((await findTokenHolders(db, tokenIds)).map(holder => [holder.id, holder]))
  return new Map(tokenIds.map(tokenId => [tokenId, standing(holders.get(tokenId), now)]))
}
