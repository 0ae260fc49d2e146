import type { Kysely, SelectQueryBuilder } from 'kysely'
import { type Page, type PageArgs, type PageOrder, pageAlike, readPages } from '../database/page.ts'

/**
 * A page of each of many lists, such as the recipients of every announcement of a page: one statement for all that ask
 * for the same page.
 * @param select makes the query of one list
 * @returns the pages, or what is wrong with their arguments, in the order of the lists
 */
export async function pageLists<List extends { readonly args: PageArgs }, DB, TB extends keyof DB, Row>(
  db: Kysely<DB>,
  lists: readonly List[],
  order: PageOrder,
  select: (list: List) => SelectQueryBuilder<DB, TB, Row>,
): Promise<(Page<Row> | Error)[]> {
  const alike = ({ args }: List) => JSON.stringify(args)
  return pageAlike(lists, alike, group => readPages(db, group.map(select), order, group[0]!.args))
}
