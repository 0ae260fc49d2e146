import {
  type DirectiveNode,
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getVariableValues,
  Kind,
  type OperationDefinitionNode,
  visit,
} from 'graphql'
import { LRUCache } from 'lru-cache'
import { PublicError } from '../errors.ts'
import type { Keeping } from '../reads/keeping.ts'
import type { Reference } from '../reads/reference.ts'
import { type Context, keepingContext } from './context.ts'
import { LooksAtCaller } from './live-personal.ts'
import { makePlan, type Plan } from './plan.ts'
import { notPlanned } from './plan-leaf.ts'

/** Answers queries by plans. */
export interface Planner {
  /**
   * What the operation answers; undefined when plain execution must: for what no plan reaches, and for everything that is
   * to have an error in its answer.
   * @param operation undefined where the request names none of the document
   * @param keeping takes notes of what the answer is made of; where that is more than can be kept, it says so
   */
  answer(
    document: DocumentNode,
    operation: OperationDefinitionNode | undefined,
    variables: Readonly<Record<string, unknown>>,
    context: Context,
    keeping?: Keeping | null,
  ): Promise<Record<string, unknown> | undefined>
}

/** What is known of an operation that was met. */
interface Met {
  readonly id: number
  /** The variables that decide on `@skip` and `@include`: each way in which they can be met has a plan of its own. */
  readonly conditions: readonly string[]
}

/** How many conditions an operation may have to be planned: every combination is a plan of its own. */
const mostConditions = 4

/** How many fields the plans have that are kept; a field takes about a kilobyte. */
const mostFields = 40_000

function conditionsOf(document: DocumentNode): string[] {
  const names = new Set<string>()
  visit(document, {
    [Kind.DIRECTIVE]: ({ name, arguments: given = [] }: DirectiveNode) => {
      for (const { value } of given)
        if ((name.value === 'skip' || name.value === 'include') && value.kind === Kind.VARIABLE)
          names.add(value.name.value)
    },
  })
  return [...names]
}

/**
 * Makes a planner. A plan is made when its operation is first met, and kept with those that were used lately.
 * @param reference what is kept of places and vocabularies; without it statements join them
 * @param onError told what a plan met that was not meant for callers; plain execution then answers all the same
 */
export function createPlanner(
  schema: GraphQLSchema,
  onError: (error: unknown) => void,
  reference: Reference | null = null,
): Planner {
  const met = new WeakMap<OperationDefinitionNode, Met>()
  let count = 0
  const plans = new LRUCache<string, { readonly plan: Plan | null }>({
    maxSize: mostFields,
    sizeCalculation: ({ plan }) => 1 + (plan?.size ?? 0),
  })

  function planOf(
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Record<string, unknown>,
  ): Plan | null {
    let known = met.get(operation)
    if (!known) {
      known = { id: ++count, conditions: conditionsOf(document) }
      met.set(operation, known)
    }
    const { id, conditions } = known
    if (conditions.length > mostConditions) return null
    const key = `${id} ${conditions.map(name => variables[name])}`
    const kept = plans.get(key)
    if (kept) return kept.plan
    const given = Object.fromEntries(conditions.map(name => [name, variables[name]]))
    const plan = makePlan(schema, document, operation, given, reference)
    plans.set(key, { plan })
    return plan
  }

  return {
    answer: async (document, operation, given, context, keeping) => {
      if (operation?.operation !== 'query') return undefined
      const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], given)
      if (!coerced) return undefined
      const plan = planOf(document, operation, coerced)
      const { actor } = context.request
      if (!plan?.permissions.every(permission => actor.permissions.has(permission))) return undefined
      try {
        if (keeping) {
          try {
            const data = await plan.run(keepingContext(context, keeping), coerced)
            keeping.isWhole = true
            return data
          } catch (error) {
            if (!(error instanceof LooksAtCaller)) throw error
          }
        }
        return await plan.run(context, coerced)
      } catch (error) {
        // GraphQLErrors are of arguments and values: plain execution tells them where they belong.
        if (error !== notPlanned && !(error instanceof PublicError || error instanceof GraphQLError)) onError(error)
        return undefined
      }
    },
  }
}
