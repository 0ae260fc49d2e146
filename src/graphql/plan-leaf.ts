import { GraphQLBoolean, GraphQLFloat, GraphQLID, GraphQLInt, type GraphQLLeafType, GraphQLString } from 'graphql'

/**
 * Thrown where a plan meets something that it can't answer: null for what is never null, a value that its type refuses,
 * an error of a resolver. The operation is then executed in the ordinary way, which tells the error and its path.
 */
export const notPlanned = new Error('This operation is answered by plain execution.')

const largestInt = 2 ** 31 - 1

/** Whether a value may be shown as it is, without its type's `serialize`. */
const asItIs = new Map<GraphQLLeafType, (value: unknown) => boolean>([
  [GraphQLString, value => typeof value === 'string'],
  [GraphQLID, value => typeof value === 'string'],
  [GraphQLInt, value => Number.isInteger(value) && Math.abs(value as number) <= largestInt],
  [GraphQLFloat, value => Number.isFinite(value)],
  [GraphQLBoolean, value => typeof value === 'boolean'],
])

/** Shows a value of a leaf type, which is not null, as graphql-js does. */
export function leafWriter(type: GraphQLLeafType): (value: unknown) => unknown {
  const isReady = asItIs.get(type)
  return value => {
    if (isReady?.(value)) return value
    const shown = type.serialize(value)
    if (shown === null || shown === undefined) throw notPlanned
    return shown
  }
}
