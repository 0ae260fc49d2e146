import type { Page } from '../database/page.ts'
import type { UnreadPage } from '../reads/listing.ts'

/** A value, or what reads it once its field is asked for. */
type Asked<Value> = Value | (() => Promise<Value>)

/** What stands behind every connection type of the SDL. */
export interface Connection<Row> {
  readonly edges: Asked<readonly { readonly node: Row; readonly cursor: string }[]>
  readonly nodes: Asked<readonly Row[]>
  readonly pageInfo: Asked<{
    readonly hasNextPage: boolean
    readonly hasPreviousPage: boolean
    readonly startCursor: string | null
    readonly endCursor: string | null
  }>
  /** Counts when the field is asked for. */
  readonly totalCount: () => Promise<number>
}

/** A connection of whatever rows, as the generated types take it. */
export type AnyConnection = Connection<object>

/** Shows a page of a store as a connection. Edges and cursors are made when they are asked for. */
export function connection<Row>(page: Page<Row>) {
  const { rows, cursorAt } = page
  return {
    get edges() {
      return rows.map((node, i) => ({ node, cursor: cursorAt(i) }))
    },
    nodes: rows,
    pageInfo: {
      hasNextPage: page.hasNextPage,
      hasPreviousPage: page.hasPreviousPage,
      get startCursor() {
        return rows.length > 0 ? cursorAt(0) : null
      },
      get endCursor() {
        return rows.length > 0 ? cursorAt(rows.length - 1) : null
      },
    },
    totalCount: page.count,
  } satisfies Connection<Row>
}

/** The same of a page that is not read yet: a field that is not asked for costs nothing. */
export function unreadConnection<Row>({ read, count }: UnreadPage<Row>): Connection<Row> {
  const page = async () => connection(await read())
  return {
    edges: async () => (await page()).edges,
    nodes: async () => (await page()).nodes,
    pageInfo: async () => (await page()).pageInfo,
    totalCount: count,
  }
}
