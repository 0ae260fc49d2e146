import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isLeafType,
  isListType,
  isObjectType,
  type OperationDefinitionNode,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
  type ValueNode,
} from 'graphql'
import { maxPageSize } from '../database/page.ts'
import { fragmentsOf, typeCount } from './limits.ts'

/** How many entries a page has when nothing is said; as database/page.ts. */
const defaultPage = 20
/** How many things a list without pages is taken to hold. */
const smallList = 5
/** What a mutation costs besides its answer: a transaction. */
const mutationCost = 10
/** Introspection reads what is in memory: so many of its things count as one from the database. */
const introspectionShare = 50

type Variables = Readonly<Record<string, unknown>>

/**
 * Counts what an operation costs: one for each thing (object) that it may read, pages at the size asked for.
 * Pages beyond the longest count as the longest: the pager refuses them with a clearer word.
 * Each fragment is counted once per place size, so that fragments within fragments can't make the count itself costly.
 */
export function countCost(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Variables,
): number {
  const known = counts.get(operation)
  // Only sizes of pages and numbers of ids decide, and only those of them that are variables differ.
  const sizes = known && sizesOf(known.names, variables)
  const counted = sizes === undefined ? undefined : known?.bySizes.get(sizes)
  if (counted !== undefined) return counted
  const names = new Set<string>()
  const cost = countAnew(schema, document, operation, variables, names)
  const kept = known ?? { names: [...names], bySizes: new Map() }
  if (!known) counts.set(operation, kept)
  if (kept.bySizes.size < mostSizes) kept.bySizes.set(sizes ?? sizesOf(kept.names, variables), cost)
  return cost
}

/** What of variables the cost may depend on: one that is left out takes its default, null does not. */
function sizesOf(names: readonly string[], variables: Variables): string {
  return names
    .map(name => {
      if (!Object.hasOwn(variables, name)) return 'default'
      const value = variables[name]
      return Array.isArray(value) ? `list ${value.length}` : typeof value === 'number' ? value : 'other'
    })
    .join()
}

/** How many different sizes of one operation are remembered. */
const mostSizes = 100

/** What operations cost, as long as their parsed documents live. */
const counts = new WeakMap<
  OperationDefinitionNode,
  { readonly names: readonly string[]; readonly bySizes: Map<string, number> }
>()

function countAnew(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Variables,
  names: Set<string>,
): number {
  const root = schema.getRootType(operation.operation)
  if (!root) return 0
  const counter = new Map<string, number>()
  const scope: Scope = {
    schema,
    fragments: fragmentsOf(document),
    counted: counter,
    value: node => {
      if (node?.kind === 'Variable') names.add(node.name.value)
      return readValue(node, operation, variables)
    },
    types: typeCount(schema),
  }
  return Math.ceil(selectionCost(scope, operation.selectionSet, root, null))
}

interface Scope {
  readonly schema: GraphQLSchema
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>
  readonly counted: Map<string, number>
  readonly value: (node: ValueNode | undefined) => unknown
  /** How many types the schema has. */
  readonly types: number
}

/** A number or the length of a list, as it will be; undefined when it is neither. Coercion complains of the rest. */
function readValue(node: ValueNode | undefined, operation: OperationDefinitionNode, variables: Variables): unknown {
  if (node?.kind === 'IntValue') return Number(node.value)
  if (node?.kind === 'ListValue') return node.values
  if (node?.kind !== 'Variable') return undefined
  const name = node.name.value
  if (Object.hasOwn(variables, name)) return variables[name]
  const definition = operation.variableDefinitions?.find(({ variable }) => variable.name.value === name)
  return readValue(definition?.defaultValue, operation, {})
}

/** The sum over the fields, and of the fragments on different object types the costliest: a thing has one type. */
function selectionCost(scope: Scope, set: SelectionSetNode, type: GraphQLCompositeType, page: number | null): number {
  let shared = 0
  const byType = new Map<string, number>()
  const add = (cost: number, condition: GraphQLCompositeType) => {
    if (isObjectType(condition) && condition !== type)
      byType.set(condition.name, (byType.get(condition.name) ?? 0) + cost)
    else shared += cost
  }
  for (const selection of set.selections) {
    if (selection.kind === 'Field') shared += fieldCost(scope, selection, type, page)
    else if (selection.kind === 'InlineFragment') {
      const condition = conditionType(scope, selection.typeCondition?.name.value) ?? type
      add(selectionCost(scope, selection.selectionSet, condition, page), condition)
    } else {
      const fragment = scope.fragments.get(selection.name.value)
      const condition = conditionType(scope, fragment?.typeCondition.name.value)
      if (fragment && condition) add(fragmentCost(scope, fragment, condition, page), condition)
    }
  }
  return shared + Math.max(0, ...byType.values())
}

function conditionType(scope: Scope, name: string | undefined): GraphQLCompositeType | null {
  const type = name === undefined ? undefined : scope.schema.getType(name)
  return isCompositeType(type) ? type : null
}

function fragmentCost(
  scope: Scope,
  fragment: FragmentDefinitionNode,
  type: GraphQLCompositeType,
  page: number | null,
): number {
  const key = `${fragment.name.value} ${page}`
  let cost = scope.counted.get(key)
  if (cost === undefined) {
    scope.counted.set(key, 0)
    cost = selectionCost(scope, fragment.selectionSet, type, page)
    scope.counted.set(key, cost)
  }
  return cost
}

function findField(scope: Scope, type: GraphQLCompositeType, name: string): GraphQLField<unknown, unknown> | null {
  if (type === scope.schema.getQueryType()) {
    if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef
    if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef
  }
  return 'getFields' in type ? (type.getFields()[name] ?? null) : null
}

/** `page` is the size of the connection that the field stands in directly, if it does. */
function fieldCost(scope: Scope, node: FieldNode, parent: GraphQLCompositeType, page: number | null): number {
  const field = findField(scope, parent, node.name.value)
  if (!field) return 0
  const type = getNamedType(field.type)
  if (isLeafType(type) || !isCompositeType(type) || !node.selectionSet) return 0
  const isList = isListType(getNullableType(field.type))
  const size = pageSize(scope, field, node)
  const within = selectionCost(scope, node.selectionSet, type, isList ? null : size)
  const count = isList ? (size ?? idCount(scope, node) ?? page ?? listLength(scope, parent, field.name)) : 1
  const cost = count * (1 + within)
  if (parent === scope.schema.getMutationType()) return cost + mutationCost
  return field === SchemaMetaFieldDef || field === TypeMetaFieldDef ? cost / introspectionShare : cost
}

/** The size of the page that a paged field answers; null for a field without pages. */
function pageSize(scope: Scope, field: GraphQLField<unknown, unknown>, node: FieldNode): number | null {
  if (!field.args.some(({ name }) => name === 'first' || name === 'last')) return null
  const sizes = ['first', 'last']
    .map(name => scope.value(node.arguments?.find(argument => argument.name.value === name)?.value))
    .filter(size => typeof size === 'number' && Number.isFinite(size)) as number[]
  if (sizes.length === 0) return defaultPage
  return Math.min(Math.max(...sizes, 0), maxPageSize)
}

/** How many ids a field is asked for; null when it takes none. */
function idCount(scope: Scope, node: FieldNode): number | null {
  const ids = node.arguments?.find(argument => argument.name.value === 'ids')
  if (!ids) return null
  const value = scope.value(ids.value)
  return Array.isArray(value) ? value.length : 1
}

function listLength(scope: Scope, parent: GraphQLCompositeType, name: string): number {
  return parent.name === '__Schema' && name === 'types' ? scope.types : smallList
}
