import type { PageArgs } from '../database/page.ts'
import { type Asked, findPages } from '../reads/listing.ts'
import { anyListing, anyRelation, type Listing, type Operand, type Relation } from '../reads/source.ts'
import { type Connection, connection } from './connection.ts'
import type { Context } from './context.ts'
import type { Find } from './loaders.ts'

/*
 * How a noun says what is behind the fields of its types: by functions of this file. What they make are resolvers as
 * graphql-js runs them, each with what it reads beside it: by that whole queries are planned (plan.ts), so that
 * a field asked for costs its columns and nothing else. A field without a resolver is the column of its name.
 */

/** A function of some columns of a row. */
interface Computed {
  readonly kind: 'computed'
  readonly columns: readonly string[]
  readonly resolve: (row: never, args: never, context: Context) => unknown
}

/** What a field reads. */
export type FieldRead =
  | Computed
  /** The same row, shown as another type. */
  | { readonly kind: 'same' }
  /** The rows that a column of the row names. */
  | {
      readonly kind: 'related'
      readonly relation: Relation
      readonly column: string
      /** Whether the caller may have them, by the row. */
      readonly guard: Computed | null
    }
  /** Of a root field: the rows that its arguments name. */
  | {
      readonly kind: 'find'
      readonly relation: Relation
      readonly key: (args: never, context: Context) => unknown
      /** Whether a row found is the one meant, by the arguments. */
      readonly keep: Computed | null
    }
  /** Of a root field: a row that is made of the request alone, for what belongs to it. */
  | { readonly kind: 'made'; readonly make: (args: never, context: Context) => object }
  /** The rows that an array of the row names, in its order; those that there are not are left out. */
  | { readonly kind: 'each'; readonly relation: Relation; readonly column: string }
  | {
      readonly kind: 'page'
      readonly listing: Listing
      readonly ask: (args: never, context: Context) => Asked
      readonly of: Computed | null
      readonly guard: Computed | null
    }

/** A resolver, with what it reads beside it. graphql-tools keeps the extensions of a field, but not the function itself. */
interface ReadingResolver<Resolve> {
  readonly resolve: Resolve
  readonly extensions: { readonly read: FieldRead }
}

function reading<Resolve>(resolve: Resolve, read: FieldRead): ReadingResolver<Resolve> {
  return { resolve, extensions: { read } }
}

const types = new WeakMap<object, Computed>()

/** By which columns a `__resolveType` made here tells the type; undefined for others. */
export function typeReadOf(resolveType: object | undefined | null): Computed | undefined {
  return resolveType ? types.get(resolveType) : undefined
}

/** What the fields of rows of one sort are made of. */
export function fieldsOf<Row extends object>() {
  type Column = keyof Row & string
  const computed = (columns: readonly string[], resolve: unknown): Computed => ({
    kind: 'computed',
    columns,
    resolve: resolve as Computed['resolve'],
  })
  type Guard = readonly [columns: readonly Column[], test: (row: Row, context: Context) => boolean]
  const guarding = (guard: Guard | undefined) =>
    guard ? computed(guard[0], (row: Row, _: unknown, context: Context) => guard[1](row, context)) : null

  return {
    /** A function of some columns. It answers at once, and reads nothing else of the row. */
    from<const Name extends Column, Args, Result>(
      columns: readonly Name[],
      resolve: (row: Pick<Row, Name>, args: Args, context: Context) => Result,
    ) {
      const resolver = (row: Pick<Row, Name>, args: Args, context: Context): Result => resolve(row, args, context)
      return reading(resolver, computed(columns, resolve))
    },

    /**
     * The same with a column that is left out when rows are read whole.
     * @param find the values of that column for many rows
     */
    late<Name extends string, Value, Args, Result>(
      column: Name,
      find: Find<Row, Value>,
      resolve: (row: { readonly [Late in Name]: Value }, args: Args, context: Context) => Result,
    ) {
      const resolver = async (row: Row, args: Args, context: Context): Promise<Result> => {
        const value = await context.loaders.batch(find, row)
        return resolve({ [column]: value } as { readonly [Late in Name]: Value }, args, context)
      }
      return reading(resolver, computed([column], resolve))
    },

    /** The type that a row is shown as, for `__resolveType`. */
    typeFrom<const Name extends Column, Type extends string>(
      columns: readonly Name[],
      resolve: (row: Pick<Row, Name>) => Type,
    ) {
      const resolver = (row: Pick<Row, Name>): Type => resolve(row)
      types.set(resolver, computed(columns, resolve))
      return resolver
    },

    /** The row itself, shown as another type. */
    same: reading((row: Row): Row => row, { kind: 'same' }),

    /**
     * The row that a column names; null where the column is, and where the caller may not see it.
     * @param guard whether the caller may have it
     */
    one<Other extends object>(relation: Relation<Other>, column: Column, guard?: Guard) {
      const resolver = (row: Row, _: unknown, context: Context): Promise<Other> =>
        row[column] === null || (guard && !guard[1](row, context))
          ? (null as never)
          : (context.loaders.one(relation, row[column]) as Promise<Other>)
      return reading(resolver, {
        kind: 'related',
        relation: anyRelation(relation),
        column,
        guard: guarding(guard),
      })
    },

    /**
     * The rows that name this one by a column of it.
     * @param guard whether the caller may have them: null stands for those that it may not
     */
    many<Other extends object>(relation: Relation<Other>, column: Column, guard?: Guard) {
      const resolver = (row: Row, _: unknown, context: Context): Promise<Other[]> =>
        guard && !guard[1](row, context) ? (null as never) : context.loaders.many(relation, row[column])
      return reading(resolver, {
        kind: 'related',
        relation: anyRelation(relation),
        column,
        guard: guarding(guard),
      })
    },

    /** The rows that an array names, in its order; without those that there are not. */
    each<Other extends object>(relation: Relation<Other>, column: Column) {
      const resolver = async (row: Row, _: unknown, { loaders }: Context): Promise<Other[]> => {
        const found = await Promise.all((row[column] as readonly unknown[]).map(key => loaders.one(relation, key)))
        return found.filter(other => other !== null)
      }
      return reading(resolver, { kind: 'each', relation: anyRelation(relation), column })
    },

    /**
     * A page of the list that this row has.
     * @param of the keys by which the list knows whose it is
     */
    page<Other extends object, Input extends object, Args extends PageArgs, const Name extends Column>(
      list: Listing<Other, Input>,
      of: readonly [columns: readonly Name[], keys: (row: Pick<Row, Name>) => readonly Operand[]],
      ask: (args: Args, context: Context) => Asked<Input>,
      guard?: Guard,
    ) {
      const resolver = async (row: Row, args: Args, context: Context): Promise<Connection<Other>> => {
        if (guard && !guard[1](row, context)) return null as never
        return connection(await context.loaders.page(list, { of: of[1](row), asked: ask(args, context), args }))
      }
      return reading(resolver, {
        kind: 'page',
        listing: anyListing(list),
        ask: ask as never,
        of: computed(of[0], of[1]),
        guard: guarding(guard),
      })
    },
  }
}

/** A root field: the row that its arguments name; null without a key. `keep` tells whether it is the one meant. */
export function find<Row extends object, Args, const Name extends keyof Row & string>(
  relation: Relation<Row>,
  key: (args: Args, context: Context) => unknown,
  keep?: readonly [columns: readonly Name[], test: (row: Pick<Row, Name>, args: Args) => boolean],
) {
  const resolver = async (_: unknown, args: Args, context: Context): Promise<Row> => {
    const asked = key(args, context)
    const row = asked === null ? null : await context.loaders.one(relation, asked)
    return (row && keep && !keep[1](row, args) ? null : row) as Row
  }
  return reading(resolver, {
    kind: 'find',
    relation: anyRelation(relation),
    key: key as never,
    keep: keep ? { kind: 'computed', columns: keep[0], resolve: keep[1] as never } : null,
  })
}

/** A root field: a row that no table has, made of the arguments and the request, for the lists that it has. */
export function made<Row extends object, Args>(make: (args: Args, context: Context) => Row) {
  const resolver = (_: unknown, args: Args, context: Context): Row => make(args, context)
  return reading(resolver, { kind: 'made', make: make as never })
}

/** A root field: the few rows that its arguments name. */
export function findMany<Row extends object, Args>(
  relation: Relation<Row>,
  key: (args: Args, context: Context) => unknown,
) {
  const resolver = (_: unknown, args: Args, context: Context): Promise<Row[]> =>
    context.loaders.many(relation, key(args, context))
  return reading(resolver, {
    kind: 'find',
    relation: anyRelation(relation),
    key: key as never,
    keep: null,
  })
}

/** A root field: a page of a list. */
export function pageOf<Row extends object, Input extends object, Args extends PageArgs>(
  list: Listing<Row, Input>,
  ask: (args: Args, context: Context) => Asked<Input>,
) {
  const resolver = async (_: unknown, args: Args, context: Context): Promise<Connection<Row>> => {
    const { db, actor } = context.request
    const [page] = findPages(db, actor, list, ask(args, context), [[]], args)
    return connection(page!)
  }
  return reading(resolver, {
    kind: 'page',
    listing: anyListing(list),
    ask: ask as never,
    of: null,
    guard: null,
  })
}
