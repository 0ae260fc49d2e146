import type { PageArgs } from '../database/page.ts'
import { findPlace, type Selection } from './selection.ts'
import { changeTag, type Listing, listTag, type Relation, rowTag, type Source } from './source.ts'

/** Notes what an answer is made of, so that it can be kept until something of that changes. */
export interface Keeping {
  readonly tags: Set<string>
  /** Until when the answer holds if nothing changes, in milliseconds since 1970. */
  until: number
  /** Whether something was read of whose changes the journal does not tell. */
  isLost: boolean
  /** Whether these notes are of the whole answer: set once it is made, and it has no error. */
  isWhole: boolean
}

/** Begins to note. */
export function startKeeping(): Keeping {
  return { tags: new Set(), until: Number.POSITIVE_INFINITY, isLost: false, isWhole: false }
}

/** Notes rows of a source by a column: exactly, where that is what events name them by. */
function noteBy(keeping: Keeping, { table, news }: Source, column: string, values: Iterable<unknown>): void {
  if (!news) keeping.isLost = true
  else if (news.subject !== column) keeping.tags.add(changeTag(table))
  else for (const value of values) if (value !== null) keeping.tags.add(rowTag(table, value))
}

function noteJoins(keeping: Keeping, selection: Selection, rows: readonly (readonly unknown[])[]): void {
  for (const { source, join } of selection.scopes) {
    if (!join) continue
    const place = findPlace(selection, join.scope, join.column)
    noteBy(
      keeping,
      source,
      join.relation.to,
      rows.map(row => row[place]),
    )
  }
}

/** Notes the rows of a relation, those that there were not included. */
export function noteRelated(
  keeping: Keeping,
  selection: Selection,
  relation: Relation,
  keys: readonly unknown[],
  rows: readonly (readonly unknown[])[],
): void {
  noteBy(keeping, relation.source, relation.to, keys)
  noteJoins(keeping, selection, rows)
}

/** Notes pages of a list. */
export function notePages(
  keeping: Keeping,
  selection: Selection,
  listing: Listing,
  isMovedByAll: boolean,
  ofs: readonly (readonly unknown[])[],
  rows: readonly (readonly unknown[])[],
): void {
  const { table, news } = listing.source
  noteJoins(keeping, selection, rows)
  if (!news) keeping.isLost = true
  else if (listing.isOfSubject) for (const [subject] of ofs) keeping.tags.add(rowTag(table, subject))
  else {
    const place = findPlace(selection, 0, news.subject ?? '')
    if (isMovedByAll || place < 0) keeping.tags.add(changeTag(table))
    else for (const row of rows) keeping.tags.add(rowTag(table, row[place]))
    keeping.tags.add(listTag(table))
  }
}

/** Notes until when pages of a list hold whose rows the clock moves. */
export function noteClock(
  keeping: Keeping,
  selection: Selection,
  { movedAt }: Listing,
  { after, before, last }: PageArgs,
  now: Date,
  rows: readonly (readonly unknown[])[],
): void {
  // Who pages on sees the list as it was when the first page was read.
  if (movedAt === null || after != null || before != null) return
  // At the end of the list a row may arrive that was not shown; at its beginning only those shown can leave.
  if (last != null) keeping.until = Number.NEGATIVE_INFINITY
  const place = findPlace(selection, 0, movedAt)
  for (const row of rows) {
    const moment = row[place] as Date | null
    if (moment && moment > now) keeping.until = Math.min(keeping.until, moment.getTime())
  }
}
