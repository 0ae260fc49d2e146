import { type Selectable, sql } from 'kysely'
import type { Db } from '../database/client.ts'
import type { VocabularyTerms } from '../database/tables.ts'

/** A word of a vocabulary. */
export type TermRow = Selectable<VocabularyTerms>
export type VocabularyName = TermRow['vocabulary']

/** The words with these keys, written `FIELD digital_twin`. */
export function findTerms(db: Db, keys: readonly string[]): Promise<TermRow[]> {
  return db
    .selectFrom('vocabularyTerms')
    .selectAll()
    .where(sql<string>`vocabulary || ' ' || code`, '=', sql<string>`any(${keys}::text[])`)
    .execute()
}
