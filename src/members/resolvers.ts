import type { Resolvers } from '../graphql/generated.ts'
export const memberResolvers: Resolvers = {
  Member: {
    __resolveType: member => (member.kind === 'CITY' ? 'City' : member.kind === 'COMPANY' ? 'Company' : 'Association'),
  },
}
