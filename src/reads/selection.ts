import { CompiledQuery, type RawBuilder, sql } from 'kysely'
import { LRUCache } from 'lru-cache'
import type { Actor } from '../access/actor.ts'
import type { Db } from '../database/client.ts'
import type { Listing, LooseQuery, Relation, Source } from './source.ts'

/** The rows of one source within a statement: the first those that are asked for, the others joined to them one by one. */
interface Scope {
  readonly source: Source
  readonly join: { readonly relation: Relation; readonly scope: number; readonly column: string } | null
}

interface Column {
  readonly scope: number
  readonly name: string
  /** What the rows answer in its place: the value, nothing, or true where there is no such row and else nothing. */
  readonly shows: 'value' | 'nothing' | 'absence'
}

/**
 * What a statement selects: columns of a source, and of the single rows that its rows name. It may grow until it is first
 * read; then its statements are compiled, once for each shape of what is asked.
 */
export interface Selection {
  /** Tells its statements from others. */
  readonly id: number
  readonly scopes: Scope[]
  /** In the order of the flat rows. */
  readonly columns: Column[]
  /** Whether it was read, so that a column more would not be in the statements. */
  isSealed: boolean
}

let made = 0

/** Begins a selection. */
export function createSelection(source: Source): Selection {
  return { id: ++made, scopes: [{ source, join: null }], columns: [], isSealed: false }
}

function demandOpen({ isSealed, scopes }: Selection, what: string): void {
  if (isSealed) throw new Error(`A selection of ${scopes[0]!.source.table} was read before "${what}" was added to it.`)
}

function addColumn(selection: Selection, scope: number, name: string, shows: Column['shows']): number {
  const { columns } = selection
  const isOf = (one: Column) =>
    one.scope === scope && one.name === name && (one.shows === 'absence') === (shows === 'absence')
  const known = columns.findIndex(isOf)
  if (known >= 0 && (columns[known]!.shows === shows || shows === 'nothing')) return known
  demandOpen(selection, name)
  if (known < 0) return columns.push({ scope, name, shows }) - 1
  columns[known] = { scope, name, shows }
  return known
}

/** The place of a column that the flat rows have; -1 for one that they don't have. */
export function findPlace({ columns }: Selection, scope: number, name: string): number {
  return columns.findIndex(one => one.scope === scope && one.name === name && one.shows === 'value')
}

/**
 * The place of a column in the flat rows. Of a row that is joined the key has the value of the column that names it, and so
 * its place: it tells nothing where there is no such row.
 */
export function placeOf(selection: Selection, scope: number, name: string): number {
  const { join } = selection.scopes[scope]!
  if (join?.relation.to === name) return placeOf(selection, join.scope, join.column)
  return addColumn(selection, scope, name, 'value')
}

/** Where the flat rows have null when the row is there that is joined. Every text that need not be read saves its reading. */
export function absenceOf(selection: Selection, scope: number): number {
  return addColumn(selection, scope, selection.scopes[scope]!.join!.relation.to, 'absence')
}

/** Selects a column of the source for the statement to sort by; the flat rows don't have it. Answers its name in SQL. */
export function sortColumn(selection: Selection, name: string): string {
  return `j0.c${addColumn(selection, 0, name, 'nothing')}`
}

/** Joins the row that a column names, and answers its scope: its columns are all null where there is none to be seen. */
export function joinOne(selection: Selection, scope: number, column: string, relation: Relation): number {
  const { scopes } = selection
  const known = scopes.findIndex(
    ({ join }) => join?.relation === relation && join.scope === scope && join.column === column,
  )
  if (known >= 0) return known
  demandOpen(selection, column)
  addColumn(selection, scope, column, 'value')
  return scopes.push({ source: relation.source, join: { relation, scope, column } }) - 1
}

const column = (scope: number, place: number) => sql.raw(`j${scope}.c${place}`)

/** Puts the columns of one scope to a query. */
function select(selection: Selection, scope: number, query: LooseQuery): LooseQuery {
  const { source } = selection.scopes[scope]!
  const own = selection.columns.flatMap(({ scope: of, name }, place) => (of === scope ? { name, place } : []))
  return query.select(own.map(({ name, place }) => source.column(name).as(`c${place}`)))
}

/** The rows of a relation that the actor may see, without columns, order and keys. */
export function selectRelated(db: Db, actor: Actor, { source, where }: Relation): LooseQuery {
  let query = source.visible(db, actor)
  for (const [name, value] of Object.entries(where))
    query = query.where(sql<boolean>`${source.column(name)} = ${sql.lit(value)}`)
  return query
}

function joins(db: Db, actor: Actor, selection: Selection): RawBuilder<unknown> {
  const parts = selection.scopes.map(({ join }, scope) => {
    if (!join) return sql``
    const { relation } = join
    const place = findPlace(selection, join.scope, join.column)
    const key = sql<boolean>`${relation.source.column(relation.to)} = ${column(join.scope, place)}`
    const one = select(selection, scope, selectRelated(db, actor, relation).where(key))
    return sql` left join lateral ${one} as ${sql.raw(`j${scope}`)} on true`
  })
  return sql.join(parts, sql``)
}

/**
 * The statement of a selection: flat rows of its columns, followed by `rest`.
 * @param rows makes the rows of its source, with their order and limit, by putting the selected columns to a query
 * @param options.rest further columns, as the rows name them
 * @param options.order of the whole; joins don't promise to keep that of the rows
 */
export function assemble(
  db: Db,
  actor: Actor,
  selection: Selection,
  rows: (select: (query: LooseQuery) => LooseQuery) => RawBuilder<unknown> | LooseQuery,
  options: { readonly rest?: readonly string[]; readonly order?: RawBuilder<unknown> | null } = {},
): CompiledQuery {
  const { rest = [], order = null } = options
  const columns = [
    ...selection.columns.map(({ scope, shows }, place) => {
      if (shows === 'nothing') return sql.raw(`null as c${place}`)
      if (shows === 'absence')
        return sql`case when ${column(scope, place)} is null then true end as ${sql.raw(`c${place}`)}`
      return column(scope, place)
    }),
    ...rest.map(name => sql.raw(`j0.${name}`)),
  ]
  // Something must be selected where nothing of the rows is asked for but that they are there.
  const selected = columns.length > 0 ? sql.join(columns) : sql.raw('1')
  const source = rows(query => select(selection, 0, query))
  const sorted = order ? sql` order by ${order}` : sql``
  return sql`select ${selected} from (${source}) as j0${joins(db, actor, selection)}${sorted}`.compile(db)
}

/**
 * The statements that were compiled, by bytes as far as one can tell: callers invent documents and shapes without end.
 * They are kept without the trees that Kysely made them of, which are many times as large.
 */
const statements = new LRUCache<string, CompiledQuery>({
  maxSize: 20_000_000,
  sizeCalculation: ({ sql: text, parameters }, key) => 2 * text.length + key.length + 50 * parameters.length + 500,
})

const ids = new WeakMap<Listing | Relation, number>()

function idOf(read: Listing | Relation): number {
  const known = ids.get(read)
  if (known !== undefined) return known
  ids.set(read, ++made)
  return made
}

/** The statement of a selection for a shape of what is asked of a list or relation; made when it is first asked for. */
export function compiledOf(
  selection: Selection,
  of: Listing | Relation,
  shape: string,
  make: () => CompiledQuery,
): CompiledQuery {
  const key = `${selection.id} ${idOf(of)} ${shape}`
  const known = statements.get(key)
  if (known) return known
  selection.isSealed = true
  const { sql: text, parameters, queryId } = make()
  const statement = { ...CompiledQuery.raw(text, [...parameters]), queryId }
  statements.set(key, statement)
  return statement
}

const wholes = new WeakMap<Source, Selection>()

/** The selection of all columns of whole rows, in their order. */
export function wholeSelection(source: Source): Selection {
  const known = wholes.get(source)
  if (known) return known
  const selection = createSelection(source)
  for (const name of source.whole) placeOf(selection, 0, name)
  wholes.set(source, selection)
  return selection
}

/** A flat row of `wholeSelection` as an object. */
export function wholeRow<Row extends object>(source: Source<Row>, flat: readonly unknown[]): Row {
  const row: Record<string, unknown> = {}
  for (const [place, name] of source.whole.entries()) row[name] = flat[place]
  return row as Row
}
