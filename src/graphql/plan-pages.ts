import { type FieldNode, type GraphQLObjectType, type GraphQLOutputType, getNamedType } from 'graphql'
import type { PageArgs } from '../database/page.ts'
import { createSelection, placeOf } from '../reads/selection.ts'
import type { FieldRead } from './fields.ts'
import { argue, type Compiling, completing, type Field, fail, type Write, writeObject } from './plan-compiling.ts'
import type { FlatPage, FlatRow, Reading, Step } from './plan-step.ts'

type PageStep = Step & { readonly read: Reading & { readonly kind: 'page' } }

/** Begins a step that reads pages of a list. */
export function pageStep(
  compiling: Compiling,
  place: number,
  field: Field,
  read: FieldRead & { kind: 'page' },
): PageStep {
  const args = argue(compiling, field)
  const { source, isOfSubject, movedAt } = read.listing
  const selection = createSelection(source)
  // By that an answer is kept until one of the rows that it shows changes, and not just any.
  if (source.news?.subject && !isOfSubject) placeOf(selection, 0, source.news.subject)
  if (movedAt !== null) placeOf(selection, 0, movedAt)
  return {
    place,
    selection,
    children: [],
    read: {
      kind: 'page',
      listing: read.listing,
      ask: run => ({ asked: read.ask(run.args(args), run.context), args: run.args(args) as PageArgs }),
      wants: { rows: false, cursors: false, total: false },
    },
  }
}

/** A row of a page, with the place that its cursor is made of. */
interface Edge {
  readonly page: FlatPage
  readonly at: number
}

const pageInfo = {
  hasNextPage: (page: FlatPage) => page.hasNextPage,
  hasPreviousPage: (page: FlatPage) => page.hasPreviousPage,
  startCursor: (page: FlatPage) => (page.rows.length > 0 ? page.cursorAt(0) : null),
  endCursor: (page: FlatPage) => (page.rows.length > 0 ? page.cursorAt(page.rows.length - 1) : null),
}

/**
 * Shows a page as a connection: `nodes`, `edges`, `pageInfo` and `totalCount`.
 * @param writeRows shows the rows of the step
 */
export function writePage(
  compiling: Compiling,
  { definition, nodes }: Field,
  { read: { wants } }: PageStep,
  writeRows: (type: GraphQLOutputType, nodes: readonly FieldNode[]) => Write,
): Write<FlatPage> {
  const writeRow = ({ definition: { type }, nodes: own }: Field) => completing<FlatRow>(type, writeRows(type, own))
  const writeEdge = (edge: Field): Write<Edge> => {
    if (edge.definition.name === 'cursor') {
      wants.cursors = true
      return ({ page, at }) => page.cursorAt(at)
    }
    if (edge.definition.name !== 'node') fail()
    const write = writeRow(edge)
    return ({ page, at }, run) => write(page.rows[at], run)
  }
  return writeObject<FlatPage>(compiling, getNamedType(definition.type) as GraphQLObjectType, nodes, field => {
    const { name, type } = field.definition
    if (name === 'totalCount') {
      wants.total = true
      return page => page.total ?? fail()
    }
    wants.rows = true
    if (name === 'nodes') {
      const write = writeRow(field)
      return (page, run) => write(page.rows, run)
    }
    const inner = getNamedType(type) as GraphQLObjectType
    if (name === 'edges') {
      const write = writeObject<Edge>(compiling, inner, field.nodes, writeEdge)
      return (page, run) => page.rows.map((_, at) => write({ page, at }, run))
    }
    if (name !== 'pageInfo') fail()
    return writeObject<FlatPage>(compiling, inner, field.nodes, ({ definition: { name: one } }) => {
      if (one.endsWith('Cursor')) wants.cursors = true
      return pageInfo[one as keyof typeof pageInfo] ?? fail()
    })
  })
}
