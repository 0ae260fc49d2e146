import {
  type FieldNode,
  type GraphQLObjectType,
  type GraphQLOutputType,
  getNamedType,
  isAbstractType,
  isNonNullType,
  isObjectType,
} from 'graphql'
import { referenceSelection } from '../reads/reference.ts'
import { absenceOf, createSelection, joinOne, placeOf, sortColumn } from '../reads/selection.ts'
import type { Relation } from '../reads/source.ts'
import { type FieldRead, typeReadOf } from './fields.ts'
import {
  argue,
  type Compiling,
  completing,
  type Field,
  fail,
  nextStep,
  readOfField,
  settled,
  type Write,
  writeObject,
  writeOnce,
} from './plan-compiling.ts'
import { notPlanned } from './plan-leaf.ts'
import { picking } from './plan-objects.ts'
import { pageStep, writePage } from './plan-pages.ts'
import { type Child, type FlatRow, type Guard, keyOf, type Run, type Step } from './plan-step.ts'
import { writeValue } from './plan-values.ts'

/** How the rows of a type are read: the columns go to the selection of a step. */
export interface Scope {
  readonly step: Step
  /** Which of the sources joined in the step. */
  readonly of: number
  /** Whether a row of the step has one of this source. */
  readonly isThere: (row: FlatRow) => boolean
  /** Whether a row of the step is shown by this scope, so that the steps below read for it. */
  readonly isShown: Guard
}

/**
 * How many sources a statement may join. PostgreSQL's planning grows faster than their number; who asks for more is
 * answered by plain execution, which reads each relation for all rows at once.
 */
const mostJoined = 16

/** The rows of a step that nothing is joined to yet. */
export const rowsOf = (step: Step, isShown: Guard = () => true): Scope => ({
  step,
  of: 0,
  isThere: () => true,
  isShown,
})

/** What is shown of rows of one step by the same nodes: by fragments on several types, or by aliases. */
interface Shown {
  readonly of: number
  readonly type: GraphQLObjectType
  readonly nodes: readonly FieldNode[]
  /** Any of these is enough. */
  readonly ways: Guard[]
  readonly write: Write
}

const shown = new WeakMap<Step, Shown[]>()

function listOf<Entry>(lists: WeakMap<Step, Entry[]>, step: Step): Entry[] {
  const known = lists.get(step) ?? []
  lists.set(step, known)
  return known
}

const areSame = (some: readonly FieldNode[], others: readonly FieldNode[]) =>
  some.length === others.length && some.every((node, i) => node === others[i])

/** Compiled once for all ways that lead to the same, or every level of an interface would multiply those below it. */
function writeShown(compiling: Compiling, type: GraphQLObjectType, nodes: readonly FieldNode[], scope: Scope): Write {
  const { step, of, isShown } = scope
  const all = listOf(shown, step)
  const known = all.find(one => one.of === of && one.type === type && areSame(one.nodes, nodes))
  if (known) {
    known.ways.push(isShown)
    return known.write
  }
  const ways = [isShown]
  const within = { ...scope, isShown: (row: FlatRow, run: Run) => ways.some(way => way(row, run)) }
  const write = writeObject(compiling, type, nodes, field => writeField(compiling, field, within))
  all.push({ of, type, nodes, ways, write })
  return write
}

/** How many values of a column are remembered with the type that they tell. */
const mostNames = 100

/** Tells the type of a row by its columns. */
function naming({ columns, resolve }: NonNullable<ReturnType<typeof typeReadOf>>, scope: Scope) {
  const pick = picking(scope, columns)
  const tell = (row: FlatRow) => resolve(pick(row), undefined as never, undefined as never) as string
  if (columns.length > 1) return tell
  const place = placeOf(scope.step.selection, scope.of, columns[0]!)
  const names = new Map<unknown, string>()
  return (row: FlatRow) => {
    const known = names.get(row[place])
    if (known !== undefined) return known
    const name = tell(row)
    if (names.size < mostNames) names.set(row[place], name)
    return name
  }
}

/** Shows rows of a type, each of which is there. */
export function writeRows(
  compiling: Compiling,
  type: GraphQLOutputType,
  nodes: readonly FieldNode[],
  scope: Scope,
): Write {
  const named = getNamedType(type)
  if (isObjectType(named)) return writeShown(compiling, named, nodes, scope)
  if (!isAbstractType(named)) return fail()
  const nameOf = naming(typeReadOf(named.resolveType) ?? fail(), scope)
  const { isThere, isShown } = scope
  const writers = new Map(
    compiling.schema.getPossibleTypes(named).map(possible => {
      // The name comes first: only one way up the levels above is then looked at.
      const isOfType: Guard = (row, run) => isThere(row) && nameOf(row) === possible.name && isShown(row, run)
      return [possible.name, writeShown(compiling, possible, nodes, { ...scope, isShown: isOfType })]
    }),
  )
  return (row, run) => (writers.get(nameOf(row)) ?? fail())(row, run)
}

/** Shows a field of a row. */
function writeField(compiling: Compiling, field: Field, scope: Scope): Write {
  const { definition, nodes } = field
  const read = readOfField(definition)
  if (read === undefined) {
    const place = placeOf(scope.step.selection, scope.of, definition.name)
    const write = writeValue(compiling, field)
    return (row, run) => write(row[place], run)
  }
  switch (read.kind) {
    case 'computed': {
      const pick = picking(scope, read.columns)
      const args = argue(compiling, field)
      const write = writeValue(compiling, field)
      return (row, run) => write(settled(read.resolve(pick(row), run.args(args), run.context)), run)
    }
    case 'same':
      return writeRows(compiling, definition.type, nodes, scope)
    case 'related':
      return read.relation.many === null
        ? writeJoined(compiling, field, read, scope)
        : writeMany(compiling, field, read, scope)
    case 'each':
      return writeEach(compiling, field, read, scope)
    case 'page':
      return writeNestedPage(compiling, field, read, scope)
    default:
      return fail()
  }
}

/** Whether a row passes a guard of the noun. */
function guarding(scope: Scope, guard: (FieldRead & { kind: 'page' | 'related' })['guard']): Guard | null {
  if (!guard) return null
  const pick = picking(scope, guard.columns)
  return (row, run) => guard.resolve(pick(row), undefined as never, run.context) === true
}

/**
 * Shows rows of reference data from memory; null where the relation leads elsewhere, or where something is asked of them
 * that only a statement can tell.
 */
function readReference(
  compiling: Compiling,
  { definition, nodes }: Field,
  { source }: Relation,
  { step: { read } }: Scope,
): Write | null {
  const { reference } = compiling
  if (!reference || !source.isReference) return null
  const step = reference.get(source) ?? {
    place: -1,
    selection: referenceSelection(source),
    children: [],
    read: { kind: 'reference' },
  }
  try {
    const write = writeOnce(compiling, writeRows(compiling, definition.type, nodes, rowsOf(step)))
    reference.set(source, step)
    return write
  } catch (error) {
    if (error === notPlanned && read.kind !== 'reference') return null
    throw error
  }
}

/** The single row that a column names, joined in the same statement. */
function writeJoined(
  compiling: Compiling,
  { definition, nodes }: Field,
  read: FieldRead & { kind: 'related' },
  scope: Scope,
): Write {
  const { step } = scope
  const guard = guarding(scope, read.guard)
  const remembered = readReference(compiling, { definition, nodes }, read.relation, scope)
  if (remembered) {
    const from = placeOf(step.selection, scope.of, read.column)
    const write = completing(definition.type, remembered)
    const find = writeOnce<unknown>(compiling, (key, run) => write(run.reference!.find(read.relation, key), run))
    return (row, run) => {
      const key = !guard || guard(row, run) ? row[from] : null
      return key === null ? write(null, run) : find(key, run)
    }
  }
  if (step.read.kind === 'reference' || step.read.kind === 'made') fail()
  const { selection } = step
  const of = joinOne(selection, scope.of, read.column, read.relation)
  if (selection.scopes.length > mostJoined) fail()
  const absence = absenceOf(selection, of)
  const isThere = (row: FlatRow) => row[absence] === null
  const isGiven = (row: FlatRow, run: Run) => isThere(row) && (!guard || guard(row, run))
  const isShown: Guard = (row, run) => isGiven(row, run) && scope.isShown(row, run)
  const write = completing(
    definition.type,
    writeRows(compiling, definition.type, nodes, { step, of, isThere, isShown }),
  )
  return (row, run) => write(isGiven(row, run) ? row : null, run)
}

/** What fields of one step have in common that ask for the same: fragments on several types may. */
interface Shared {
  readonly of: number
  readonly field: Field
  readonly guards: Guard[]
  readonly write: Write
}

const shared = new WeakMap<Step, Shared[]>()

/** What of a field's definition decides on its answer, besides what it reads. */
const signature = ({ definition: { type, args } }: Field) =>
  JSON.stringify([String(type), args.map(arg => [arg.name, String(arg.type), arg.defaultValue])])

/** Shows what a step below reads for the rows of this one. */
function writeChild(
  compiling: Compiling,
  scope: Scope,
  field: Field,
  guard: Guard | null,
  make: (place: number) => { readonly child: Omit<Child, 'guards'>; readonly write: Write },
): Write {
  const { step, of } = scope
  if (step.read.kind === 'reference') fail()
  const isWanted: Guard = guard ? (row, run) => scope.isShown(row, run) && guard(row, run) : scope.isShown
  const all = listOf(shared, step)
  const read = readOfField(field.definition)
  const known = all.find(
    one =>
      one.of === of &&
      readOfField(one.field.definition) === read &&
      areSame(one.field.nodes, field.nodes) &&
      signature(one.field) === signature(field),
  )
  if (known) {
    known.guards.push(isWanted)
    return known.write
  }
  const made = make(nextStep(compiling))
  const guards = [isWanted]
  step.children.push({ ...made.child, guards })
  const withheld = isNonNullType(field.definition.type) ? fail : () => null
  const write: Write = guard ? (row, run) => (guard(row, run) ? made.write(row, run) : withheld()) : made.write
  all.push({ of, field, guards, write })
  return write
}

/** Begins a step that reads the rows of a relation. */
export function rowsStep(place: number, relation: Relation): Step & { readonly read: { readonly kind: 'rows' } } {
  const selection = createSelection(relation.source)
  const key = placeOf(selection, 0, relation.to)
  // What sorts the rows must be selected before anything is compiled.
  for (const name of relation.many?.order ?? []) sortColumn(selection, name)
  return { place, selection, children: [], read: { kind: 'rows', relation, key } }
}

/** The rows that name this one. */
function writeMany(compiling: Compiling, field: Field, read: FieldRead & { kind: 'related' }, scope: Scope): Write {
  const { definition, nodes } = field
  const from = placeOf(scope.step.selection, scope.of, read.column)
  return writeChild(compiling, scope, field, guarding(scope, read.guard), place => {
    const step = rowsStep(place, read.relation)
    const write = completing(definition.type, writeRows(compiling, definition.type, nodes, rowsOf(step)))
    return {
      child: { step, keys: row => [row[from]] },
      write: (row, run) => write((run.found[place]!.rows.get(row[from]) ?? []) as never, run),
    }
  })
}

/** The rows that an array names. */
function writeEach(compiling: Compiling, field: Field, read: FieldRead & { kind: 'each' }, scope: Scope): Write {
  const { definition, nodes } = field
  const from = placeOf(scope.step.selection, scope.of, read.column)
  const remembered = readReference(compiling, field, read.relation, scope)
  if (remembered) {
    const write = completing(definition.type, remembered)
    return (row, run) => {
      const found = (row[from] as readonly unknown[]).map(key => run.reference!.find(read.relation, key))
      return write(found.filter(one => one !== undefined) as never, run)
    }
  }
  return writeChild(compiling, scope, field, null, place => {
    const step = rowsStep(place, read.relation)
    const write = completing(definition.type, writeRows(compiling, definition.type, nodes, rowsOf(step)))
    return {
      child: { step, keys: row => row[from] as readonly unknown[] },
      write: (row, run) => {
        const { rows: found } = run.found[place]!
        return write((row[from] as readonly unknown[]).flatMap(key => found.get(key)?.slice(0, 1) ?? []) as never, run)
      },
    }
  })
}

/** A page of the list that a row has. */
function writeNestedPage(compiling: Compiling, field: Field, read: FieldRead & { kind: 'page' }, scope: Scope): Write {
  const naming = read.of ?? fail()
  const pick = picking(scope, naming.columns)
  const keys = (row: FlatRow, run: Run) =>
    naming.resolve(pick(row), undefined as never, run.context) as readonly unknown[]
  return writeChild(compiling, scope, field, guarding(scope, read.guard), place => {
    const step = pageStep(compiling, place, field, read)
    const page = writePage(compiling, field, step, (type, nodes) => writeRows(compiling, type, nodes, rowsOf(step)))
    const write = completing(field.definition.type, page)
    return {
      child: { step, keys },
      write: (row, run) => write(run.found[place]!.pages.get(keyOf(keys(row, run))), run),
    }
  })
}
