import { type ExpressionBuilder, expressionBuilder, sql } from 'kysely'
import type { Request } from '../access/request.ts'
import type { DB } from '../database/tables.ts'
import { findWanted, type Wanted } from '../reads/judging.ts'
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

const anyOf = <T extends string>(values: readonly T[]) => sql<T>`any(${values}::text[])`

/** Whether a member is in one of these places. The zeros at the end of a code stand for all that is within. */
const isWithin = (codes: readonly string[]) => sql<boolean>`exists (
  select from unnest(${codes}::text[]) as code
  where starts_with(members.region_code, regexp_replace(code, '(00){1,2}$', '')))`

/** The conditions of a filter on a member. Only which fields there are decides how they are written, not their values. */
export function meeting(filter: MemberFilter) {
  return (eb: ExpressionBuilder<DB, 'members'>) => {
    const conditions = []
    if (filter.kinds) conditions.push(eb('members.kind', '=', anyOf(filter.kinds)))
    if (filter.associationKinds) conditions.push(eb('members.associationKind', '=', anyOf(filter.associationKinds)))
    if (filter.regions) conditions.push(isWithin(filter.regions))
    if (filter.fields) conditions.push(sql<boolean>`${eb.ref('members.fields')} && ${filter.fields}::text[]`)
    if (filter.capabilities)
      conditions.push(sql<boolean>`${eb.ref('members.capabilities')} && ${filter.capabilities}::text[]`)
    if (filter.statuses) conditions.push(eb('members.status', '=', anyOf(filter.statuses)))
    if (filter.name) conditions.push(sql<boolean>`strpos(members.search, ${filter.name}) > 0`)
    if (filter.updatedSince) conditions.push(sql<boolean>`members.updated_at >= ${filter.updatedSince}::timestamptz`)
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

const filterTypes = {
  kinds: 'text[]',
  associationKinds: 'text[]',
  regions: 'text[]',
  fields: 'text[]',
  capabilities: 'text[]',
  statuses: 'text[]',
  name: 'text',
  updatedSince: 'timestamptz',
  externalReference: 'jsonb',
} as const satisfies Record<keyof MemberFilter, string>

/** The conditions of a filter whose values stand for others: those of a reference are within it. */
function meetingAny({ externalReference: given, ...filter }: MemberFilter) {
  const part = (name: string) => sql<string>`${given} ->> ${sql.lit(name)}` as unknown as string
  return meeting({ ...filter, externalReference: given && { system: part('system'), value: part('value') } })
}

/**
 * For each who wants a member, how it stands now, if the actor may see it and it meets the filter: read once for all, and
 * the very same row.
 */
export function findMeeting(
  { db, actor }: Pick<Request, 'db' | 'actor'>,
  wanted: readonly Wanted<MemberFilter>[],
): Promise<(MemberRow | null)[]> {
  const visible = db.selectFrom('members').selectAll('members').where(visibleMembers(actor)).$castTo<MemberRow>()
  const eb = expressionBuilder<DB, 'members'>()
  return findWanted<MemberRow, MemberFilter>(
    wanted,
    filterTypes,
    filter => meetingAny(filter)(eb),
    sql`members.id`,
    (met, isWanted) => visible.select(met.as('met')).where(isWanted).execute(),
  )
}
