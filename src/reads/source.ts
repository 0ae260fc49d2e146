import { type RawBuilder, type SelectQueryBuilder, sql } from 'kysely'
import type { Actor } from '../access/actor.ts'
import type { Db } from '../database/client.ts'
import { type DB, tableColumns } from '../database/tables.ts'
import type { EventType, NewEvent } from '../journal/catalog.ts'

/** A query whose table and columns are named at run time. */
export type LooseQuery = SelectQueryBuilder<Record<string, Record<string, unknown>>, string, Record<string, unknown>>

/** A value, or an expression of SQL in its place. */
export type Operand = unknown

/** Rows of one sort, of which a reader may get those that it may see. Declared once for all who read them. */
export interface Source<Row extends object = Record<string, unknown>> {
  /** The table, by whose name the query knows it. */
  readonly table: string
  /** The rows that the actor may see, without columns and order. */
  visible(db: Db, actor: Actor): LooseQuery
  /** The SQL of a column. */
  column(name: keyof Row & string): RawBuilder<unknown>
  /** The columns of a row when it is read whole: those that are long and seldom asked for may be left out. */
  readonly whole: readonly (keyof Row & string)[]
  /** How the journal tells of their changes, so that answers made of them can be kept; null where it does not. */
  readonly news: News | null
  /** Whether these are few rows that everybody sees and that only the event `reference.loaded` changes: see reference.ts. */
  readonly isReference: boolean
}

/** Events that tell of changes of the rows of a source. */
export interface News {
  /** The column of the rows that has the subject of the events; null where events are about all of the rows at once. */
  readonly subject: string | null
  readonly types: readonly EventType[]
  /** Whether an event may have brought rows into lists, taken them away or moved them. */
  moves(event: NewEvent): boolean
}

const told = new Set<{ readonly table: string; readonly news: News }>()

/** What is to be thought of anew after an event: the tags under which `tagOf` and its like file what was read. */
export function tagsOf(event: NewEvent): string[] {
  return [...told].flatMap(({ table, news }) => {
    if (!news.types.includes(event.type)) return []
    const tags = [rowTag(table, event.subject), changeTag(table)]
    return news.moves(event) ? [...tags, listTag(table)] : tags
  })
}

/** Files what was read of one subject. */
export const rowTag = (table: string, subject: unknown) => `${table} ${subject}`
/** Files what any change of the table may alter. */
export const changeTag = (table: string) => `${table} *`
/** Files which rows there are, and their order. */
export const listTag = (table: string) => `${table} list`

/**
 * Declares a source.
 * @param options.visible the rows that an actor may see: every row without it. It may join other tables
 * @param options.columns the SQL of columns that are not of the table itself
 * @param options.news which events tell of every change of the rows; without `moves` any of them may have moved rows
 * @param options.isReference for places, vocabularies and the like, which processes keep in memory
 * @param options.whole the columns of a row when it is read whole; without it, all of the table and of `columns`
 */
export function source<Row extends object>(
  table: keyof DB,
  options: {
    /** A query of Kysely; its types follow the tables that it joins, which don't matter here. */
    readonly visible?: (db: Db, actor: Actor) => object
    readonly columns?: { readonly [Name in keyof Row & string]?: RawBuilder<unknown> } & Readonly<
      Record<string, RawBuilder<unknown>>
    >
    readonly whole?: readonly (keyof Row & string)[]
    readonly isReference?: boolean
    readonly news?: {
      readonly subject: (keyof Row & string) | null
      readonly types: readonly EventType[]
      readonly moves?: (event: NewEvent) => boolean
    }
  } = {},
): Source<Row> {
  const expressions: Readonly<Record<string, RawBuilder<unknown> | undefined>> = options.columns ?? {}
  const all = new Set<string>([...tableColumns[table], ...Object.keys(expressions)])
  const news = options.news ? { moves: () => true, ...options.news } : null
  if (news) told.add({ table, news })
  return {
    table,
    news,
    isReference: options.isReference ?? false,
    visible: (db, actor) => (options.visible?.(db, actor) ?? db.selectFrom(table)) as LooseQuery,
    column: name => expressions[name] ?? sql.ref(`${table}.${name}`),
    whole: options.whole ?? ([...all] as (keyof Row & string)[]),
  }
}

/** How rows are found by a column that others name them by. */
export interface Relation<Row extends object = Record<string, unknown>> {
  readonly source: Source<Row>
  readonly to: keyof Row & string
  /** Columns of the rows that are meant, when not all are. */
  readonly where: { readonly [Name in keyof Row & string]?: string }
  /** Null for the one row of a key; for many, their order. */
  readonly many: {
    readonly order: readonly (keyof Row & string)[]
    readonly direction: 'asc' | 'desc'
    readonly most: number | null
  } | null
}

/** The one row that has this value in a column. */
export function oneBy<Row extends object>(
  from: Source<Row>,
  to: keyof Row & string,
  where: Relation<Row>['where'] = {},
): Relation<Row> {
  return { source: from, to, where, many: null }
}

/**
 * The rows that have this value in a column: few by a rule of the house, or the first ones.
 * @param options.most how many at most for each value
 */
export function manyBy<Row extends object>(
  from: Source<Row>,
  to: keyof Row & string,
  options: {
    readonly order: readonly (keyof Row & string)[]
    readonly direction?: 'asc' | 'desc'
    readonly most?: number
    readonly where?: Relation<Row>['where']
  },
): Relation<Row> {
  const { order, direction = 'asc', most = null, where = {} } = options
  return { source: from, to, where, many: { order, direction, most } }
}

/** The type of a key that lists are told apart by. */
export type KeyType = 'uuid' | 'text' | 'int'

/** A list that is read page by page. */
export interface Listing<Row extends object = Record<string, unknown>, Input extends object = object> {
  readonly source: Source<Row>
  /** Of what the list is, where every row of something has its own: the types of the keys that name it. */
  readonly of: readonly KeyType[]
  /** Whether the first of those keys is what events about the rows name: then they tell of this list alone. */
  readonly isOfSubject: boolean
  /** A column of moments: until then a row stands before where it will stand when nothing changes but the clock. */
  readonly movedAt: string | null
  /**
   * The rows, without columns, order and limit: one query, or several that share no row. Values of the input become
   * parameters whole: they may stand for others here, so that only their presence may decide anything. They are sorted
   * by `sorting`, which is null when they are counted: what is made of several parts has these sorted for itself.
   */
  select(
    db: Db,
    actor: Actor,
    input: Input,
    of: readonly Operand[],
    sorting: RawBuilder<unknown> | null,
  ): readonly LooseQuery[]
}

/** Declares a list. */
export function listing<Row extends object, Input extends object>(
  from: Source<Row>,
  select: (
    db: Db,
    actor: Actor,
    input: Input,
    of: readonly Operand[],
    sorting: RawBuilder<unknown> | null,
  ) => object | readonly object[],
  options: {
    readonly of?: readonly KeyType[]
    readonly isOfSubject?: boolean
    readonly movedAt?: keyof Row & string
  } = {},
): Listing<Row, Input> {
  return {
    source: from,
    of: options.of ?? [],
    isOfSubject: options.isOfSubject ?? false,
    movedAt: options.movedAt ?? null,
    select: (db, actor, input, keys, sorting) =>
      [select(db, actor, input, keys, sorting)].flat() as unknown as LooseQuery[],
  }
}

/** A relation whatever its rows. */
export const anyRelation = <Row extends object>(relation: Relation<Row>) => relation as unknown as Relation

/** A list whatever its rows. */
export const anyListing = <Row extends object, Input extends object>(list: Listing<Row, Input>) =>
  list as unknown as Listing
