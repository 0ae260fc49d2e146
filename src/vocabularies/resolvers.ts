import { fieldsOf, findMany } from '../graphql/fields.ts'
import type { Resolvers } from '../graphql/generated.ts'
import { translated } from '../languages.ts'
import { termsOf } from './reads.ts'
import type { TermRow, VocabularyName } from './store.ts'

const { from } = fieldsOf<TermRow>()

export const vocabularyResolvers: Resolvers = {
  Query: {
    vocabulary: findMany(termsOf, ({ name }: { name: VocabularyName }) => name),
  },
  Term: {
    label: from(
      ['labels', 'code'],
      (term, { locale }, context) => translated(term.labels, locale ?? context.locale) ?? term.code,
    ),
  },
}
