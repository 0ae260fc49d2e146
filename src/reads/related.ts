import { sql } from 'kysely'
import type { Actor } from '../access/actor.ts'
import type { Db } from '../database/client.ts'
import type { FlatRows } from '../database/reader.ts'
import { readFlat } from '../database/reader.ts'
import {
  assemble,
  compiledOf,
  type Selection,
  selectRelated,
  sortColumn,
  wholeRow,
  wholeSelection,
} from './selection.ts'
import { fillSlots, shapeOfActor, slot } from './slots.ts'
import { anyRelation, type Relation } from './source.ts'

/**
 * Reads the rows of a relation that the actor may see, for all keys with one statement; those of a key in the order of
 * the relation. The selection must have the relation's key among its columns, or the rows can't be told apart.
 */
export async function readRelated(
  db: Db,
  actor: Actor,
  selection: Selection,
  relation: Relation,
  keys: readonly unknown[],
): Promise<FlatRows> {
  if (keys.length === 0) return []
  const { source, to, many } = relation
  const isSingle = keys.length === 1 && !many?.most
  const shape = shapeOfActor(actor)
  const statement = compiledOf(selection, relation, `${shape.key} ${isSingle}`, () => {
    const related = selectRelated(db, shape.input, relation)
    const key = source.column(to)
    const sorting = (many?.order ?? []).map(name => ({
      own: sql`${source.column(name)} ${sql.raw(many!.direction)}`,
      selected: sql.raw(`${sortColumn(selection, name)} ${many!.direction}`),
    }))
    const order = sorting.length > 0 ? sql.join(sorting.map(({ selected }) => selected)) : null
    if (!many?.most) {
      const meant = isSingle ? sql<boolean>`${key} = ${slot('key')}` : sql<boolean>`${key} = any(${slot('keys')})`
      return assemble(db, shape.input, selection, select => select(related.where(meant)), { order })
    }
    const first = related
      .where(sql<boolean>`${key} = parent.key`)
      .orderBy(sql.join(sorting.map(({ own }) => own)))
      .limit(sql.lit(many.most))
    return assemble(
      db,
      shape.input,
      selection,
      select => sql`select found.* from unnest(${slot('keys')}::uuid[]) as parent (key)
        cross join lateral ${select(first)} as found`,
      { order },
    )
  })
  const values = shape.fill(
    new Map<string, unknown>([
      ['key', keys[0]],
      ['keys', keys],
    ]),
  )
  return readFlat(db, statement, fillSlots(statement.parameters, values))
}

/** The same with whole rows. */
export async function findRelated<Row extends object>(
  db: Db,
  actor: Actor,
  relation: Relation<Row>,
  keys: readonly unknown[],
): Promise<Row[]> {
  const rows = await readRelated(db, actor, wholeSelection(anyRelation(relation).source), anyRelation(relation), keys)
  return rows.map(row => wholeRow(relation.source, row))
}
