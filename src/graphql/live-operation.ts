import { type DocumentNode, getOperationAST, Kind, type OperationDefinitionNode, type SelectionSetNode } from 'graphql'
import type { Actor } from '../access/actor.ts'
import { InvalidInput, text } from '../errors.ts'
import type { Locale } from '../languages.ts'

/** A subscription as a caller asks for it. */
export interface LiveRequest {
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
function findOperation({ document, operationName }: LiveRequest): OperationDefinitionNode | null {
  return getOperationAST(document, operationName) ?? null
}

/**
 * A condition on the one root field could leave nothing to subscribe to; the specification forbids it, graphql-js 16
 * breaks on it.
 * @throws InvalidInput
 */
export function refuseRootConditions(operation: LiveRequest): void {
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
