import { createSelection } from '../reads/selection.ts'
import type { Source } from '../reads/source.ts'
import type { FieldRead } from './fields.ts'
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
} from './plan-compiling.ts'
import { picking } from './plan-objects.ts'
import { pageStep, writePage } from './plan-pages.ts'
import { rowsOf, rowsStep, writeRows } from './plan-rows.ts'
import { type FlatRow, keyOf, type Run, runStep, type Step } from './plan-step.ts'
import { writeValue } from './plan-values.ts'

/** A root field of a plan: how it begins, and what it shows. */
export interface Root {
  readonly key: string
  readonly start: (run: Run) => Promise<void>
  readonly write: Write<null>
}

function planFind(compiling: Compiling, key: string, field: Field, read: FieldRead & { kind: 'find' }): Root {
  const { definition, nodes } = field
  const place = nextStep(compiling)
  const step = rowsStep(place, read.relation)
  const args = argue(compiling, field)
  const { keep } = read
  const pick = keep && picking({ step, of: 0 }, keep.columns)
  const isMeant = (row: FlatRow, run: Run) => !pick || keep.resolve(pick(row), run.args(args), run.context) === true
  const write = completing(definition.type, writeRows(compiling, definition.type, nodes, rowsOf(step, isMeant)))
  return {
    key,
    start: async run => {
      const asked = settled(read.key(run.args(args), run.context))
      run.found[place] = { rows: new Map(), pages: new Map() }
      if (asked !== null) await runStep(step, [[asked]], run)
    },
    write: (_, run) => {
      const found = [...run.found[place]!.rows.values()].flat()
      if (read.relation.many) return write(found as never, run)
      return write(found[0] && isMeant(found[0], run) ? found[0] : null, run)
    },
  }
}

function planPage(compiling: Compiling, key: string, field: Field, read: FieldRead & { kind: 'page' }): Root {
  const place = nextStep(compiling)
  const step = pageStep(compiling, place, field, read)
  const page = writePage(compiling, field, step, (type, nodes) => writeRows(compiling, type, nodes, rowsOf(step)))
  const write = completing(field.definition.type, page)
  return {
    key,
    start: run => runStep(step, [[]], run),
    write: (_, run) => write(run.found[place]!.pages.get(keyOf([])), run),
  }
}

/** A field that is made of nothing but the request, at the moment at which the statements begin. */
function planComputed(compiling: Compiling, key: string, field: Field, read: FieldRead & { kind: 'computed' }): Root {
  const args = argue(compiling, field)
  const place = nextStep(compiling)
  const write = writeValue(compiling, field)
  return {
    key,
    start: async run => {
      const value = settled(read.resolve(null as never, run.args(args), run.context))
      run.found[place] = { rows: new Map([[null, [[value]]]]), pages: new Map() }
    },
    write: (_, run) => write(run.found[place]!.rows.get(null)![0]![0], run),
  }
}

/** What no statement reads. */
const nowhere: Source = { table: '', whole: [], news: null, isReference: false, visible: fail, column: fail }

/** A row that is made of the request, with the lists that it has. */
function planMade(compiling: Compiling, key: string, field: Field, read: FieldRead & { kind: 'made' }): Root {
  const { definition, nodes } = field
  const place = nextStep(compiling)
  const selection = createSelection(nowhere)
  const step: Step = { place, selection, children: [], read: { kind: 'made' } }
  const args = argue(compiling, field)
  const write = completing(definition.type, writeRows(compiling, definition.type, nodes, rowsOf(step)))
  return {
    key,
    start: run => {
      const row = settled(read.make(run.args(args), run.context)) as Readonly<Record<string, unknown>>
      return runStep(step, [selection.columns.map(({ name }) => row[name])], run)
    },
    write: (_, run) => write(run.found[place]!.rows.get(null)![0]!, run),
  }
}

/** Plans a root field. @throws notPlanned for one that no plan can answer */
export function planRoot(compiling: Compiling, key: string, field: Field): Root {
  const read = readOfField(field.definition)
  if (read?.kind === 'find') return planFind(compiling, key, field, read)
  if (read?.kind === 'page') return planPage(compiling, key, field, read)
  if (read?.kind === 'made') return planMade(compiling, key, field, read)
  if (read?.kind === 'computed') return planComputed(compiling, key, field, read)
  return fail()
}
