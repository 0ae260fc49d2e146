import type { Shares } from '../database/shares.ts'
import { partsQuery, shareOfTerm } from '../database/text-parts.ts'
import { codePrefix } from '../regions/store.ts'
import type { MemberFilter, MemberOrder } from './list.ts'
import type { MemberRow } from './store.ts'

/*
 * Where a list of members begins. The table `member_facets` (migration 0006) has each member under all that a list may ask
 * of it, each in every order. Of a filter's conditions the rarest is looked up there, and the others are checked on what
 * is found.
 */

type Kind = MemberRow['kind']
type Status = MemberRow['status']

export const memberKinds: readonly Kind[] = ['CITY', 'ASSOCIATION', 'COMPANY']
const joinedStatuses: readonly Status[] = ['ADMITTED', 'SUSPENDED']
const visibleStatuses: readonly Status[] = ['LISTED', ...joinedStatuses]
const leftStatuses: readonly Status[] = ['WITHDRAWN', 'EXPELLED']

/** A stretch of `member_facets`. */
export interface FacetStretch {
  /** In the list of a place the facet up to the place, which each list has its own. */
  readonly facet: string
  readonly shelf: string
  /** Which of the values asked this is: who has an earlier one is found there. */
  readonly turn: number
}

/** A stretch of the members by their last change: everywhere, or in one place, as far as its code goes. */
export interface ChangeStretch {
  readonly kind: Kind
  readonly status: Status
  readonly province?: string
  readonly city?: string
  readonly county?: string
}

/** How to find the members of a list. Only which fields there are decides how it is written in SQL, not their values. */
export interface MemberRoute {
  /** They are in these stretches. */
  readonly facets?: readonly FacetStretch[]
  readonly changes?: readonly ChangeStretch[]
  /** Of `changes` only what changed at or after this moment. */
  readonly since?: Date
  /** They are found by this tsquery in the parts of their names. */
  readonly parts?: string
  /** So few that all are read and sorted; otherwise each stretch is in the order of the list. */
  readonly isFew?: true
  /** Nobody is. */
  readonly isEmpty?: true
  /** The values of which `turn` tells one. */
  readonly turns?: Pick<MemberFilter, 'fields' | 'capabilities'>
  /** What remains to be checked; none when the stretches hold what is asked and nothing else. */
  readonly rest?: MemberFilter
}

/** How many members are read and sorted rather than read in order until a page is full. */
const few = 3_000

/** A part of a filter that facets tell, without what stands before them. */
interface Side {
  readonly field: 'regions' | 'fields' | 'capabilities' | null
  readonly values: readonly string[]
}

/** The facet of a place and all places within it. */
export const placeFacet = (code: string) => `r${codePrefix(code)}`

/** The digits of a place, by how far they go. */
export function placeOf(code: string): Pick<ChangeStretch, 'province' | 'city' | 'county'> {
  const prefix = codePrefix(code)
  return prefix.length === 2 ? { province: prefix } : prefix.length === 4 ? { city: prefix } : { county: prefix }
}

/** A place whose code may go as far as any: the stretches of the other two are empty. */
const anyPlace = [{ province: '' }, { city: '' }, { county: '' }]

/** Places without those that lie in others of the list. */
export function outermost(codes: readonly string[]): string[] {
  const prefixes = new Set(codes.map(codePrefix))
  return codes.filter((code, i) => {
    const own = codePrefix(code)
    return (
      codes.findIndex(other => codePrefix(other) === own) === i &&
      ![...prefixes].some(other => other !== own && own.startsWith(other))
    )
  })
}

const everywhere: Side = { field: null, values: [''] }

function sidesOf(filter: MemberFilter): Side[] {
  const sides: Side[] = []
  if (filter.regions) sides.push({ field: 'regions', values: outermost(filter.regions).map(placeFacet) })
  if (filter.fields) sides.push({ field: 'fields', values: [...new Set(filter.fields)].map(code => `f${code}`) })
  if (filter.capabilities)
    sides.push({ field: 'capabilities', values: [...new Set(filter.capabilities)].map(code => `c${code}`) })
  return sides.length > 0 ? sides : [everywhere]
}

/** The filter without what is no condition; undefined when nothing is left. */
function conditions(filter: MemberFilter): MemberFilter | undefined {
  const given = Object.entries(filter).filter(([, value]) => value != null && value !== '')
  return given.length > 0 ? Object.fromEntries(given) : undefined
}

/**
 * How to find the members that meet a filter, in an order.
 * @param options.seesAll whether those that left are shown, too
 * @param options.isOfPlaces whether it is for the lists of many places at once, each of which names its own
 */
export function routeMembers(
  filter: MemberFilter,
  order: MemberOrder['by'],
  shares: Shares,
  { seesAll, isOfPlaces = false }: { readonly seesAll: boolean; readonly isOfPlaces?: boolean },
): MemberRoute {
  if (filter.externalReference) return { isFew: true, rest: filter }
  const members = shares.rows('members')
  const shown = seesAll ? [...visibleStatuses, ...leftStatuses] : visibleStatuses
  const statuses = shown.filter(status => filter.statuses?.includes(status) ?? true)
  const askedKinds = memberKinds.filter(kind => filter.kinds?.includes(kind) ?? true)
  // The usual status has no facets of its own.
  const isUsual = statuses.includes('LISTED')
  const sorts = filter.associationKinds ? [...new Set(filter.associationKinds)].map(sort => `${sort} `) : ['']

  const shelvesOf = (wanted: readonly Status[]) =>
    askedKinds
      .filter(kind => kind === 'ASSOCIATION' || !filter.associationKinds)
      .flatMap(kind => [
        ...(wanted.includes('LISTED') ? [kind] : []),
        ...(wanted.some(status => joinedStatuses.includes(status)) ? [`JOINED ${kind}`] : []),
        ...(wanted.some(status => leftStatuses.includes(status)) ? [`LEFT ${kind}`] : []),
      ])
  const stretchesOf = ({ values }: Side): FacetStretch[] => {
    const groups = isUsual
      ? [{ before: '', of: statuses }]
      : statuses.map(status => ({ before: `${status} `, of: [status] }))
    return values.flatMap((value, turn) =>
      groups.flatMap(({ before, of }) =>
        sorts.flatMap(sort => shelvesOf(of).map(shelf => ({ facet: `${before}${sort}${value}`, shelf, turn }))),
      ),
    )
  }
  const sizeOf = (stretches: readonly FacetStretch[]) => {
    const facets = new Set(stretches.map(({ facet }) => facet))
    const share = [...facets].reduce(
      (sum, facet) => sum + (facet === '' ? 0 : shares.of('member_facets.facet', facet)),
      0,
    )
    return facets.has('') ? members : share * shares.rows('member_facets')
  }

  const sides = (isOfPlaces ? [everywhere] : sidesOf(filter)).map(side => {
    const stretches = stretchesOf(side)
    return { ...side, stretches, size: sizeOf(stretches) }
  })
  const side = sides.reduce((best, other) => (other.size < best.size ? other : best))
  const rest = conditions({
    ...filter,
    kinds: null,
    associationKinds: null,
    // The shelf of the usual status has no other.
    statuses: isUsual && statuses.length > 1 ? filter.statuses : null,
    ...(side.field && { [side.field]: null }),
  })
  if (side.stretches.length === 0) return { isEmpty: true, isFew: true }
  const overlap = side.values.length > 1 && (side.field === 'fields' || side.field === 'capabilities')
  const byFacets: MemberRoute = {
    facets: side.stretches,
    rest,
    ...(overlap && side.field && { turns: { [side.field]: filter[side.field] } }),
  }

  const named = filter.name ? members * shareOfTerm(shares, 'member_search_parts.text_parts', filter.name) : Infinity
  if (!isOfPlaces && filter.name && named <= few && named < side.size)
    return { parts: partsQuery(filter.name), isFew: true, rest: filter }
  const since = filter.updatedSince ? { since: filter.updatedSince } : {}
  if (order === 'UPDATED') {
    // Kind, status and place are stretches of the changes, too.
    const isMore = side.field !== 'regions' && (side.field !== null || filter.associationKinds != null)
    if (!isOfPlaces && isMore && side.size <= few) return { ...byFacets, isFew: true }
    const places = isOfPlaces ? anyPlace : filter.regions ? outermost(filter.regions).map(placeOf) : [{}]
    const changes = places.flatMap(place =>
      askedKinds.flatMap(kind => statuses.map(status => ({ kind, status, ...place }))),
    )
    return {
      changes,
      ...since,
      rest: conditions({ ...filter, kinds: null, statuses: null, regions: null, updatedSince: null }),
    }
  }
  const changed = filter.updatedSince ? members * shares.since('members.updated_at', filter.updatedSince) : Infinity
  if (!isOfPlaces && changed <= few && changed < side.size) {
    const changes = askedKinds.flatMap(kind => statuses.map(status => ({ kind, status })))
    return {
      changes,
      ...since,
      isFew: true,
      rest: conditions({ ...filter, kinds: null, statuses: null, updatedSince: null }),
    }
  }
  return byFacets
}
