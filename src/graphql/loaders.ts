import DataLoader from 'dataloader'
import type { Request } from '../access/request.ts'
import type { PageArgs } from '../database/page.ts'
import { type Asked, findPages, type UnreadPage } from '../reads/listing.ts'
import { findRelated } from '../reads/related.ts'
import { anyListing, anyRelation, type Listing, type Operand, type Relation } from '../reads/source.ts'

/** A page of the list that one thing has. */
export interface ListOf<Input extends object = object> {
  /** The keys by which the list knows whose it is. */
  readonly of: readonly Operand[]
  readonly asked: Asked<Input>
  readonly args: PageArgs
}

/** Batched reads, one set per request. Each sees only what the request's actor may see. */
export interface Loaders {
  /** The row of a key; null where there is none to be seen. */
  one<Row extends object>(relation: Relation<Row>, key: unknown): Promise<Row | null>
  /** The rows of a key, in their order. */
  many<Row extends object>(relation: Relation<Row>, key: unknown): Promise<Row[]>
  /** A page of a list that many things have: one statement for all that ask for the same page. */
  page<Row extends object, Input extends object>(
    list: Listing<Row, Input>,
    wanted: ListOf<Input>,
  ): Promise<UnreadPage<Row>>
  /** What a noun finds for many rows at once, for one of them. */
  batch<Row extends object, Value>(find: Find<Row, Value>, row: Row): Promise<Value>
}

/** Answers a value for each row, in their order. */
export type Find<Row extends object, Value> = (request: Request, rows: readonly Row[]) => Promise<readonly Value[]>

type Rows = DataLoader<unknown, Record<string, unknown>[]>
type Pages = DataLoader<ListOf, UnreadPage<Record<string, unknown>>, string>

/** Makes the loaders of one request. Nothing is read before it is asked for. */
export function createLoaders(request: Request): Loaders {
  const { db, actor } = request
  const related = new Map<object, Rows>()
  const lists = new Map<object, Pages>()
  const batches = new Map<object, DataLoader<object, unknown>>()

  function rowsOf(relation: Relation): Rows {
    const known = related.get(relation)
    if (known) return known
    const loader: Rows = new DataLoader(async keys => {
      const found = Map.groupBy(await findRelated(db, actor, relation, keys), row => row[relation.to])
      return keys.map(key => found.get(key) ?? [])
    })
    related.set(relation, loader)
    return loader
  }

  function pagesOf(list: Listing): Pages {
    const known = lists.get(list)
    if (known) return known
    const loader: Pages = new DataLoader(wanted => readAlike(list, wanted), { cacheKeyFn: one => JSON.stringify(one) })
    lists.set(list, loader)
    return loader
  }

  async function readAlike(list: Listing, wanted: readonly ListOf[]) {
    const pages = new Map<ListOf, UnreadPage<Record<string, unknown>> | Error>()
    const alike = Map.groupBy(wanted, ({ asked, args }) => JSON.stringify([asked.input, asked.order.name, args]))
    for (const group of alike.values()) {
      const { asked, args } = group[0]!
      const ofs = group.map(({ of }) => of)
      try {
        const found = findPages(db, actor, list, asked, ofs, args)
        for (const [i, one] of group.entries()) pages.set(one, found[i]!)
      } catch (error) {
        for (const one of group) pages.set(one, error as Error)
      }
    }
    return wanted.map(one => pages.get(one)!)
  }

  return {
    one: async <Row extends object>(relation: Relation<Row>, key: unknown) =>
      ((await rowsOf(anyRelation(relation)).load(key))[0] ?? null) as Row | null,
    many: <Row extends object>(relation: Relation<Row>, key: unknown) =>
      rowsOf(anyRelation(relation)).load(key) as Promise<unknown[]> as Promise<Row[]>,
    page: <Row extends object, Input extends object>(list: Listing<Row, Input>, wanted: ListOf<Input>) =>
      pagesOf(anyListing(list)).load(wanted) as Promise<unknown> as Promise<UnreadPage<Row>>,
    batch: <Row extends object, Value>(find: Find<Row, Value>, row: Row) => {
      const known = batches.get(find)
      const loader = known ?? new DataLoader(rows => find(request, rows as readonly Row[]))
      if (!known) batches.set(find, loader)
      return loader.load(row) as Promise<Value>
    },
  }
}
