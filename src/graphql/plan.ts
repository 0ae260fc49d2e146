import {
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLField,
  type GraphQLSchema,
  getArgumentValues,
  Kind,
  type OperationDefinitionNode,
  type ValueNode,
} from 'graphql'
import { collectFields } from 'graphql/execution/collectFields.js'
import type { Permission } from '../access/permissions.ts'
import type { Reference } from '../reads/reference.ts'
import { changeTag } from '../reads/source.ts'
import type { Context } from './context.ts'
import { type Compiling, define, fail } from './plan-compiling.ts'
import { notPlanned } from './plan-leaf.ts'
import { planRoot, type Root } from './plan-roots.ts'
import type { Run } from './plan-step.ts'

/** A whole operation as statements and what is made of their rows. */
export interface Plan {
  readonly permissions: readonly Permission[]
  /** How many fields of types it writes. */
  readonly size: number
  /** @throws notPlanned, or what a resolver throws: then plain execution answers */
  readonly run: (context: Context, variables: Record<string, unknown>) => Promise<Record<string, unknown>>
}

function hasVariable(node: ValueNode): boolean {
  if (node.kind === Kind.VARIABLE) return true
  if (node.kind === Kind.LIST) return node.values.some(hasVariable)
  return node.kind === Kind.OBJECT && node.fields.some(({ value }) => hasVariable(value))
}

/**
 * Makes the plan of a query; null when something of it is code that a plan can't look into.
 * @param conditions the values of the variables that decide on `@skip` and `@include`
 * @param reference what is kept of places and vocabularies; without it statements join them
 */
export function makePlan(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  conditions: Record<string, unknown>,
  reference: Reference | null = null,
): Plan | null {
  const fragments: Record<string, FragmentDefinitionNode> = Object.create(null)
  for (const one of document.definitions) if (one.kind === Kind.FRAGMENT_DEFINITION) fragments[one.name.value] = one
  const query = schema.getQueryType()!
  const compiling: Compiling = {
    schema,
    fragments,
    conditions,
    permissions: new Set(),
    argued: [],
    counted: { steps: 0, fields: 0, once: 0 },
    reference: reference && new Map(),
  }
  const roots: Root[] = []
  try {
    for (const [key, nodes] of collectFields(schema, fragments, conditions, query, operation.selectionSet)) {
      if (key === '__proto__') fail()
      if (nodes[0]!.name.value === '__typename')
        roots.push({ key, start: () => Promise.resolve(), write: () => query.name })
      else roots.push(planRoot(compiling, key, define(compiling, query, nodes)))
    }
  } catch (error) {
    // Errors of directives are for plain execution to tell.
    if (error === notPlanned || error instanceof GraphQLError) return null
    throw error
  }
  const { argued, counted } = compiling
  const sources = [...(compiling.reference?.keys() ?? [])]
  const isFixed = argued.map(({ nodes }) => !(nodes[0]!.arguments ?? []).some(({ value }) => hasVariable(value)))
  /** The arguments without variables: they are the same in every run. */
  const fixed: unknown[] = []
  return {
    permissions: [...compiling.permissions],
    size: counted.fields,
    run: async (context, variables) => {
      const shown = reference && sources.length > 0 ? await reference.take(sources) : null
      // What is kept in memory is changed as a whole.
      for (const { table } of sources) context.keeping?.tags.add(changeTag(table))
      const read: unknown[] = []
      const run: Run = {
        context,
        args: place => {
          const { definition, nodes } = argued[place]!
          const values = isFixed[place] ? fixed : read
          values[place] ??= getArgumentValues(definition as GraphQLField<unknown, unknown>, nodes[0]!, variables)
          return values[place] as never
        },
        found: [],
        once: [],
        reference: shown,
      }
      await Promise.all(roots.map(root => root.start(run)))
      const data: Record<string, unknown> = {}
      for (const { key, write } of roots) data[key] = write(null, run)
      return data
    },
  }
}
