import DataLoader from 'dataloader'
import type { Db } from '../database/client.ts'
import { findRegionsByCode } from '../regions/store.ts'
import { findTerms } from '../vocabularies/store.ts'
import { findCreditCodeOwners, findTakenReferences, type ReferenceRow } from './store.ts'

/** A key of a body in another system. */
export type Reference = Pick<ReferenceRow, 'system' | 'value'>

/**
 * What the checks of a member's input ask the database. Checks that run at the same time, such as those of the rows of
 * an import, share their statements. Good for one change: what it writes is not seen.
 */
export interface Lookups {
  readonly db: Db
  /** Whether a place with this code is recorded. */
  readonly hasRegion: (code: string) => Promise<boolean>
  /** Whether there is a term, by `FIELD digital_twin`. */
  readonly hasTerm: (key: string) => Promise<boolean>
  /** The UUID of the member with this credit code, whoever may see it. */
  readonly creditCodeOwner: (code: string) => Promise<string | null>
  /** The UUID of the member with this key, whoever may see it. */
  readonly referenceOwner: (reference: Reference) => Promise<string | null>
}

const keyOf = ({ system, value }: Reference) => `${system}\n${value}`

function batched<Key, Row, Found>(
  find: (keys: readonly Key[]) => Promise<Row[]>,
  rowKey: (row: Row) => string,
  askedKey: (key: Key) => string,
  answer: (row: Row | undefined) => Found,
): (key: Key) => Promise<Found> {
  const start = () =>
    new DataLoader<Key, Found, string>(
      async keys => {
        const rows = new Map((await find(keys)).map(row => [rowKey(row), row]))
        return keys.map(key => answer(rows.get(askedKey(key))))
      },
      { cacheKeyFn: askedKey },
    )
  // Most changes ask for little of it.
  let loader: ReturnType<typeof start> | undefined
  return key => {
    loader ??= start()
    return loader.load(key)
  }
}

const itself = (key: string) => key

export function createLookups(db: Db): Lookups {
  return {
    db,
    hasRegion: batched(
      codes => findRegionsByCode(db, codes),
      region => region.code,
      itself,
      region => region !== undefined,
    ),
    hasTerm: batched(
      keys => findTerms(db, keys),
      term => `${term.vocabulary} ${term.code}`,
      itself,
      term => term !== undefined,
    ),
    creditCodeOwner: batched(
      codes => findCreditCodeOwners(db, codes),
      owner => owner.creditCode,
      itself,
      owner => owner?.id ?? null,
    ),
    referenceOwner: batched(
      (references: readonly Reference[]) => findTakenReferences(db, references),
      keyOf,
      keyOf,
      owner => owner?.memberId ?? null,
    ),
  }
}
