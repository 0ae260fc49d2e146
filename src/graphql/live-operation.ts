import {
  type DocumentNode,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  print,
  type SelectionSetNode,
  visit,
} from 'graphql'
import { type Actor, visibilityKey } from '../access/actor.ts'
import { InvalidInput, text } from '../errors.ts'
import type { Locale } from '../languages.ts'
import type { LiveSource } from './live.ts'

/** A subscription as a caller asks for it. */
export interface LiveOperation {
  /** Parsed and validated. Give the same object for the same text, so that work on it is done once. */
  readonly document: DocumentNode
  readonly operationName?: string | null
  /** As they came, before coercion. */
  readonly variables?: Readonly<Record<string, unknown>> | null
  readonly actor: Actor
  readonly locale: Locale
  readonly requestId?: string
}

/** The operation that is asked for, which graphql-js is to find again. */
function findOperation({ document, operationName }: LiveOperation): OperationDefinitionNode | null {
  return getOperationAST(document, operationName) ?? null
}

/**
 * A condition on the one root field could leave nothing to subscribe to; the specification forbids it, graphql-js 16
 * breaks on it.
 * @throws InvalidInput
 */
export function refuseRootConditions(operation: LiveOperation): void {
  const visited = new Set<string>()
  const isConditional = (set: SelectionSetNode): boolean =>
    set.selections.some(selection => {
      if (selection.directives?.some(({ name }) => name.value === 'skip' || name.value === 'include')) return true
      if (selection.kind === Kind.INLINE_FRAGMENT) return isConditional(selection.selectionSet)
      if (selection.kind === Kind.FIELD || visited.has(selection.name.value)) return false
      visited.add(selection.name.value)
      const fragment = operation.document.definitions.find(
        definition => definition.kind === Kind.FRAGMENT_DEFINITION && definition.name.value === selection.name.value,
      )
      return fragment?.kind === Kind.FRAGMENT_DEFINITION && isConditional(fragment.selectionSet)
    })
  const root = findOperation(operation)
  if (root && isConditional(root.selectionSet))
    throw new InvalidInput(
      text(
        'The root field of a subscription can have no @skip or @include. Leave them out.',
        '订阅的根字段不能使用 @skip 或 @include。请去掉它们。',
      ),
    )
}

interface Shape {
  /** The document without the root field's `after`. */
  readonly text: string
  /** The variables that are used elsewhere than in `after`. */
  readonly variables: readonly string[]
}

const shapes = new WeakMap<DocumentNode, Map<string, Shape>>()

/** The document as far as it decides what an event's result looks like: where a caller goes on from does not. */
function shapeOf({ document, operationName }: LiveOperation, source: LiveSource): Shape {
  const byName = shapes.get(document) ?? new Map<string, Shape>()
  shapes.set(document, byName)
  const name = operationName ?? ''
  const known = byName.get(name)
  if (known) return known
  const shared: DocumentNode = visit(document, {
    Field: node =>
      source.fieldNodes.includes(node)
        ? { ...node, arguments: node.arguments?.filter(argument => argument.name.value !== 'after') }
        : undefined,
  })
  const variables = new Set<string>()
  visit(shared, {
    enter: node => {
      if (node.kind === Kind.VARIABLE_DEFINITION) return false
      if (node.kind === Kind.VARIABLE) variables.add(node.name.value)
      return undefined
    },
  })
  const shape = { text: print(shared), variables: [...variables].sort() }
  byName.set(name, shape)
  return shape
}

/** Equal for equal values, in whatever order their fields were written. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([name, field]) => [name, canonical(field)]))
}

/** Equal for operations of which every event has the same result. */
export function sharingKey(operation: LiveOperation, source: LiveSource): string {
  const shape = shapeOf(operation, source)
  const variables = shape.variables.map(name => canonical(operation.variables?.[name]) ?? null)
  return JSON.stringify([
    visibilityKey(operation.actor),
    operation.locale,
    operation.operationName ?? '',
    variables,
    shape.text,
  ])
}
