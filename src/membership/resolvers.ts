import type { Resolvers } from '../graphql/generated.ts'
export const membershipResolvers: Resolvers = {}
