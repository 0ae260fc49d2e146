import { InvalidInput, text } from '../errors.ts'
import { searchTerm } from '../name-keys.ts'
import { readRegionCode } from '../regions/code.ts'
import type { MemberFilter } from './list.ts'
import { normaliseReference } from './references.ts'
import type { MemberRow } from './store.ts'

/** The longest list of values that a filter takes. */
const mostValues = 100

/** A filter as the SDL's MemberFilter has it: `name` is what people write. */
type FilterInput = MemberFilter

/**
 * Reads a filter as a caller wrote it. Codes that nobody knows find nobody.
 * @throws InvalidInput for a malformed code of a place and for too long a list
 */
export function readFilter(filter: FilterInput | null | undefined): MemberFilter {
  for (const [name, values] of Object.entries(filter ?? {}))
    if (Array.isArray(values) && values.length > mostValues)
      throw new InvalidInput(
        text(
          `"${name}" has ${values.length} values; a filter takes ${mostValues} at most.`,
          `“${name}”有 ${values.length} 个值，筛选条件最多 ${mostValues} 个。`,
        ),
      )
  const reference = filter?.externalReference
  return {
    ...filter,
    regions: filter?.regions?.map(readRegionCode),
    name: filter?.name == null ? null : searchTerm(filter.name),
    externalReference: reference && normaliseReference(reference),
  }
}

/**
 * Reads the filter of a list that a city gives: bodies of one kind; the city knows the place.
 * @throws InvalidInput as `readFilter`, and when it names kinds or regions, which the city sets
 */
export function readCityFilter(kind: MemberRow['kind'], filter: FilterInput | null | undefined): MemberFilter {
  if (filter?.kinds != null || filter?.regions != null)
    throw new InvalidInput(
      text(
        'The city sets kinds and regions here; leave them out, or ask for members(filter: …).',
        '此处的 kinds 与 regions 由城市决定，请删去，或改用 members(filter: …)。',
      ),
    )
  return { ...readFilter(filter), kinds: [kind] }
}
