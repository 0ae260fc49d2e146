import type { Resolvers } from '../graphql/generated.ts'
export const announcementResolvers: Resolvers = {}
