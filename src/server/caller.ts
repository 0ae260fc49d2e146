import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { type Actor, anonymous } from '../access/actor.ts'
import { authenticate, reauthenticate } from '../access/authenticate.ts'
import { text, Unauthenticated } from '../errors.ts'
import type { Services } from '../graphql/context.ts'

/** The id that a caller or a proxy gave to its request, if it is one that a log can bear; else a fresh one. */
export function readRequestId(headers: IncomingHttpHeaders): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && /^[\w.:/+=-]{1,100}$/.test(given) ? given : randomUUID()
}

/** Who is calling. @throws Unauthenticated when the token is none, or not valid any more */
export function identify(services: Services, authorization: string | undefined): Promise<Actor> {
  return authenticate(services.db, authorization, services.now())
}

/** The same caller as it stands now: tokens end and roles change while a connection lasts. @throws Unauthenticated */
export async function identifyAgain(services: Services, actor: Actor): Promise<Actor> {
  if (!('tokenId' in actor)) return anonymous
  const now = await reauthenticate(services.db, actor.tokenId, services.now())
  if (now) return now
  throw new Unauthenticated(
    text(
      'The token was revoked or has expired, or its member has left the alliance.',
      '令牌已被吊销或已过期，或其所代表的成员已离开联盟。',
    ),
  )
}
