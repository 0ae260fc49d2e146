import { type Selectable, sql } from 'kysely'
import type { Db } from '../database/client.ts'
import type { Regions } from '../database/tables.ts'

/** A place. */
export type RegionRow = Selectable<Regions>

/** A pattern for LIKE that means the text itself wherever it stands. */
export function containing(part: string): string {
  return `%${part.replace(/[\\%_]/g, '\\$&')}%`
}

/**
 * The digits that the codes of a place and of all places within it begin with: 51 for 510000, 5101 for 510100.
 * GB/T 2260 writes province, city and county in two digits each, 00 meaning the whole.
 */
export function codePrefix(code: string): string {
  return code.replace(/(00){1,2}$/, '')
}

export function findRegionsByCode(db: Db, codes: readonly string[]): Promise<RegionRow[]> {
  return db.selectFrom('regions').selectAll().where('code', '=', sql<string>`any(${codes}::text[])`).execute()
}
