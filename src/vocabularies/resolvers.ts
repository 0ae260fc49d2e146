import type { Resolvers } from '../graphql/generated.ts'
import { translated } from '../languages.ts'
import { listTerms } from './store.ts'

export const vocabularyResolvers: Resolvers = {
  Query: {
    vocabulary: (_, { name }, { request }) => listTerms(request.db, name),
  },
  Term: {
    label: (term, { locale }, context) => translated(term.labels, locale ?? context.locale) ?? term.code,
  },
}
