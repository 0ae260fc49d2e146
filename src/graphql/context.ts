import { randomUUID } from 'node:crypto'
import type { Actor } from '../access/actor.ts'
import type { Request } from '../access/request.ts'
import type { Db } from '../database/client.ts'
import type { Feed } from '../journal/feed.ts'
import type { Locale } from '../languages.ts'
import { createLoaders, type Loaders } from './loaders.ts'

/** What the process offers to every request. */
export interface Services {
  readonly db: Db
  readonly feed: Feed
  /** Tells the sequencer that something was committed. */
  readonly wake: () => void
  /** The clock. */
  readonly now: () => Date
}

/** What every resolver gets. One per request; one per event of a subscription. */
export interface Context {
  readonly request: Request
  /** The caller's language. */
  readonly locale: Locale
  readonly feed: Feed
  /** Batched reads for this request alone: they see what the actor may see. */
  readonly loaders: Loaders
  /** Forgets what was read. Every field of a mutation begins so: what it changes is not what the one before read. */
  readonly renewLoaders: () => void
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
    loaders: createLoaders(request),
    renewLoaders: () => {
      context.loaders = createLoaders(request)
    },
  }
  return context
}
