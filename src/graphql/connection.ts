import type { Page } from '../database/page.ts'
import type { UnreadPage } from '../reads/listing.ts'

/** What stands behind every connection type of the SDL: each field is read when it is asked for. */
export interface Connection<Row> {
  readonly edges: () => Promise<readonly { readonly node: Row; readonly cursor: string }[]>
  readonly nodes: () => Promise<readonly Row[]>
  readonly pageInfo: () => Promise<{
    readonly hasNextPage: boolean
    readonly hasPreviousPage: boolean
    readonly startCursor: string | null
    readonly endCursor: string | null
  }>
  readonly totalCount: () => Promise<number>
}

/** A connection of whatever rows, as the generated types take it. */
export type AnyConnection = Connection<object>

function infoOf({ rows, cursorAt, hasNextPage, hasPreviousPage }: Page<unknown>) {
  const cursorOf = (place: number) => (rows.length > 0 ? cursorAt(place) : null)
  return { hasNextPage, hasPreviousPage, startCursor: cursorOf(0), endCursor: cursorOf(rows.length - 1) }
}

/** Shows a page as a connection. */
export function connection<Row>({ read, count }: UnreadPage<Row>): Connection<Row> {
  return {
    edges: async () => {
      const { rows, cursorAt } = await read()
      return rows.map((node, i) => ({ node, cursor: cursorAt(i) }))
    },
    nodes: async () => (await read()).rows,
    pageInfo: async () => infoOf(await read()),
    totalCount: count,
  }
}
