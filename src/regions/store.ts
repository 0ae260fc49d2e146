import { type Selectable, sql } from 'kysely'
import type { Db } from '../database/client.ts'
import { type Page, type PageArgs, type PageOrder, readPage } from '../database/page.ts'
import type { Regions } from '../database/tables.ts'

/** A place. */
export type RegionRow = Selectable<Regions>

/** Which places to list. */
export interface RegionFilter {
  readonly levels?: readonly RegionRow['level'][] | null
  readonly province?: string | null
  /** As `searchTerm` writes it. */
  readonly name?: string | null
}

const byCode: PageOrder = { name: 'code', direction: 'asc', keys: [{ expression: sql.ref('code'), type: 'text' }] }

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

export function findRegions(db: Db, ids: readonly string[]): Promise<RegionRow[]> {
  return db.selectFrom('regions').selectAll().where('id', '=', sql<string>`any(${ids}::uuid[])`).execute()
}

/** A page of places, by code. */
export function pageRegions(db: Db, filter: RegionFilter, args: PageArgs): Promise<Page<RegionRow>> {
  let query = db.selectFrom('regions').selectAll()
  if (filter.levels) query = query.where('level', '=', sql<RegionRow['level']>`any(${filter.levels}::text[])`)
  if (filter.province) query = query.where('provinceCode', '=', filter.province)
  if (filter.name) query = query.where('search', 'like', containing(filter.name))
  return readPage(query, byCode, args)
}
