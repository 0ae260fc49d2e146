import { type RawBuilder, type SelectQueryBuilder, sql } from 'kysely'
import { LRUCache } from 'lru-cache'
import { type Actor, isStaff } from '../access/actor.ts'
import type { Request } from '../access/request.ts'
import type { Db } from '../database/client.ts'
import { mergeParts, type PageOrder } from '../database/page.ts'
import { type Shares, sharesOf } from '../database/shares.ts'
import type { DB } from '../database/tables.ts'
import type { Asked } from '../reads/listing.ts'
import { shapeOf } from '../reads/slots.ts'
import { listing, type Operand } from '../reads/source.ts'
import { type MemberFilter, type MemberOrder, meeting } from './list.ts'
import { members } from './reads.ts'
import { type ChangeStretch, type FacetStretch, type MemberRoute, routeMembers } from './route.ts'
import { visibleMembers } from './store.ts'

type Query = SelectQueryBuilder<DB, 'members', object>
type Listed = SelectQueryBuilder<DB, never, { memberId: string }>

function selectFacet(db: Db, { facet, shelf, turn }: FacetStretch, route: MemberRoute, of: readonly Operand[]): Listed {
  const whole = of.length > 0 ? sql<string>`${facet}::text || ${of[0]}` : facet
  const stretch = db
    .selectFrom('memberFacets as listed')
    .select(['listed.memberId', 'listed.pinyinKey', 'listed.strokeKey', 'listed.latinKey', 'listed.joining'])
    .where('listed.facet', '=', whole)
    .where('listed.shelf', '=', shelf)
  return (route.turns ? stretch.select(sql<number>`${turn}::integer`.as('turn')) : stretch) as never
}

function selectChange(
  db: Db,
  { kind, status, province, city, county }: ChangeStretch,
  { since }: MemberRoute,
  of: readonly Operand[],
): Listed {
  const digits = (code: string) => (of.length > 0 ? sql<string>`substr(${of[0]}, 2)` : code)
  let query = db
    .selectFrom('members')
    .select(['members.id as memberId', 'members.updatedAt'])
    .where('members.kind', '=', kind)
    .where('members.status', '=', status)
  if (since !== undefined) query = query.where(sql<boolean>`members.updated_at >= ${since}::timestamptz`)
  // As the indexes have them.
  if (province !== undefined) query = query.where(sql<boolean>`left(members.region_code, 2) = ${digits(province)}`)
  if (city !== undefined) query = query.where(sql<boolean>`left(members.region_code, 4) = ${digits(city)}`)
  if (county !== undefined) query = query.where('members.regionCode', '=', digits(county))
  return db.selectFrom(query.as('listed')).selectAll() as never
}

function selectNamed(db: Db, parts: string): Listed {
  return db
    .selectFrom('memberSearch')
    .select('memberId')
    .where(sql<boolean>`text_parts(search) @@ ${parts}::tsquery`) as never
}

/** The members that a route leads to. The stretches say who is visible; without them the members do. */
function selectRoute(
  db: Db,
  actor: Actor,
  route: MemberRoute,
  of: readonly Operand[],
  sorting: RawBuilder<unknown> | null,
): Query {
  const { facets, changes, parts, turns, isEmpty, rest } = route
  if (isEmpty) return db.selectFrom('members').where(sql<boolean>`false`)
  const stretches = facets
    ? facets.map(stretch => selectFacet(db, stretch, route, of))
    : (changes ?? []).map(stretch => selectChange(db, stretch, route, of))
  if (parts !== undefined) stretches.push(selectNamed(db, parts))
  if (stretches.length === 0)
    return db
      .selectFrom('members')
      .where(visibleMembers(actor))
      .where(meeting(rest ?? {}))
  // What remains to be checked is checked behind the merge, on as many members as it takes to fill a page.
  const listed = db.selectFrom(
    mergeParts<{ memberId: string; turn: number }>(stretches, route.isFew ? null : sorting).as('listed'),
  )
  // Where nothing is, it counts without the members.
  if (!rest && !turns && !route.isFew) return listed.leftJoin('members', 'members.id', 'listed.memberId') as never
  let checked = db
    .selectFrom('members')
    .selectAll('members')
    .where('members.id', '=', sql<string>`listed.member_id`)
    .where(parts === undefined ? sql<boolean>`true` : visibleMembers(actor))
    .where(meeting(rest ?? {}))
  // Who has an earlier one of the values asked is found by that.
  for (const field of ['fields', 'capabilities'] as const)
    if (turns?.[field])
      checked = checked.where(
        sql<boolean>`not ${sql.ref(`members.${field}`)} && (${turns[field]}::text[])[1:listed.turn]`,
      )
  // One by one: without the offset PostgreSQL may expect to find hardly anybody, or very many, and read all.
  return listed.innerJoinLateral(checked.offset(sql.lit(0)).as('members'), join => join.onTrue()) as never
}

/** The directory. */
export const directory = listing(members, (db, actor, route: MemberRoute, of, sorting) =>
  selectRoute(db, actor, route, of, sorting),
)

/** The bodies within a place, by `placeFacet`. */
export const bodiesWithin = listing(
  members,
  (db, actor, route: MemberRoute, place, sorting) => selectRoute(db, actor, route, place, sorting),
  { of: ['text'] },
)

/** The keys of every order, as the facets and the members themselves have them. */
const keys = {
  PINYIN: ['pinyinKey', 'strokeKey'],
  STROKES: ['strokeKey', 'pinyinKey'],
  NAME: ['latinKey'],
  JOINED: ['joining'],
  UPDATED: ['updatedAt'],
} as const satisfies Record<MemberOrder['by'], readonly string[]>

const types = { joining: 'int', updatedAt: 'timestamptz' } as const

function pageOrder(order: MemberOrder | null | undefined, { facets, changes, isFew }: MemberRoute): PageOrder {
  const by = order?.by ?? 'PINYIN'
  const direction = order?.direction === 'DESC' ? 'desc' : 'asc'
  const table = (facets || changes) && !isFew ? 'listed' : 'members'
  const expression = (key: string): RawBuilder<unknown> =>
    // Those that have not joined come after the last joining number.
    key === 'joining' && table === 'members'
      ? sql`coalesce(members.joining_number, 2147483647)`
      : sql.ref(`${table}.${key}`)
  return {
    name: `members ${by} ${direction}`,
    direction,
    keys: [
      ...keys[by].map(key => ({
        expression: expression(key),
        type: types[key as keyof typeof types] ?? ('text' as const),
      })),
      { expression: sql.ref(table === 'members' ? 'members.id' : 'listed.memberId'), type: 'uuid' },
    ],
  }
}

/**
 * How much of ways is kept, counted in the values of their filters with ten for the rest, and how long what is asked may
 * be, in characters of JSON: portals ask the same lists all day.
 */
const mostKept = 10_000
const longestKey = 500

type Ways = LRUCache<string, Asked<MemberRoute>>

const kept = new WeakMap<Shares, Ways>()

/** The ways that were chosen by these shares. */
function waysBy(shares: Shares): Ways {
  const known = kept.get(shares)
  if (known) return known
  const ways: Ways = new LRUCache({ maxSize: mostKept, sizeCalculation: ({ shape }) => 10 + (shape?.values.size ?? 0) })
  kept.set(shares, ways)
  return ways
}

/**
 * What is asked of the directory; by pinyin without an order.
 * @param options.isOfPlaces whether it is asked of the bodies of places, which the filter does not name
 * @param options.shares by which the way is chosen; those of the database without it
 */
export function askDirectory(
  { db, actor }: Pick<Request, 'db' | 'actor'>,
  filter: MemberFilter,
  order: MemberOrder | null | undefined,
  { isOfPlaces = false, shares = sharesOf(db) }: { readonly isOfPlaces?: boolean; readonly shares?: Shares } = {},
): Asked<MemberRoute> {
  const seesAll = isStaff(actor)
  const ways = waysBy(shares)
  const key = JSON.stringify([seesAll, isOfPlaces, order?.by, order?.direction, filter])
  const known = ways.get(key)
  if (known) return known
  const route = routeMembers(filter, order?.by ?? 'PINYIN', shares, { seesAll, isOfPlaces })
  // Any edit is a last change.
  const isMovedByAll = order?.by === 'UPDATED' || filter.updatedSince != null
  const asked = { input: route, shape: shapeOf(route), order: pageOrder(order, route), isMovedByAll }
  if (key.length <= longestKey) ways.set(key, asked)
  return asked
}
