import type { Page } from '../database/page.ts'

/** What stands behind every connection type of the SDL. */
export interface Connection<Row> {
  readonly edges: readonly { readonly node: Row; readonly cursor: string }[]
  readonly nodes: readonly Row[]
  readonly pageInfo: {
    readonly hasNextPage: boolean
    readonly hasPreviousPage: boolean
    readonly startCursor: string | null
    readonly endCursor: string | null
  }
  /** Counts when the field is asked for. */
  readonly totalCount: () => Promise<number>
}

/** A connection of whatever rows, as the generated types take it. */
export type AnyConnection = Connection<object>

/** Shows a page of a store as a connection. */
export function connection<Row>(page: Page<Row>): Connection<Row> {
  return {
    edges: page.rows.map(({ row, cursor }) => ({ node: row, cursor })),
    nodes: page.rows.map(({ row }) => row),
    pageInfo: {
      hasNextPage: page.hasNextPage,
      hasPreviousPage: page.hasPreviousPage,
      startCursor: page.rows[0]?.cursor ?? null,
      endCursor: page.rows.at(-1)?.cursor ?? null,
    },
    totalCount: page.count,
  }
}
