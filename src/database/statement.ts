import { CompiledQuery } from 'kysely'
import type { Db } from './client.ts'

/** What stands for a value: the same function at two places is one parameter. */
type Value<Input> = (input: Input) => unknown

/**
 * A statement whose runs differ in values alone, or a part of one. It is put together once and kept, where a query of
 * Kysely is built and compiled each time.
 */
export interface Statement<Input> {
  readonly sql: string
  /** Of the parameters, in their order. */
  readonly values: readonly Value<Input>[]
  /** The text around the values, to be taken into a larger statement. */
  readonly pieces: readonly (string | Value<Input>)[]
}

/** Writes a statement as a template: in its holes are functions that take values from the input, and other statements. */
export function statement<Input>(
  texts: TemplateStringsArray,
  ...holes: readonly (Value<Input> | Statement<Input>)[]
): Statement<Input> {
  return assemble(
    texts.flatMap((text, i) => {
      const hole = holes[i]
      return hole === undefined ? [text] : typeof hole === 'function' ? [text, hole] : [text, ...hole.pieces]
    }),
  )
}

/** Writes statements one after the other, with commas between them. */
export function joinStatements<Input>(statements: readonly Statement<Input>[]): Statement<Input> {
  return assemble(statements.flatMap(({ pieces }, i) => (i === 0 ? pieces : [', ', ...pieces])))
}

function assemble<Input>(pieces: readonly (string | Value<Input>)[]): Statement<Input> {
  const values = [...new Set(pieces.filter(piece => typeof piece === 'function'))]
  const sql = pieces.map(piece => (typeof piece === 'function' ? `$${values.indexOf(piece) + 1}` : piece)).join('')
  return { sql, values, pieces }
}

/** Runs a statement that writes. @returns how many rows it wrote, not counting those of its CTEs */
export async function runStatement<Input>(db: Db, { sql, values }: Statement<Input>, input: Input): Promise<number> {
  const parameters = values.map(value => value(input))
  return Number((await db.executeQuery(CompiledQuery.raw(sql, parameters))).numAffectedRows)
}
