import {
  type ASTNode,
  type DefinitionNode,
  type DocumentNode,
  type GraphQLSchema,
  getOperationAST,
  Kind,
  print,
  visit,
} from 'graphql'
import { visibilityKey } from '../access/actor.ts'
import type { LiveSource } from './live.ts'
import type { LiveRequest } from './live-operation.ts'
import { selectsPersonal } from './live-personal.ts'

/** A part of what a document says, and what it depends on. */
interface Part {
  readonly text: string
  /** The variables that are used in it. */
  readonly variables: readonly string[]
}

/** A document as far as it decides what an event's result looks like: where a caller goes on from does not. */
interface Shape {
  /** The document without the root field's `after`. */
  readonly whole: Part
  /** What it selects: its one operation, with its fragments, without its name and the arguments of the root field. */
  readonly content: Part
  /** Whether the result depends on the caller's account or token. */
  readonly isPersonal: boolean
}

/** Callers of whom every event has the same result. */
export interface Audience {
  readonly id: number
  /** Of any of them. */
  readonly operation: LiveRequest
  readonly source: LiveSource
  /** Whether the result depends on the one token that they have in common, and not only on their member and rights. */
  readonly isPersonal: boolean
  /** Equal for those who, of the same payload, are told the same. */
  readonly content: string
  readonly epoch: string
}

/** Tells who may share results. */
export interface Sharing {
  /** Equal for operations of which every event has the same result. */
  keyOf(operation: LiveRequest, source: LiveSource): string
  /** Equal for operations that, for callers who see the same, make the same result of the same payload. */
  contentOf(operation: LiveRequest, source: LiveSource): string
  /** Whether the result depends on the caller's account or token, and not only on its member and rights. */
  isPersonal(operation: LiveRequest, source: LiveSource): boolean
}

/** A document with only some of the root field's arguments. */
function keepArguments<Node extends ASTNode>(node: Node, source: LiveSource, isKept: (name: string) => boolean): Node {
  return visit(node, {
    Field: field =>
      source.fieldNodes.includes(field)
        ? { ...field, arguments: field.arguments?.filter(({ name }) => isKept(name.value)) }
        : undefined,
  })
}

/** The variables that are used in a document. */
function usedVariables(document: DocumentNode): Set<string> {
  const used = new Set<string>()
  visit(document, {
    enter: node => {
      if (node.kind === Kind.VARIABLE_DEFINITION) return false
      if (node.kind === Kind.VARIABLE) used.add(node.name.value)
      return undefined
    },
  })
  return used
}

function readWhole(document: DocumentNode, source: LiveSource): Part {
  const kept = keepArguments(document, source, name => name !== 'after')
  return { text: print(kept), variables: [...usedVariables(kept)].sort() }
}

function readContent({ document, operationName }: LiveRequest, source: LiveSource): Part {
  const asked = getOperationAST(document, operationName)
  const kept = keepArguments(document, source, () => false)
  const definitions = kept.definitions.flatMap((definition, i): DefinitionNode[] => {
    if (definition.kind !== Kind.OPERATION_DEFINITION) return [definition]
    return document.definitions[i] === asked ? [{ ...definition, name: undefined }] : []
  })
  const used = usedVariables({ ...kept, definitions })
  const text = print(
    visit(
      { ...kept, definitions },
      { VariableDefinition: node => (used.has(node.variable.name.value) ? undefined : null) },
    ),
  )
  return { text, variables: [...used].sort() }
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

/** What a part depends on besides who asks. */
function keyOfPart({ text, variables }: Part, operation: LiveRequest): readonly unknown[] {
  return [operation.locale, variables.map(name => given(operation.variables, name)), text]
}

/** Reads each document once: the same object stands for the same text. */
export function createSharing(schema: GraphQLSchema): Sharing {
  const shapes = new WeakMap<DocumentNode, Map<string, Shape>>()

  function shapeOf(operation: LiveRequest, source: LiveSource): Shape {
    const { document, operationName } = operation
    const byName = shapes.get(document) ?? new Map<string, Shape>()
    shapes.set(document, byName)
    const name = operationName ?? ''
    const shape = byName.get(name) ?? {
      whole: readWhole(document, source),
      content: readContent(operation, source),
      isPersonal: selectsPersonal(schema, document),
    }
    byName.set(name, shape)
    return shape
  }

  return {
    keyOf: (operation, source) => {
      const { whole, isPersonal } = shapeOf(operation, source)
      const caller = visibilityKey(operation.actor, isPersonal)
      return JSON.stringify([caller, operation.operationName ?? '', ...keyOfPart(whole, operation)])
    },
    contentOf: (operation, source) => JSON.stringify(keyOfPart(shapeOf(operation, source).content, operation)),
    isPersonal: (operation, source) => shapeOf(operation, source).isPersonal,
  }
}
