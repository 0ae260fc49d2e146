import { sql } from 'kysely'
import type { Db } from './client.ts'

/**
 * How common values are, as the database's own statistics have it (`ANALYZE`, which PostgreSQL runs by itself). Good for
 * choosing how to read, never for what is answered: it may be old, and without statistics nothing is common.
 */
export interface Shares {
  /** About how many rows a table has. */
  readonly rows: (table: string) => number
  /** At most about how large a share of the rows have this value in a column; 0 to 1. */
  readonly of: (column: SharedColumn, value: string) => number
  /** At most about how large a share of the texts have a part that begins with this. */
  readonly beginning: (column: SharedColumn, part: string) => number
  /** About how large a share of the rows have this moment or a later one. */
  readonly since: (column: SharedColumn, moment: Date) => number
}

/** Columns whose values are so counted: the table, or the index of an expression, and the column. */
export type SharedColumn =
  | 'member_facets.facet'
  | 'members.updated_at'
  | 'member_search_parts.text_parts'
  | 'announcements_parts.text_parts'

interface ColumnStatistics {
  readonly shares: ReadonlyMap<string, number>
  /** What is not listed is rarer than all that is. */
  readonly least: number
  /** Moments in equal steps of the share. */
  readonly moments: readonly number[]
}

const nothing: ColumnStatistics = { shares: new Map(), least: 0, moments: [] }

interface StatisticsRow {
  column: string
  values: string[] | null
  shares: number[] | null
  moments: string[] | null
}

async function readShares(db: Db): Promise<Shares> {
  const [columns, tables] = await Promise.all([
    sql<StatisticsRow>`
      select tablename || '.' || attname as column,
        coalesce(most_common_elems, most_common_vals)::text::text[] as values,
        case when most_common_elems is null then most_common_freqs else most_common_elem_freqs end::float8[] as shares,
        case when attname = 'updated_at' then histogram_bounds::text::text[] end as moments
      from pg_stats
      where schemaname = current_schema and (tablename, attname) in (
        ('member_facets', 'facet'), ('members', 'updated_at'), ('member_search_parts', 'text_parts'),
        ('announcements_parts', 'text_parts')
      )`.execute(db),
    sql<{ name: string; rows: number }>`
      select relname as name, reltuples::float8 as rows from pg_class
      where relnamespace = current_schema::regnamespace and relname in ('members', 'member_facets', 'announcements')`.execute(
      db,
    ),
  ])
  const rows = new Map(tables.rows.map(table => [table.name, Math.max(0, table.rows)]))
  const statistics = new Map(
    columns.rows.map(({ column, values, shares, moments }) => {
      // The statistics of elements end with their least, their greatest and the share of nulls.
      const known = new Map((values ?? []).map((value, i) => [value, shares?.[i] ?? 0]))
      const least = Math.min(1, ...known.values())
      return [column, { shares: known, least: known.size > 0 ? least : 0, moments: (moments ?? []).map(Date.parse) }]
    }),
  )
  const of = (column: SharedColumn) => statistics.get(column) ?? nothing
  return {
    rows: table => rows.get(table) ?? 0,
    of: (column, value) => of(column).shares.get(value) ?? of(column).least,
    beginning: (column, part) => {
      let share = of(column).least
      for (const [value, one] of of(column).shares) if (value.startsWith(part)) share += one
      return Math.min(1, share)
    },
    since: (column, moment) => {
      const { shares, moments } = of(column)
      let listed = 0
      let later = 0
      for (const [value, share] of shares) {
        listed += share
        if (Date.parse(value) >= moment.getTime()) later += share
      }
      const after = moments.filter(bound => bound >= moment.getTime()).length / Math.max(1, moments.length)
      return later + (1 - listed) * after
    },
  }
}

const unknown: Shares = { rows: () => 0, of: () => 0, beginning: () => 0, since: () => 0 }

const kept = new WeakMap<object, Shares>()

/** Reads the shares of a database anew. */
export async function refreshShares(db: Db): Promise<void> {
  kept.set(db, await readShares(db))
}

/** How often they are read anew, in milliseconds. */
const interval = 300_000

/**
 * Reads the shares of a database, and again every five minutes.
 * @param onError hears of what went wrong: the old ones are as good
 * @returns ends it
 */
export function keepShares(db: Db, onError: (error: unknown) => void): () => void {
  const refresh = () => void refreshShares(db).catch(onError)
  refresh()
  const timer = setInterval(refresh, interval)
  return () => clearInterval(timer)
}

/** The shares of a database as they were read last; where nobody reads them, nothing is common. */
export function sharesOf(db: Db): Shares {
  return kept.get(db) ?? unknown
}
