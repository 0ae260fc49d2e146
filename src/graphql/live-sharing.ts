import { type DocumentNode, type GraphQLSchema, Kind, print, visit } from 'graphql'
import { visibilityKey } from '../access/actor.ts'
import type { LiveSource } from './live.ts'
import type { LiveRequest } from './live-operation.ts'
import { selectsPersonal } from './live-personal.ts'

/** A document as far as it decides what an event's result looks like: where a caller goes on from does not. */
interface Shape {
  /** The document without the root field's `after`. */
  readonly text: string
  /** The variables that are used elsewhere than in `after`. */
  readonly variables: readonly string[]
  /** Whether the result depends on the caller's account or token. */
  readonly isPersonal: boolean
}

/** Tells who may share results. */
export interface Sharing {
  /** Equal for operations of which every event has the same result. */
  keyOf(operation: LiveRequest, source: LiveSource): string
  /** Whether the result depends on the caller's account or token, and not only on its member and rights. */
  isPersonal(operation: LiveRequest, source: LiveSource): boolean
}

function readShape(schema: GraphQLSchema, document: DocumentNode, source: LiveSource): Shape {
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
  return {
    text: print(shared),
    variables: [...variables].sort(),
    isPersonal: selectsPersonal(schema, document),
  }
}

/** Equal for equal values, in whatever order their fields were written. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([name, field]) => [name, canonical(field)]))
}

/** A variable as it was given: one that is left out takes its default, null does not. */
function given(variables: LiveRequest['variables'], name: string): readonly unknown[] {
  return variables && Object.hasOwn(variables, name) ? [canonical(variables[name])] : []
}

/** Reads each document once: the same object stands for the same text. */
export function createSharing(schema: GraphQLSchema): Sharing {
  const shapes = new WeakMap<DocumentNode, Map<string, Shape>>()

  function shapeOf({ document, operationName }: LiveRequest, source: LiveSource): Shape {
    const byName = shapes.get(document) ?? new Map<string, Shape>()
    shapes.set(document, byName)
    const name = operationName ?? ''
    const shape = byName.get(name) ?? readShape(schema, document, source)
    byName.set(name, shape)
    return shape
  }

  return {
    keyOf: (operation, source) => {
      const { text, variables, isPersonal } = shapeOf(operation, source)
      return JSON.stringify([
        visibilityKey(operation.actor, isPersonal),
        operation.locale,
        operation.operationName ?? '',
        variables.map(name => given(operation.variables, name)),
        text,
      ])
    },
    isPersonal: (operation, source) => shapeOf(operation, source).isPersonal,
  }
}
