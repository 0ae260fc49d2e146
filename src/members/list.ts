import { type ExpressionBuilder, type RawBuilder, sql } from 'kysely'
import type { Actor } from '../access/actor.ts'
import type { Db } from '../database/client.ts'
import { type Page, type PageArgs, type PageOrder, pageAlike, readPage, readPages } from '../database/page.ts'
import type { DB } from '../database/tables.ts'
import { codePrefix, containing } from '../regions/store.ts'
import { type MemberRow, visibleMembers } from './store.ts'

/** Which members to list: fields joined by and, values of one field by or. A value that nobody has finds nobody. */
export interface MemberFilter {
  readonly kinds?: readonly MemberRow['kind'][] | null
  readonly associationKinds?: readonly NonNullable<MemberRow['associationKind']>[] | null
  /** GB/T 2260 codes; what lies within them counts. */
  readonly regions?: readonly string[] | null
  readonly fields?: readonly string[] | null
  readonly capabilities?: readonly string[] | null
  readonly statuses?: readonly MemberRow['status'][] | null
  /** As `searchTerm` writes it. */
  readonly name?: string | null
  readonly updatedSince?: Date | null
  readonly externalReference?: { readonly system: string; readonly value: string } | null
}

/** In which order to list members. */
export interface MemberOrder {
  readonly by: 'PINYIN' | 'STROKES' | 'NAME' | 'JOINED' | 'UPDATED'
  readonly direction?: 'ASC' | 'DESC' | null
}

const column = (name: string, type: PageOrder['keys'][number]['type'] = 'text') => ({
  expression: sql.ref(`members.${name}`) as RawBuilder<unknown>,
  type,
})

/** The keys of every order: each as an index of the table has them. */
const keys: Record<MemberOrder['by'], PageOrder['keys']> = {
  PINYIN: [column('pinyinKey'), column('strokeKey'), column('id', 'uuid')],
  STROKES: [column('strokeKey'), column('pinyinKey'), column('id', 'uuid')],
  NAME: [column('latinKey'), column('id', 'uuid')],
  JOINED: [
    // Those that have not joined come after the last joining number.
    { expression: sql`coalesce(${sql.ref('members.joiningNumber')}, 2147483647)`, type: 'int' },
    column('id', 'uuid'),
  ],
  UPDATED: [column('updatedAt', 'timestamptz'), column('id', 'uuid')],
}

function pageOrder(order: MemberOrder | null | undefined): PageOrder {
  const by = order?.by ?? 'PINYIN'
  const direction = order?.direction === 'DESC' ? 'desc' : 'asc'
  return { name: `members ${by} ${direction}`, direction, keys: keys[by] }
}

const anyOf = <T extends string>(values: readonly T[]) => sql<T>`any(${values}::text[])`

function meeting(filter: MemberFilter) {
  return (eb: ExpressionBuilder<DB, 'members'>) => {
    const conditions = []
    if (filter.kinds) conditions.push(eb('members.kind', '=', anyOf(filter.kinds)))
    if (filter.associationKinds) conditions.push(eb('members.associationKind', '=', anyOf(filter.associationKinds)))
    if (filter.regions)
      conditions.push(eb.or(filter.regions.map(code => eb('members.regionCode', 'like', `${codePrefix(code)}%`))))
    if (filter.fields) conditions.push(sql<boolean>`${eb.ref('members.fields')} && ${filter.fields}::text[]`)
    if (filter.capabilities)
      conditions.push(sql<boolean>`${eb.ref('members.capabilities')} && ${filter.capabilities}::text[]`)
    if (filter.statuses) conditions.push(eb('members.status', '=', anyOf(filter.statuses)))
    if (filter.name) conditions.push(eb('members.search', 'like', containing(filter.name)))
    if (filter.updatedSince) conditions.push(eb('members.updatedAt', '>=', filter.updatedSince))
    if (filter.externalReference)
      conditions.push(
        eb(
          'members.id',
          'in',
          eb
            .selectFrom('memberReferences')
            .select('memberReferences.memberId')
            .where('memberReferences.system', '=', filter.externalReference.system)
            .where('memberReferences.value', '=', filter.externalReference.value),
        ),
      )
    return eb.and(conditions)
  }
}

function selectMeeting(db: Db, actor: Actor, filter: MemberFilter) {
  return db
    .selectFrom('members')
    .selectAll('members')
    .where(visibleMembers(actor))
    .where(meeting(filter))
    .$castTo<MemberRow>()
}

/**
 * A page of the members that the actor may see; by pinyin without an order.
 * @throws InvalidInput for page sizes out of 1 to 100 and cursors of another order
 */
export function pageMembers(
  db: Db,
  actor: Actor,
  filter: MemberFilter,
  order: MemberOrder | null | undefined,
  args: PageArgs,
): Promise<Page<MemberRow>> {
  return readPage(selectMeeting(db, actor, filter), pageOrder(order), args)
}

/** One list of members among many that are read together. */
export interface MemberList {
  readonly filter: MemberFilter
  readonly order: MemberOrder | null | undefined
  readonly args: PageArgs
}

/**
 * A page of each of many lists of members: one statement for all that have the same order and page, such as the
 * companies of every city of a page.
 * @returns the pages in the order of the lists
 * @throws InvalidInput as `pageMembers`
 */
export function pageMemberLists(
  db: Db,
  actor: Actor,
  lists: readonly MemberList[],
): Promise<(Page<MemberRow> | Error)[]> {
  return pageAlike(
    lists,
    ({ order, args }) => JSON.stringify([order, args]),
    group => {
      const { order, args } = group[0]!
      const queries = group.map(({ filter }) => selectMeeting(db, actor, filter))
      return readPages(db, queries, pageOrder(order), args)
    },
  )
}

/** The member as it stands now, if the actor may see it and it meets the filter; undefined otherwise. */
export function findMeeting(db: Db, actor: Actor, filter: MemberFilter, id: string): Promise<MemberRow | undefined> {
  return selectMeeting(db, actor, filter).where('members.id', '=', id).executeTakeFirst()
}
