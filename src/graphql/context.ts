import { randomUUID } from 'node:crypto'
import type { Actor } from '../access/actor.ts'
import type { Bearers } from '../access/bearers.ts'
import type { Entry } from '../access/entry.ts'
import type { Request } from '../access/request.ts'
import type { Db } from '../database/client.ts'
import type { Feed } from '../journal/feed.ts'
import type { Locale } from '../languages.ts'
import type { Keeping } from '../reads/keeping.ts'
import { impersonal } from './live-personal.ts'
import { createLoaders, type Loaders } from './loaders.ts'

/** What the process offers to every request. */
export interface Services {
  readonly db: Db
  readonly feed: Feed
  /** Who came with a token in the last seconds. */
  readonly bearers: Bearers
  /** Tells this process what was committed. */
  readonly wake: Request['wake']
  /** How people come in. */
  readonly entry: Entry
  /** The clock. */
  readonly now: () => Date
}

/** What every resolver gets. One per request; one per event of a subscription. */
export interface Context {
  readonly request: Request
  /** The caller's language. */
  readonly locale: Locale
  readonly feed: Feed
  /** How people come in. */
  readonly entry: Entry
  /** Batched reads for this request alone: they see what the actor may see. */
  readonly loaders: Loaders
  /** Forgets what was read. Every field of a mutation begins so: what it changes is not what the one before read. */
  readonly renewLoaders: () => void
  /** What the answer is made of, where it may be kept; null where nobody asks. */
  readonly keeping: Keeping | null
}

/**
 * Notes that what was answered holds until a moment only, even if nothing changes.
 * @param moment null for what never holds for another request
 */
export function holdsUntil({ keeping }: Context, moment: Date | null): void {
  if (keeping) keeping.until = Math.min(keeping.until, moment ? moment.getTime() : Number.NEGATIVE_INFINITY)
}

/** The same context for an answer that may be kept: of who the caller is, only what others share can be seen. */
export function keepingContext(context: Context, keeping: Keeping): Context {
  return { ...context, request: { ...context.request, actor: impersonal(context.request.actor) }, keeping }
}

/** Makes the context of one request, or of one event of a subscription: with loaders that have read nothing yet. */
export function createContext(
  services: Services,
  caller: { readonly actor: Actor; readonly locale: Locale; readonly requestId?: string },
): Context {
  const request: Request = {
    db: services.db,
    actor: caller.actor,
    now: services.now(),
    requestId: caller.requestId ?? randomUUID(),
    wake: services.wake,
  }
  const context = {
    request,
    locale: caller.locale,
    feed: services.feed,
    entry: services.entry,
    loaders: createLoaders(request),
    keeping: null,
    renewLoaders: () => {
      context.loaders = createLoaders(request)
    },
  }
  return context
}
