import { anonymous } from '../access/actor.ts'
import type { Db } from '../database/client.ts'
import { readFlat } from '../database/reader.ts'
import type { NewEvent } from '../journal/catalog.ts'
import { assemble, createSelection, placeOf, type Selection } from './selection.ts'
import { fillSlots, shapeOfActor } from './slots.ts'
import type { Relation, Source } from './source.ts'

type FlatRow = readonly unknown[]

/** Reference data as it was at one moment, whole. */
export interface ReferenceRows {
  /** The row of a relation, in the columns of `referenceSelection`; undefined when there is none. */
  find(relation: Relation, key: unknown): FlatRow | undefined
}

/**
 * Places and vocabularies, which everybody sees, which are few and hardly ever change: a process keeps them in memory, so
 * that no statement has to join them. The journal tells when they were loaded anew.
 */
export interface Reference {
  /** The rows of these sources as they are now. */
  take(sources: Iterable<Source>): Promise<ReferenceRows>
  /** Forgets what these events tell to be outdated. */
  forget(events: readonly Pick<NewEvent, 'type'>[]): void
  forgetAll(): void
}

const selections = new WeakMap<Source, Selection>()

/** The columns of reference data as it is kept: all of them. */
export function referenceSelection(source: Source): Selection {
  const known = selections.get(source)
  if (known) return known
  const selection = createSelection(source)
  for (const name of source.whole) placeOf(selection, 0, name)
  selection.isSealed = true
  selections.set(source, selection)
  return selection
}

interface Kept {
  readonly rows: readonly FlatRow[]
  readonly indexes: Map<Relation, ReadonlyMap<unknown, FlatRow>>
}

/** The rows of a relation by their keys. */
function indexOf({ rows, indexes }: Kept, relation: Relation): ReadonlyMap<unknown, FlatRow> {
  const known = indexes.get(relation)
  if (known) return known
  const { columns } = referenceSelection(relation.source)
  const at = (name: string) => columns.findIndex(column => column.name === name)
  const conditions = Object.entries(relation.where).map(([name, value]) => ({ place: at(name), value }))
  const key = at(relation.to)
  const meant = rows.filter(row => conditions.every(({ place, value }) => row[place] === value))
  const index = new Map(meant.map(row => [row[key], row]))
  indexes.set(relation, index)
  return index
}

/**
 * Makes a memory of reference data that is read when it is first needed.
 * @param isDeaf whether this process is cut off from the journal, so that everything is read anew
 */
export function createReference(db: Db, isDeaf: () => boolean): Reference {
  const kept = new Map<Source, Kept>()
  const reading = new Map<Source, Promise<Kept>>()
  /** Grows with all news, so that what was read before them is not kept after them. */
  let news = 0

  function forgetAll(): void {
    kept.clear()
    reading.clear()
    news++
  }

  async function read(source: Source): Promise<Kept> {
    const before = news
    const { input, fill } = shapeOfActor(anonymous)
    const statement = assemble(db, input, referenceSelection(source), select => select(source.visible(db, input)))
    const rows = await readFlat(db, statement, fillSlots(statement.parameters, fill(new Map())))
    const found: Kept = { rows, indexes: new Map() }
    if (news === before) kept.set(source, found)
    return found
  }

  function readOnce(source: Source): Promise<Kept> {
    const known = reading.get(source)
    if (known) return known
    const found = read(source)
    reading.set(source, found)
    const done = () => {
      if (reading.get(source) === found) reading.delete(source)
    }
    found.then(done, done)
    return found
  }

  return {
    take: async sources => {
      if (kept.size > 0 && isDeaf()) forgetAll()
      const taken = new Map<Source, Kept>()
      for (const source of sources) taken.set(source, kept.get(source) ?? (await readOnce(source)))
      return { find: (relation, key) => indexOf(taken.get(relation.source)!, relation).get(key) }
    },
    forget: events => {
      if (events.some(({ type }) => type === 'reference.loaded')) forgetAll()
    },
    forgetAll,
  }
}
