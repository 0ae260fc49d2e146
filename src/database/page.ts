import { type Expression, type RawBuilder, sql } from 'kysely'
import { InvalidInput, text } from '../errors.ts'

/** The arguments of every list, as Relay names them. */
export interface PageArgs {
  readonly first?: number | null
  readonly after?: string | null
  readonly last?: number | null
  readonly before?: string | null
}

/** What a list is ordered by. The keys together must tell any two rows apart: the last one is the row's id. */
export interface PageOrder {
  /** Names the order within cursors, so that a cursor of another order is refused; of one list, each its own. */
  readonly name: string
  /** What cursors carry besides the name: something that pages which follow each other must agree on. */
  readonly session?: string
  /** Holds for all keys. */
  readonly direction: 'asc' | 'desc'
  /** Expressions that are never null, with the type that a cursor's text is cast to. */
  readonly keys: readonly {
    readonly expression: RawBuilder<unknown>
    readonly type: 'text' | 'int' | 'date' | 'timestamptz' | 'uuid'
  }[]
}

/** One page of a list. */
export interface Page<Row> {
  readonly rows: readonly Row[]
  /** The cursor of the row at this place of the page. */
  readonly cursorAt: (index: number) => string
  readonly hasNextPage: boolean
  readonly hasPreviousPage: boolean
  /** Counts the whole list; asked only when a caller wants it. */
  readonly count: () => Promise<number>
}

/** The longest page of any list. */
export const maxPageSize = 100
const defaultPageSize = 20

/** How many entries a page may hold, and from which end. @throws InvalidInput for sizes out of 1 to 100 and impossible combinations */
function pageSize(args: PageArgs): { size: number; fromEnd: boolean } {
  for (const name of ['first', 'last'] as const) {
    const size = args[name]
    if (size != null && (size < 1 || size > maxPageSize))
      throw new InvalidInput(
        text(
          `"${name}" is ${size}; give a number from 1 to ${maxPageSize} and fetch the rest page by page with the cursor.`,
          `“${name}”为 ${size}；请填 1 到 ${maxPageSize} 之间的数，其余内容请用游标逐页获取。`,
        ),
      )
  }
  if (args.first != null && args.last != null)
    throw new InvalidInput(text('Give "first" or "last", not both.', '“first”与“last”只能给出一个。'))
  if (args.last != null ? args.after != null : args.before != null)
    throw new InvalidInput(
      text('Use "after" with "first", and "before" with "last".', '“after”须与“first”同用，“before”须与“last”同用。'),
    )
  return { size: args.first ?? args.last ?? defaultPageSize, fromEnd: args.last != null }
}

const cursorName = ({ name, session }: PageOrder) => (session === undefined ? name : `${name} ${session}`)

function writeCursor(order: PageOrder, values: readonly string[]): string {
  return Buffer.from(JSON.stringify([cursorName(order), ...values])).toString('base64url')
}

const date = /^(\d{4})-(\d\d)-(\d\d)$/
const moment = /^(\d{4})-(\d\d)-(\d\d) ([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?[+-](0\d|1[0-4])(:[0-5]\d){0,2}$/

/** Whether there is such a day in the year 1 or later: PostgreSQL refuses those that a date of JavaScript shifts. */
function isDay(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(year, month - 1, day))
  return year >= 1 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}

/** Whether PostgreSQL can have written this, of which the parts are the year, the month and the day. */
function isWritten(form: RegExp, value: string): boolean {
  const [, year, month, day] = form.exec(value)?.map(Number) ?? []
  return isDay(year ?? 0, month ?? 0, day ?? 0)
}

const castable = {
  text: (value: string) => !value.includes('\0'),
  int: (value: string) => /^-?\d{1,10}$/.test(value) && Math.abs(Number(value)) <= 2_147_483_647,
  date: (value: string) => isWritten(date, value),
  timestamptz: (value: string) => isWritten(moment, value),
  uuid: (value: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value),
}

function readCursor(order: PageOrder, cursor: string): string[] {
  const malformed = new InvalidInput(
    text(
      'The cursor is not one of this list in this order. Use an endCursor or startCursor that the same query gave, or leave it out to begin anew.',
      '游标不属于此列表或此排序。请使用同一查询返回的 endCursor 或 startCursor，或省略它从头开始。',
    ),
  )
  let parts: unknown
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  } catch {
    throw malformed
  }
  if (!Array.isArray(parts) || parts.length !== order.keys.length + 1 || parts[0] !== cursorName(order)) throw malformed
  const values = parts.slice(1)
  if (!values.every((value, i) => typeof value === 'string' && castable[order.keys[i]!.type](value))) throw malformed
  return values
}

/** What the arguments of a list ask of it, in its order. */
export interface PageAsked {
  readonly order: PageOrder
  readonly size: number
  /** Whether the rows are read from the end of the list. */
  readonly fromEnd: boolean
  /** Whether keys grow from row to row as they are read. */
  readonly upward: boolean
  /** The keys of the row after which to read, as text; null from the beginning. */
  readonly bounds: readonly string[] | null
}

/** @throws InvalidInput for page sizes out of 1 to 100 and cursors of another list */
export function askPage(order: PageOrder, args: PageArgs): PageAsked {
  const { size, fromEnd } = pageSize(args)
  const cursor = args.after ?? args.before ?? null
  return {
    order,
    size,
    fromEnd,
    upward: (order.direction === 'asc') !== fromEnd,
    bounds: cursor === null ? null : readCursor(order, cursor),
  }
}

/** What bounds and sorts the rows of a page in SQL. */
export function pageClauses({ order, upward }: PageAsked, bounds: readonly unknown[] | null) {
  const keys = order.keys.map(key => key.expression)
  return {
    sorting: sql.join(keys.map(key => sql`${key} ${sql.raw(upward ? 'asc' : 'desc')}`)),
    beyond:
      bounds &&
      sql<boolean>`(${sql.join(keys)}) ${sql.raw(upward ? '>' : '<')} (${sql.join(
        bounds.map((value, i) => sql`${value}::${sql.raw(order.keys[i]!.type)}`),
      )})`,
  }
}

/**
 * Makes a page of the rows found, of which one more than the page holds was read.
 * @param keysOf the keys of a row as text
 */
export function makePage<Row>(
  asked: PageAsked,
  found: readonly Row[],
  keysOf: (row: Row) => readonly string[],
  count: Page<Row>['count'],
): Page<Row> {
  const { order, size, fromEnd, bounds } = asked
  const more = found.length > size
  const rows = more ? found.slice(0, size) : [...found]
  if (fromEnd) rows.reverse()
  return {
    rows,
    cursorAt: index => writeCursor(order, keysOf(rows[index]!)),
    hasNextPage: fromEnd ? bounds !== null : more,
    hasPreviousPage: fromEnd ? more : bounds !== null,
    count,
  }
}

/**
 * Several queries of the same columns as one, which PostgreSQL merges in their order: each is sorted for itself, since it
 * does not see that an index of one sorts it when they are sorted as one.
 * @param sorting null when their order does not matter
 */
export function mergeParts<Row>(
  parts: readonly (Expression<unknown> & { orderBy(sorting: RawBuilder<unknown>): Expression<unknown> })[],
  sorting: RawBuilder<unknown> | null,
): RawBuilder<Row> {
  return sql<Row>`(${sql.join(
    parts.map(part => sql`(${sorting ? part.orderBy(sorting) : part})`),
    sql` union all `,
  )})`
}
