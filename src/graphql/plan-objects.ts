import { placeOf } from '../reads/selection.ts'
import type { FlatRow, Run, Step } from './plan-step.ts'

/*
 * Objects are literals of functions that are written for their keys: that takes a third of the time of setting properties
 * whose names are variables. Nothing goes into such a function but keys, as JSON.
 */

type Writer<From> = (from: From, run: Run) => unknown

/** How many objects are made before a function is written for them: it costs some 10 µs, and many documents come once. */
const often = 500

function literalOf<From>(keys: readonly string[], writers: readonly Writer<From>[]): Writer<From> {
  const names = keys.map((_, i) => `w${i}`)
  const properties = keys.map((key, i) => `${JSON.stringify(key)}: w${i}(from, run)`)
  return new Function(...names, `return (from, run) => ({ ${properties} })`)(...writers)
}

/**
 * Makes objects of what is written for each key.
 * @param keys names as GraphQL has them, and not `__proto__`, which would not be a property like others
 */
export function objectOf<From>(keys: readonly string[], writers: readonly Writer<From>[]): Writer<From> {
  let made = 0
  let literal: Writer<From> | null = null
  return (from, run) => {
    if (literal) return literal(from, run)
    if (++made === often) literal = literalOf(keys, writers)
    const object: Record<string, unknown> = {}
    for (const [i, key] of keys.entries()) object[key] = writers[i]!(from, run)
    return object
  }
}

type Making = (...values: unknown[]) => never

/** What makes the objects of columns, by these: as many as the nouns name. */
const makings = new Map<string, Making>()

function making(columns: readonly string[]): Making {
  const names = columns.map((_, i) => `v${i}`)
  const source = `return { ${columns.map((column, i) => `${JSON.stringify(column)}: v${i}`)} }`
  const known = makings.get(source)
  if (known) return known
  const made = new Function(...names, source) as Making
  makings.set(source, made)
  return made
}

/** Takes some columns of a flat row of a step, as an object. */
export function picking(
  { step, of }: { readonly step: Step; readonly of: number },
  columns: readonly string[],
): (row: FlatRow) => never {
  const places = columns.map(name => placeOf(step.selection, of, name))
  const make = making(columns)
  const [first, second] = places as [number, number]
  if (places.length === 1) return row => make(row[first])
  if (places.length === 2) return row => make(row[first], row[second])
  return row => make(...places.map(place => row[place]))
}
