import { manyBy, oneBy, source } from '../reads/source.ts'
import type { TermRow, VocabularyName } from './store.ts'

const terms = source<TermRow>('vocabularyTerms', {
  isReference: true,
  news: { subject: null, types: ['reference.loaded'] },
})

/** The words of one vocabulary, by their codes. */
export const termOf = (vocabulary: VocabularyName) => oneBy(terms, 'code', { vocabulary })

/** All words of a vocabulary, in their order. */
export const termsOf = manyBy(terms, 'vocabulary', { order: ['position'] })
