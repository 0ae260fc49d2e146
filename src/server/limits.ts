import {
  type ASTNode,
  type ASTVisitor,
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLSchema,
  type SelectionSetNode,
  type ValidationContext,
  type ValidationRule,
} from 'graphql'
import { InvalidInput, type PublicError, TooCostly, text } from '../errors.ts'

/** What one request may have, whatever the door. The cost is a setting. */
export const limits = { tokens: 2_000, depth: 12, aliases: 30, directives: 50, rootFields: 20 } as const

type Kind = Exclude<keyof typeof limits, 'tokens'>

const wording: Record<Kind, readonly [en: string, zh: string]> = {
  depth: ['levels deep', '层嵌套'],
  aliases: ['aliases', '个别名'],
  directives: ['directives', '个指令'],
  rootFields: ['fields at the top', '个顶层字段'],
}

function beyond(kind: Kind, actual: number): TooCostly {
  const [en, zh] = wording[kind]
  const verb = kind === 'depth' ? 'is' : 'has'
  return new TooCostly(
    text(
      `The request ${verb} ${actual} ${en}; ${limits[kind]} is the most. Split it.`,
      `请求有 ${actual} ${zh}，上限为 ${limits[kind]}，请拆分请求。`,
    ),
    { kind, actual, limit: limits[kind] },
  )
}

/** The refusal of a request whose cost goes beyond the limit. */
export function tooCostly(cost: number, limit: number): TooCostly {
  return new TooCostly(
    text(
      `The request would cost ${cost}; ${limit} is the most. Ask for smaller pages ("first") or fewer fields within lists.`,
      `请求的成本为 ${cost}，上限为 ${limit}。请减小分页（“first”）或减少列表中的字段。`,
    ),
    { kind: 'cost', actual: cost, limit, cost: { cost, limit } },
  )
}

/** A GraphQL error at these nodes that stands for one of ours. */
function at(error: PublicError, nodes: readonly ASTNode[]): GraphQLError {
  return new GraphQLError(error.message, { nodes, originalError: error })
}

/** The fragments of a document by name. */
export function fragmentsOf(document: DocumentNode): Map<string, FragmentDefinitionNode> {
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of document.definitions)
    if (definition.kind === 'FragmentDefinition') fragments.set(definition.name.value, definition)
  return fragments
}

/**
 * Folds a selection set, each fragment once: spread twice in each other, few fragments would make a walk without memory
 * last for ever. A fragment within itself counts as nothing; validation refuses it.
 */
function foldSelections(
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  field: (name: string, within: () => number) => number,
  join: (a: number, b: number) => number,
): (set: SelectionSetNode) => number {
  const folded = new Map<string, number>()
  const fold = (set: SelectionSetNode): number => {
    let total = 0
    for (const selection of set.selections) {
      if (selection.kind === 'Field') {
        const { name, selectionSet } = selection
        total = join(
          total,
          field(name.value, () => (selectionSet ? fold(selectionSet) : 0)),
        )
      } else if (selection.kind === 'InlineFragment') total = join(total, fold(selection.selectionSet))
      else {
        const name = selection.name.value
        let known = folded.get(name)
        if (known === undefined) {
          folded.set(name, 0)
          const fragment = fragments.get(name)
          known = fragment ? fold(fragment.selectionSet) : 0
          folded.set(name, known)
        }
        total = join(total, known)
      }
    }
    return total
  }
  return fold
}

/** Depth, aliases, directives and root fields. Introspection is bounded by its cost instead: its standard query is deep. */
function shapeRule(context: ValidationContext): ASTVisitor {
  const fragments = fragmentsOf(context.getDocument())
  const depth = foldSelections(fragments, (name, within) => (name.startsWith('__') ? 0 : 1 + within()), Math.max)
  const width = foldSelections(
    fragments,
    () => 1,
    (a, b) => a + b,
  )
  let aliases = 0
  let directives = 0
  const check = (kind: Kind, actual: number, nodes: readonly ASTNode[] = []) => {
    if (actual > limits[kind]) context.reportError(at(beyond(kind, actual), nodes))
  }
  return {
    Field(node) {
      if (node.alias) aliases++
    },
    Directive() {
      directives++
    },
    OperationDefinition(node) {
      check('depth', depth(node.selectionSet), [node])
      check('rootFields', width(node.selectionSet), [node])
    },
    Document: {
      leave() {
        check('aliases', aliases)
        check('directives', directives)
      },
    },
  }
}

/** Why a text can't be kept: NUL is no character for PostgreSQL, and half a surrogate pair is none at all. */
export function brokenText(value: string): InvalidInput | null {
  if (!value.includes('\0') && value.isWellFormed()) return null
  return new InvalidInput(
    text(
      'The text holds a NUL or half of a surrogate pair, which no text may have. Take it out and send the rest.',
      '文本含有 NUL 字符或不成对的代理项，请删除后重新提交。',
    ),
  )
}

/** Finds such a text anywhere in what a caller sent, keys included; null when all is well. */
export function findBrokenText(value: unknown): InvalidInput | null {
  const left = [value]
  while (left.length > 0) {
    const next = left.pop()
    if (typeof next === 'string') {
      const error = brokenText(next)
      if (error) return error
    } else if (Array.isArray(next)) for (const item of next) left.push(item)
    else if (typeof next === 'object' && next !== null)
      for (const [key, item] of Object.entries(next)) left.push(key, item)
  }
  return null
}

/** Texts written in the document, where an escape can hide what the raw text doesn't show. */
function textRule(context: ValidationContext): ASTVisitor {
  return {
    StringValue(node) {
      const error = brokenText(node.value)
      if (error) context.reportError(at(error, [node]))
    },
  }
}

/** The rules beside GraphQL's own that every document must meet. They don't depend on variables, so their outcome is kept. */
export const limitRules: readonly ValidationRule[] = [shapeRule, textRule]

const typeCounts = new WeakMap<GraphQLSchema, number>()

/** The schema's own types, as introspection shows them: how long their lists are. Counted once for each schema. */
export function typeCount(schema: GraphQLSchema): number {
  let count = typeCounts.get(schema)
  if (count === undefined) {
    count = Object.keys(schema.getTypeMap()).length
    typeCounts.set(schema, count)
  }
  return count
}
