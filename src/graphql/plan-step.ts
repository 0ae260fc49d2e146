import type { Page, PageArgs } from '../database/page.ts'
import { noteClock, notePages, noteRelated } from '../reads/keeping.ts'
import { type Asked, readPages } from '../reads/listing.ts'
import type { ReferenceRows } from '../reads/reference.ts'
import { readRelated } from '../reads/related.ts'
import type { Selection } from '../reads/selection.ts'
import type { Listing, Operand, Relation } from '../reads/source.ts'
import type { Context } from './context.ts'

export type FlatRow = readonly unknown[]

/** One run of a plan. */
export interface Run {
  readonly context: Context
  /** The arguments of a field of the plan, read once a run. */
  readonly args: (place: number) => never
  /** What the steps found, by their places. */
  readonly found: Found[]
  /** What is shown of the same wherever the run meets it, by its place. */
  readonly once: Map<unknown, unknown>[]
  /** The reference data that the plan shows. */
  readonly reference: ReferenceRows | null
}

/** What a step found: the rows of each key, or the page of each that has a list. */
export interface Found {
  readonly rows: Map<unknown, FlatRow[]>
  readonly pages: Map<string, FlatPage>
}

/** A page, with the number of all when it was asked for. */
export type FlatPage = Page<FlatRow> & { readonly total: number | null }

/** Whether a row of the step above needs this step. */
export type Guard = (row: FlatRow, run: Run) => boolean

/** A statement of a plan, with those that follow from its rows. */
export interface Step {
  readonly place: number
  readonly selection: Selection
  /** The steps that read for its rows. */
  readonly children: Child[]
  readonly read: Reading
}

export type Reading =
  /** Its rows are reference data in memory: no statement reads them, and none can follow from them. */
  | { readonly kind: 'reference' }
  /** Its rows are what it is asked for: no statement reads them, and nothing can be joined to them. */
  | { readonly kind: 'made' }
  | { readonly kind: 'rows'; readonly relation: Relation; readonly key: number }
  | {
      readonly kind: 'page'
      readonly listing: Listing
      readonly ask: (run: Run) => { readonly asked: Asked; readonly args: PageArgs }
      /** Grow as fields ask for them. */
      readonly wants: { rows: boolean; cursors: boolean; total: boolean }
    }

/** A step that reads for the rows of another. Any guard that lets a row pass is enough: fragments may ask for the same. */
export interface Child {
  readonly step: Step
  /** What of a row names what is read: of rows their keys, of a page the keys of its list. */
  readonly keys: (row: FlatRow, run: Run) => readonly Operand[]
  readonly guards: readonly Guard[]
}

/** Equal for the same keys. */
export const keyOf = (keys: readonly Operand[]) => (keys.length === 1 ? String(keys[0]) : JSON.stringify(keys))

async function readRows(step: Step, relation: Relation, key: number, keys: readonly unknown[], run: Run) {
  const { db, actor } = run.context.request
  const rows = await readRelated(db, actor, step.selection, relation, keys)
  const { keeping } = run.context
  if (keeping) noteRelated(keeping, step.selection, relation, keys, rows)
  run.found[step.place] = { rows: Map.groupBy(rows, row => row[key]) as Map<unknown, FlatRow[]>, pages: new Map() }
  return rows
}

async function readLists(
  step: Step,
  read: Reading & { kind: 'page' },
  ofs: readonly (readonly Operand[])[],
  run: Run,
): Promise<FlatRow[]> {
  const { db, actor, now } = run.context.request
  const { asked, args } = read.ask(run)
  const pages = await readPages(db, actor, step.selection, read.listing, asked, ofs, args, read.wants)
  const totals = read.wants.total ? await Promise.all(pages.map(page => page.count())) : null
  const found = pages.map((page, i): FlatPage => ({ ...page, total: totals?.[i] ?? null }))
  run.found[step.place] = { rows: new Map(), pages: new Map(ofs.map((of, i) => [keyOf(of), found[i]!])) }
  const rows = found.flatMap(page => page.rows)
  const { keeping } = run.context
  if (keeping) {
    notePages(keeping, step.selection, read.listing, asked.isMovedByAll === true, ofs, rows)
    noteClock(keeping, step.selection, read.listing, args, now, rows)
  }
  return rows
}

/** Reads what a step is asked for, and then what its rows need, side by side. */
export async function runStep(step: Step, keys: readonly (readonly Operand[])[], run: Run): Promise<void> {
  const { read } = step
  if (read.kind === 'reference') return
  if (read.kind === 'made') run.found[step.place] = { rows: new Map([[null, [...keys]]]), pages: new Map() }
  const rows =
    read.kind === 'made'
      ? keys
      : read.kind === 'rows'
        ? await readRows(step, read.relation, read.key, keys.flat(), run)
        : await readLists(step, read, keys, run)
  await Promise.all(step.children.map(child => runChild(child, rows, run)))
}

async function runChild({ step, keys, guards }: Child, rows: readonly FlatRow[], run: Run): Promise<void> {
  const wanted = new Map<string, readonly Operand[]>()
  const isRows = step.read.kind === 'rows'
  for (const row of rows) {
    if (!guards.some(guard => guard(row, run))) continue
    const named = keys(row, run)
    if (isRows) for (const key of named) if (key !== null) wanted.set(String(key), [key])
    if (!isRows) wanted.set(keyOf(named), named)
  }
  if (wanted.size === 0) run.found[step.place] = { rows: new Map(), pages: new Map() }
  else await runStep(step, [...wanted.values()], run)
}
