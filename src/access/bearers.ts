import { LRUCache } from 'lru-cache'
import type { Db } from '../database/client.ts'
import type { Events, NewEvent } from '../journal/catalog.ts'
import { findTokenHolder, type TokenHolder } from './store.ts'

/**
 * The bearers of the tokens met in the last seconds: a portal calls thousands of times a minute with the same key.
 * They are kept by the id of the token, with the hash of its secret; the secret is never kept.
 */
export interface Bearers {
  /** Everything about the bearer of a token, as it was a few seconds ago at the most; undefined when there is none. */
  readonly find: (db: Db, tokenId: string) => Promise<TokenHolder | undefined>
  /** Forgets those whose rights these events may have changed. */
  readonly forget: (events: readonly Pick<NewEvent, 'type' | 'subject' | 'detail'>[]) => void
  readonly forgetAll: () => void
}

/**
 * How long a bearer is kept, in milliseconds. The journal tells of changes at once; while this process is cut off from
 * it, a revoked token works for so long.
 */
const life = 4_000

/**
 * Makes an empty memory. Whoever makes it tells it of the journal's news and of what this process commits.
 * @param most how many bearers are kept
 */
export function createBearers(most = 10_000): Bearers {
  const kept = new LRUCache<string, TokenHolder>({ max: most, ttl: life })
  /** Grows with all news, so that what was read before them is not kept after them. */
  let news = 0

  function forgetWhere(isMeant: (holder: TokenHolder) => boolean): void {
    for (const [id, holder] of [...kept.entries()]) if (isMeant(holder)) kept.delete(id)
  }

  return {
    find: async (db, tokenId) => {
      const known = kept.get(tokenId)
      if (known) return known
      const start = performance.now()
      const newsBefore = news
      const holder = await findTokenHolder(db, tokenId)
      if (holder && news === newsBefore) kept.set(tokenId, holder, { start })
      return holder
    },
    forget: events => {
      for (const { type, subject, detail } of events) {
        if (type === 'token.revoked') kept.delete(subject)
        else if (type === 'member.membership') forgetWhere(({ memberId }) => memberId === subject)
        else if (type === 'officer.changed') {
          const changed = detail as Events['officer.changed']
          forgetWhere(holder => holder.accountId === changed.accountId && holder.memberId === changed.memberId)
        } else if (type === 'token.issued') {
          // With the token an officer gets its role anew, for the account's other tokens, too.
          const { accountId } = detail as Events['token.issued']
          if (accountId !== null) forgetWhere(holder => holder.accountId === accountId)
        } else continue
        news++
      }
    },
    forgetAll: () => {
      kept.clear()
      news++
    },
  }
}
