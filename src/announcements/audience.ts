import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Db, Tx } from '../database/client.ts'
import { mergeParts, type PageOrder } from '../database/page.ts'
import { members } from '../members/reads.ts'
import { memberKinds, outermost, placeFacet } from '../members/route.ts'
import type { MemberRow } from '../members/store.ts'
import type { Asked } from '../reads/listing.ts'
import { listing } from '../reads/source.ts'
import { codePrefix, findRegionsByCode } from '../regions/store.ts'

/** A set of members, as it is stored. All that is given holds at once; an empty list is no condition. */
export type RecipientRule = {
  public: boolean
  allMembers: boolean
  kinds: MemberRow['kind'][]
  /** Codes of GB/T 2260; a place stands for all places within it. */
  regions: string[]
  /** UUIDs. */
  members: string[]
}

/** To whom an announcement is addressed, as it is stored: whom one include names and no exclude does. */
export type Audience = { include: RecipientRule[]; exclude: RecipientRule[] }

/** Whether everybody may read what is addressed so. */
export function isPublicAudience(audience: Audience): boolean {
  return audience.include.some(rule => rule.public)
}

/** Which of these places (by code) and members (by UUID) there are. */
export async function findNamed(
  db: Db,
  named: { regions: readonly string[]; members: readonly string[] },
): Promise<{ regions: ReadonlySet<string>; members: ReadonlySet<string> }> {
  const regions = named.regions.length === 0 ? [] : await findRegionsByCode(db, named.regions)
  const members =
    named.members.length === 0
      ? []
      : await db
          .selectFrom('members')
          .select('id')
          .where('id', '=', sql<string>`any(${named.members}::uuid[])`)
          .execute()
  return { regions: new Set(regions.map(({ code }) => code)), members: new Set(members.map(({ id }) => id)) }
}

/** A rule as statements take it: an empty list is none. */
type RuleAsked = { readonly [List in 'kinds' | 'regions' | 'members']: readonly string[] | null }

/** An audience as statements take it. */
interface AudienceAsked {
  readonly include: readonly RuleAsked[] | null
  readonly exclude: readonly RuleAsked[] | null
}

const orNull = <Value>(list: readonly Value[]) => (list.length > 0 ? list : null)

function askedOf({ include, exclude }: Audience): AudienceAsked {
  const asked = ({ kinds, regions, members }: RecipientRule) => ({
    kinds: orNull(kinds),
    regions: orNull(regions.map(code => `${codePrefix(code)}%`)),
    members: orNull(members),
  })
  return { include: orNull(include.map(asked)), exclude: orNull(exclude.map(asked)) }
}

function names({ kinds, regions, members }: RuleAsked): RawBuilder<SqlBool> {
  const conditions = [sql<SqlBool>`true`]
  if (kinds) conditions.push(sql`members.kind = any(${kinds}::text[])`)
  if (members) conditions.push(sql`members.id = any(${members}::uuid[])`)
  // Without coalesce a member of no place would make an exclude unknown, and so be left out by it.
  if (regions) conditions.push(sql`coalesce(members.region_code, '') like any(${regions}::text[])`)
  return sql<SqlBool>`(${sql.join(conditions, sql` and `)})`
}

const anyNames = (rules: readonly RuleAsked[] | null) =>
  rules ? sql<SqlBool>`(${sql.join(rules.map(names), sql` or `)})` : sql<SqlBool>`false`

/** The members whom an audience reaches now: admitted ones only. A public one reaches all of them. */
function selectReached(db: Db, { include, exclude }: AudienceAsked) {
  return db
    .selectFrom('members')
    .where('members.status', '=', 'ADMITTED')
    .where(sql<SqlBool>`${anyNames(include)} and not ${anyNames(exclude)}`)
}

/** Members by pinyin 「按拼音」; where names sound alike, by strokes. */
const byPinyin: PageOrder = {
  name: 'pinyin',
  direction: 'asc',
  keys: [
    { expression: sql.ref('listed.pinyin_key'), type: 'text' },
    { expression: sql.ref('listed.stroke_key'), type: 'text' },
    { expression: sql.ref('listed.member_id'), type: 'uuid' },
  ],
}

/** The stretches of `member_facets` that hold whom an audience reaches: those of its places, where it names such. */
function stretchesOf({ include }: Audience): { facet: string; shelf: string }[] {
  const [rule] = include.length === 1 ? include : []
  const places = outermost(rule?.regions ?? []).map(placeFacet)
  const kinds = rule && rule.kinds.length > 0 ? [...new Set(rule.kinds)] : memberKinds
  return (places.length > 0 ? places : ['']).flatMap(place =>
    kinds.map(kind => ({ facet: `ADMITTED ${place}`, shelf: `JOINED ${kind}` })),
  )
}

/** How many members an audience reaches now. */
export async function countReached(db: Db, audience: Audience): Promise<number> {
  const { total } = await selectReached(db, askedOf(audience))
    .select(sql<number>`count(*)`.as('total'))
    .executeTakeFirstOrThrow()
  return total
}

/** What is asked of the members whom an audience reaches: by pinyin. */
interface ReachedAsked {
  readonly audience: AudienceAsked
  readonly stretches: readonly { readonly facet: string; readonly shelf: string }[]
}

/** The members whom an audience reaches now. */
export const reachedList = listing(members, (db, _actor, { audience, stretches }: ReachedAsked, _of, sorting) => {
  const listed = stretches.map(({ facet, shelf }) =>
    db
      .selectFrom('memberFacets as listed')
      .select(['listed.memberId', 'listed.pinyinKey', 'listed.strokeKey'])
      .where('listed.facet', '=', facet)
      .where('listed.shelf', '=', shelf),
  )
  // One by one, as the stretches have them.
  const one = selectReached(db, audience)
    .selectAll('members')
    .where('members.id', '=', sql<string>`listed.member_id`)
    .offset(sql.lit(0))
  return db
    .selectFrom(mergeParts<{ memberId: string }>(listed, sorting).as('listed'))
    .innerJoinLateral(one.as('members'), join => join.onTrue())
})

export const askReached = (audience: Audience): Asked<ReachedAsked> => ({
  input: { audience: askedOf(audience), stretches: stretchesOf(audience) },
  order: byPinyin,
})

/** Makes recipients of all whom the audience reaches now, and answers how many they are. */
export async function insertRecipients(
  tx: Tx,
  announcement: { id: string; isPublic: boolean; acknowledgeBy: Date | null; audience: Audience },
  publishedAt: Date,
): Promise<number> {
  const { id, isPublic, acknowledgeBy, audience } = announcement
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('announcementRecipients')
    .columns(['announcementId', 'memberId', 'publishedAt', 'isPublic', 'isAsked', 'place'])
    .expression(
      selectReached(tx, askedOf(audience)).select([
        sql<string>`${id}::uuid`.as('announcementId'),
        'members.id',
        sql<Date>`${publishedAt}::timestamptz`.as('publishedAt'),
        sql<boolean>`${isPublic}::boolean`.as('isPublic'),
        sql<boolean>`${acknowledgeBy !== null}::boolean`.as('isAsked'),
        sql<number>`row_number() over (order by members.pinyin_key, members.stroke_key, members.id)`.as('place'),
      ]),
    )
    .executeTakeFirstOrThrow()
  return Number(numInsertedOrUpdatedRows)
}
