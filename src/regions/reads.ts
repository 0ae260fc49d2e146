import { sql } from 'kysely'
import type { PageOrder } from '../database/page.ts'
import { listing, oneBy, source } from '../reads/source.ts'
import type { RegionRow } from './store.ts'

const regions = source<RegionRow>('regions', {
  isReference: true,
  news: { subject: null, types: ['reference.loaded'] },
})

export const regionById = oneBy(regions, 'id')
export const regionByCode = oneBy(regions, 'code')

/** Which places to list. */
export interface RegionFilter {
  readonly levels?: readonly RegionRow['level'][] | null
  readonly province?: string | null
  /** A pattern of LIKE. */
  readonly name?: string | null
}

export const byCode: PageOrder = {
  name: 'code',
  direction: 'asc',
  keys: [{ expression: sql.ref('regions.code'), type: 'text' }],
}

/** Places. */
export const regionList = listing(regions, (db, _actor, filter: RegionFilter) => {
  let query = db.selectFrom('regions')
  if (filter.levels) query = query.where('regions.level', '=', sql<RegionRow['level']>`any(${filter.levels}::text[])`)
  if (filter.province) query = query.where('regions.provinceCode', '=', filter.province)
  if (filter.name) query = query.where('regions.search', 'like', filter.name)
  return query
})
