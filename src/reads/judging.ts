import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely'

/** One who wants a row if it meets a filter. */
export interface Wanted<Filter extends object> {
  /** The row's UUID. */
  readonly id: string
  readonly filter: Filter
}

/** A row, and the places of those who want it and whose filter it meets. */
type Judged<Row> = Row & { readonly met: readonly number[] }

/**
 * For each who wants a row, the row if it is found and meets the filter; the very same for all of these. One statement
 * for any number of filters, of one text: PostgreSQL is handed the filters and tells with a row which of them it meets.
 * @param types the SQL types of the values of a filter, of which null, undefined and false mean that there is no such
 * condition
 * @param meets the conditions of a filter. It is given filters of one value, which stands for that of all in turn: it
 * must not be looked into
 * @param key the row's UUID in the statement
 * @param read reads rows with their `met`
 */
export async function findWanted<Row extends { readonly id: string }, Filter extends object>(
  wanted: readonly Wanted<Filter>[],
  types: { readonly [Name in keyof Filter]-?: string },
  meets: (filter: Filter) => Expression<SqlBool>,
  key: Expression<unknown>,
  read: (met: RawBuilder<number[]>, isWanted: RawBuilder<SqlBool>) => Promise<readonly Judged<Row>[]>,
): Promise<(Row | null)[]> {
  const asked = wanted.map(({ id, filter }, place) => {
    const given = Object.entries(filter).filter(([, value]) => value !== false)
    return { place, id, ...Object.fromEntries(given) }
  })
  const names = Object.keys(types) as (keyof Filter & string)[]
  const columns = names.map(name => sql.raw(`"${name}" ${types[name]}`))
  const conditions = names.map(name => {
    const value = sql.raw(`asked."${name}"`)
    return sql`(${value} is null or ${meets({ [name]: value } as Filter)})`
  })
  const met = sql<number[]>`array(
    select asked.place
    from jsonb_to_recordset(${JSON.stringify(asked)}::jsonb) as asked (place integer, id uuid, ${sql.join(columns)})
    where asked.id = ${key} and ${sql.join(conditions, sql` and `)})`
  const ids = [...new Set(wanted.map(({ id }) => id))]
  const found: (Row | null)[] = wanted.map(() => null)
  for (const { met: places, ...row } of await read(met, sql<SqlBool>`${key} = any(${ids}::uuid[])`))
    for (const place of places) found[place] = row as unknown as Row
  return found
}
