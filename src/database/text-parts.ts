import type { SharedColumn, Shares } from './shares.ts'

/*
 * Text is found by its parts: the function `text_parts` of migration 0006 gives the stretch of three characters at each
 * place, and an index has them. It finds more than what holds a term, so the term itself is looked for in what is found.
 */

/** The most parts that a search names: a long term is rare enough by its first ones. */
const mostParts = 20

/** The parts that a text with this term has; of a term shorter than three, how one of them begins. */
function partsOf(term: string): { readonly isWhole: boolean; readonly parts: readonly string[] } {
  const characters = [...term]
  if (characters.length < 3) return { isWhole: false, parts: [term] }
  const parts = characters.slice(2).map((_, i) => characters.slice(i, i + 3).join(''))
  return { isWhole: true, parts: [...new Set(parts)].slice(0, mostParts) }
}

/** The text of a tsquery that finds what may hold a term. */
export function partsQuery(term: string): string {
  const { isWhole, parts } = partsOf(term)
  const quoted = parts.map(part => `'${part.replace(/['\\]/g, '$&$&')}'`)
  return isWhole ? quoted.join(' & ') : `${quoted[0]}:*`
}

/** At most about how large a share of the texts hold a term. */
export function shareOfTerm(shares: Shares, column: SharedColumn, term: string): number {
  const { isWhole, parts } = partsOf(term)
  return Math.min(...parts.map(part => (isWhole ? shares.of(column, part) : shares.beginning(column, part))))
}
