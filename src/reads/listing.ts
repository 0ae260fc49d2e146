import { type CompiledQuery, type RawBuilder, sql } from 'kysely'
import type { Actor } from '../access/actor.ts'
import type { Db } from '../database/client.ts'
import {
  askPage,
  makePage,
  type Page,
  type PageArgs,
  type PageAsked,
  type PageOrder,
  pageClauses,
} from '../database/page.ts'
import { readFlat } from '../database/reader.ts'
import { assemble, compiledOf, type Selection, wholeRow, wholeSelection } from './selection.ts'
import { type ActorShape, fillSlots, type Shape, shapeOf, shapeOfActor, slot } from './slots.ts'
import { anyListing, type Listing, type LooseQuery, type Operand } from './source.ts'

/** What is asked of a list. */
export interface Asked<Input extends object = object> {
  /** Null, undefined and false are no condition. */
  readonly input: Input
  /** What `shapeOf` makes of the input, where the same is asked again and again. */
  readonly shape?: Shape<Input>
  readonly order: PageOrder
  /** Whether every change of a row may move it, as where the list is by the last change. */
  readonly isMovedByAll?: boolean
}

/** What of pages is asked for. */
export interface PageWants {
  /** False where only the counts are; then the pages are empty. */
  readonly rows: boolean
  /** False where no cursor is: then none can be made. */
  readonly cursors: boolean
}

/** A row of a page as it is read: the columns of the selection, and behind them its keys and whose list it is of. */
type FlatRow = readonly unknown[]

interface Task {
  readonly db: Db
  readonly actor: ActorShape
  readonly listing: Listing
  readonly input: Shape<object>
  readonly page: PageAsked
}

const joined = (expressions: readonly RawBuilder<unknown>[]) => sql.join(expressions)

/**
 * The queries of a list, each of which may name whose list it reads by `parent`.
 * @param sorting how their rows are sorted; null to count them
 */
function branches({ db, actor, listing, input }: Task, sorting: RawBuilder<unknown> | null): readonly LooseQuery[] {
  const of = listing.of.map((_, i) => sql.ref(`parent.p${i}`))
  return listing.select(db, actor.input, input.input, of, sorting)
}

/** Runs a query once for each of those that have such a list. */
function forEach({ of }: Listing, columns: RawBuilder<unknown>, query: RawBuilder<unknown> | LooseQuery) {
  const keys = of.map((type, i) => sql`${slot(`of.${i}`)}::${sql.raw(type)}[]`)
  const names = sql.raw([...of.map((_, i) => `p${i}`), 'n'].join(', '))
  return sql`select ${columns} from unnest(${joined(keys)}) with ordinality as parent (${names})
    cross join lateral (${query}) as found`
}

/** A key as cursors write it: the driver's own form of a moment would lose what is less than a millisecond. */
const keyText = ({ type }: PageOrder['keys'][number], i: number) => `k${i}${type === 'timestamptz' ? '::text' : ''}`

function compilePage(task: Task, selection: Selection, wants: PageWants): CompiledQuery {
  const { db, actor, listing, page } = task
  const { order, size, upward } = page
  const bounds = page.bounds?.map((_, i) => slot(`bound.${i}`)) ?? null
  const { sorting, beyond } = pageClauses(page, bounds)
  const direction = upward ? 'asc' : 'desc'
  const byKeys = (alias: string) => order.keys.map((_, i) => sql.raw(`${alias}k${i} ${direction}`))
  const isNested = listing.of.length > 0

  const rows = (select: (query: LooseQuery) => LooseQuery) => {
    const parts = branches(task, sorting).map(branch => {
      const keyed = select(branch).select(order.keys.map(({ expression }, i) => expression.as(`k${i}`)))
      return (beyond ? keyed.where(beyond) : keyed).orderBy(sorting).limit(sql.lit(size + 1))
    })
    const merged =
      parts.length === 1
        ? parts[0]!
        : sql`select * from (${sql.join(
            parts.map(part => sql`(${part})`),
            sql` union all `,
          )}) as parts order by ${joined(byKeys(''))} limit ${sql.lit(size + 1)}`
    return isNested ? forEach(listing, sql`parent.n, found.*`, merged) : merged
  }
  const hasJoins = selection.scopes.length > 1
  return assemble(db, actor.input, selection, rows, {
    rest: [...(wants.cursors ? order.keys.map(keyText) : []), ...(isNested ? ['n'] : [])],
    order: isNested || hasJoins ? joined([...(isNested ? [sql.raw('j0.n')] : []), ...byKeys('j0.')]) : null,
  })
}

function compileCount(task: Task): CompiledQuery {
  const { db, listing } = task
  const counts = branches(task, null).map(branch => sql`(${branch.select(sql`count(*)`.as('total'))})`)
  const sum = sql.join(counts, sql` + `)
  if (listing.of.length === 0) return sql`select ${sum} as total, 1 as n`.compile(db)
  return forEach(listing, sql`found.total, parent.n`, sql`select ${sum} as total`).compile(db)
}

/**
 * Reads the same page of a list for each of those that have one, with one statement: of flat rows of the selection.
 * @param ofs the keys of those whose lists are read; one without keys for a list that is nobody's
 * @returns the pages in the order of `ofs`
 * @throws InvalidInput for page sizes out of 1 to 100 and cursors of another list
 */
export async function readPages(
  db: Db,
  actor: Actor,
  selection: Selection,
  listing: Listing,
  { input, shape: known, order }: Asked,
  ofs: readonly (readonly Operand[])[],
  args: PageArgs,
  wants: PageWants = { rows: true, cursors: true },
): Promise<Page<FlatRow>[]> {
  const page = askPage(order, args)
  const task: Task = { db, actor: shapeOfActor(actor), listing, input: known ?? shapeOf(input), page }
  const given = new Map(task.input.values)
  for (const [i, bound] of (page.bounds ?? []).entries()) given.set(`bound.${i}`, bound)
  for (const i of listing.of.keys())
    given.set(
      `of.${i}`,
      ofs.map(keys => keys[i]),
    )
  const values = task.actor.fill(given)
  const shape = `${task.actor.key} ${task.input.key} ${order.name} ${page.upward} ${page.size} ${page.bounds !== null} ${wants.cursors}`
  const readRows = () => {
    const statement = compiledOf(selection, listing, shape, () => compilePage(task, selection, wants))
    return readFlat(db, statement, fillSlots(statement.parameters, values))
  }
  const rows = wants.rows ? await readRows() : []

  const firstKey = selection.columns.length
  const nth = firstKey + (wants.cursors ? order.keys.length : 0)
  const found = listing.of.length === 0 ? null : Map.groupBy(rows, row => Number(row[nth]))
  const keysOf = (row: FlatRow) => row.slice(firstKey, nth).map(String)
  let counts: Promise<Map<number, number>> | undefined
  const countAll = async () => {
    const counting = compiledOf(selection, listing, `count ${shape}`, () => compileCount(task))
    const totals = await readFlat(db, counting, fillSlots(counting.parameters, values), true)
    return new Map(totals.map(([total, n]) => [Number(n), Number(total)]))
  }
  return ofs.map((_, i) =>
    makePage(page, found ? (found.get(i + 1) ?? []) : rows, keysOf, async () => {
      counts ??= countAll()
      return (await counts).get(i + 1) ?? 0
    }),
  )
}

/** A page that is read when it is asked for, and counted when that is. */
export interface UnreadPage<Row> {
  readonly read: () => Promise<Page<Row>>
  readonly count: () => Promise<number>
}

/**
 * The same with whole rows; for each page that is asked for, all are read with the one statement.
 * @throws InvalidInput as `readPages`, at once
 */
export function findPages<Row extends object, Input extends object>(
  db: Db,
  actor: Actor,
  listing: Listing<Row, Input>,
  asked: Asked<Input>,
  ofs: readonly (readonly Operand[])[],
  args: PageArgs,
): UnreadPage<Row>[] {
  askPage(asked.order, args)
  const any = anyListing(listing)
  const find = (rows: boolean) =>
    readPages(db, actor, wholeSelection(any.source), any, asked, ofs, args, { rows, cursors: rows })
  const whole = (page: Page<FlatRow>): Page<Row> => ({
    ...page,
    rows: page.rows.map(row => wholeRow(listing.source, row)),
  })
  let pages: Promise<Page<Row>[]> | undefined
  let counts: Promise<number[]> | undefined
  return ofs.map((_, i) => ({
    read: async () => {
      pages ??= find(true).then(found => found.map(whole))
      return (await pages)[i]!
    },
    count: async () => {
      counts ??= find(false).then(unread => Promise.all(unread.map(page => page.count())))
      return (await counts)[i]!
    },
  }))
}
