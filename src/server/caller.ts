import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { type Actor, anonymous } from '../access/actor.ts'
import { authenticate, reauthenticate } from '../access/authenticate.ts'
import { officerPermissions } from '../access/permissions.ts'
import { findTokenHolder } from '../access/store.ts'
import { Unauthenticated } from '../errors.ts'
import type { Services } from '../graphql/context.ts'
import { type CloseReason, closeTexts } from './connections.ts'

/** The id that a caller or a proxy gave to its request, if it is one that a log can bear; else a fresh one. */
export function readRequestId(headers: IncomingHttpHeaders): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && /^[\w.:/+=-]{1,100}$/.test(given) ? given : randomUUID()
}

/** Who is calling. @throws Unauthenticated when the token is none, or not valid any more */
export function identify(services: Services, authorization: string | undefined): Promise<Actor> {
  return authenticate(services.db, authorization, services.now(), services.bearers.find)
}

/** The token of a lasting connection has ended meanwhile, for this reason. */
export class TokenEnded extends Unauthenticated {
  readonly reason: CloseReason

  constructor(reason: CloseReason) {
    super(closeTexts[reason])
    this.reason = reason
  }
}

/** The same caller as it stands now: tokens end and roles change while a connection lasts. @throws TokenEnded */
export async function identifyAgain(services: Services, actor: Actor): Promise<Actor> {
  if (!('tokenId' in actor)) return anonymous
  const now = await reauthenticate(services.db, actor.tokenId, services.now())
  if (now) return now
  throw new TokenEnded(await whyEnded(services, actor.tokenId))
}

async function whyEnded(services: Services, tokenId: string): Promise<CloseReason> {
  const holder = await findTokenHolder(services.db, tokenId)
  // Tokens are revoked with the membership: that it ended says more.
  const { role, memberStatus } = holder ?? {}
  if (role && memberStatus && officerPermissions(role, memberStatus).size === 0) return 'changed'
  if (holder && !holder.revokedAt && holder.expiresAt <= services.now()) return 'expired'
  return 'revoked'
}
