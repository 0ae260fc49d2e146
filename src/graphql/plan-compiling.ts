import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  isListType,
  isNonNullType,
} from 'graphql'
import { collectSubfields } from 'graphql/execution/collectFields.js'
import type { Permission } from '../access/permissions.ts'
import type { Source } from '../reads/source.ts'
import type { Context } from './context.ts'
import type { FieldRead } from './fields.ts'
import { notPlanned } from './plan-leaf.ts'
import { objectOf } from './plan-objects.ts'
import type { FlatRow, Run, Step } from './plan-step.ts'

/** Writes what a field shows of a row, or of a value. */
export type Write<From = FlatRow> = (from: From, run: Run) => unknown

/** A field as an operation asks for it: by several nodes where selections that overlap are merged. */
export interface Field {
  readonly definition: GraphQLField<unknown, Context>
  readonly nodes: readonly FieldNode[]
}

/** What the compiler of a plan collects. */
export interface Compiling {
  readonly schema: GraphQLSchema
  readonly fragments: Record<string, FragmentDefinitionNode>
  /** The variables that decide on `@skip` and `@include`. */
  readonly conditions: Record<string, unknown>
  readonly permissions: Set<Permission>
  /** The fields whose arguments a run reads, by their places. */
  readonly argued: Field[]
  readonly counted: { steps: number; fields: number; once: number }
  /** The reference data that is shown from memory, each with a step that nothing runs; null where none is kept. */
  readonly reference: Map<Source, Step> | null
}

/**
 * How many statements a plan may have: fields with aliases are statements of their own, which plain execution batches.
 */
const mostSteps = 50

/** How many fields a plan may write: those of an interface are written once for each of its types. */
const mostFields = 5_000

/** Gives up: the operation is for plain execution. @throws notPlanned */
export function fail(): never {
  throw notPlanned
}

/** What a field reads; undefined for one that is the column or property of its name. */
export const readOfField = (field: GraphQLField<unknown, Context>) => field.extensions.read as FieldRead | undefined

/** The place of a further step. @throws notPlanned when there are too many */
export function nextStep({ counted }: Compiling): number {
  if (counted.steps >= mostSteps) fail()
  return counted.steps++
}

/** A field of a type, whose permission becomes one of the plan. @throws notPlanned for a field that is code */
export function define(compiling: Compiling, type: GraphQLObjectType, nodes: readonly FieldNode[]): Field {
  const definition = type.getFields()[nodes[0]!.name.value] ?? fail()
  const permission = definition.extensions.permission as Permission | 'PUBLIC' | undefined
  if (permission === undefined || definition.extensions.isCode) fail()
  if (permission !== 'PUBLIC') compiling.permissions.add(permission)
  return { definition, nodes }
}

/** The place of a field's arguments in a run. */
export function argue({ argued }: Compiling, field: Field): number {
  return argued.push(field) - 1
}

/** The fields that are selected of a type, by their keys in the answer. */
function subfields({ schema, fragments, conditions }: Compiling, type: GraphQLObjectType, nodes: readonly FieldNode[]) {
  return collectSubfields(schema, fragments, conditions, type, nodes)
}

/** An object of the fields of a type, each written by what `writeField` makes for it. */
export function writeObject<From>(
  compiling: Compiling,
  type: GraphQLObjectType,
  nodes: readonly FieldNode[],
  writeField: (field: Field) => Write<From>,
): Write<From> {
  const keys: string[] = []
  const writers: Write<From>[] = []
  for (const [key, own] of subfields(compiling, type, nodes)) {
    if (++compiling.counted.fields > mostFields) fail()
    // It would not be a property like others.
    if (key === '__proto__') fail()
    const write = own[0]!.name.value === '__typename' ? () => type.name : writeField(define(compiling, type, own))
    keys.push(key)
    writers.push(write)
  }
  return objectOf(keys, writers)
}

/** Shows the same of the same each time that a run meets it: many rows name the same place. */
export function writeOnce<From>({ counted }: Compiling, write: Write<From>): Write<From> {
  const place = counted.once++
  return (from, run) => {
    run.once[place] ??= new Map()
    const known = run.once[place].get(from)
    if (known !== undefined) return known
    const shown = write(from, run)
    run.once[place].set(from, shown)
    return shown
  }
}

/** Shows a value of a type: null where it may be, lists one by one, and the rest as `writeOne` does. */
export function completing<From>(
  type: GraphQLOutputType,
  writeOne: (value: From, run: Run) => unknown,
): (value: From | readonly From[] | null | undefined, run: Run) => unknown {
  if (isNonNullType(type)) {
    const inner = completing(type.ofType, writeOne)
    return (value, run) => inner(value, run) ?? fail()
  }
  if (isListType(type)) {
    const inner = completing(type.ofType, writeOne)
    return (value, run) => {
      if (value === null || value === undefined) return null
      if (!Array.isArray(value)) fail()
      return (value as readonly From[]).map(one => inner(one, run))
    }
  }
  return (value, run) => (value === null || value === undefined ? null : writeOne(value as From, run))
}

const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as { readonly then?: unknown } | null | undefined)?.then === 'function'

/** A value that is there at once. @throws notPlanned for what must be waited for */
export function settled<Value>(value: Value): Value {
  if (!isPromise(value)) return value
  // Plain execution asks again and tells what went wrong.
  value.then(undefined, () => undefined)
  return fail()
}
