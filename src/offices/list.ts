import { type SqlBool, sql } from 'kysely'
import type { PageOrder } from '../database/page.ts'
import type { MemberKey } from '../members/member-id.ts'
import { visibleMembers } from '../members/store.ts'
import type { Asked } from '../reads/listing.ts'
import { listing } from '../reads/source.ts'
import { officeTerms } from './reads.ts'
import type { Office } from './store.ts'

/** Which terms to list; what is null or left out is no condition. Days are `YYYY-MM-DD` in Asia/Shanghai. */
export interface OfficeTermFilter {
  readonly offices?: readonly Office[] | null
  readonly member?: MemberKey | null
  readonly on?: string | null
  readonly from?: string | null
  readonly until?: string | null
}

/** In which order to list terms. */
export interface OfficeTermOrder {
  readonly by: 'FROM' | 'UNTIL'
  readonly direction?: 'ASC' | 'DESC' | null
}

/** A filter as statements take it: of offices how many there are decides how they are written. */
interface TermsAsked extends Omit<OfficeTermFilter, 'offices'> {
  readonly offices?: readonly { readonly office: Office }[]
  readonly isEmpty?: boolean
}

const days = sql.raw('daterange(office_terms.from_day, office_terms.until_day)')

/** All terms, one stretch of an index for each office that is asked for. */
export const officeTermList = listing(
  officeTerms,
  (db, actor, { offices, isEmpty, member, on, from, until }: TermsAsked) => {
    let terms = officeTerms.visible(db, actor)
    if (isEmpty) return terms.where(sql<SqlBool>`false`)
    if (member) {
      const seen = db
        .selectFrom('members')
        .select('members.id')
        .where('members.id', '=', member.id)
        .where('members.kind', '=', member.kind!)
        .where(visibleMembers(actor))
      terms = terms.where(sql<SqlBool>`office_terms.member_id = (${seen})`)
    }
    if (on) terms = terms.where(sql<SqlBool>`${days} @> ${on}::date`)
    if (from) terms = terms.where(sql<SqlBool>`${days} && daterange(${from}::date, null)`)
    if (until) terms = terms.where(sql<SqlBool>`office_terms.from_day < ${until}::date`)
    return offices ? offices.map(({ office }) => terms.where(sql<SqlBool>`office_terms.office = ${office}`)) : terms
  },
)

const keys = {
  FROM: sql.raw('office_terms.from_day'),
  UNTIL: sql.raw(`coalesce(office_terms.until_day, '9999-12-31')`),
} as const satisfies Record<OfficeTermOrder['by'], unknown>

function orderOf({ by, direction }: OfficeTermOrder): PageOrder {
  const way = direction === 'DESC' ? 'desc' : 'asc'
  return {
    name: `terms ${by} ${way}`,
    direction: way,
    keys: [
      { expression: keys[by], type: 'date' },
      { expression: sql.ref('officeTerms.id'), type: 'uuid' },
    ],
  }
}

/** What is asked of the list; those that began last come first without an order. */
export function askOfficeTerms(
  { offices, ...filter }: OfficeTermFilter,
  order: OfficeTermOrder | null | undefined,
): Asked<TermsAsked> {
  return {
    input: {
      ...filter,
      ...(offices && { offices: [...new Set(offices)].map(office => ({ office })), isEmpty: offices.length === 0 }),
    },
    order: orderOf(order ?? { by: 'FROM', direction: 'DESC' }),
  }
}

/** The terms of a member. */
export const officeTermsOf = listing(
  officeTerms,
  (db, actor, _input: object, [member]) =>
    officeTerms.visible(db, actor).where(sql<SqlBool>`office_terms.member_id = ${member}`),
  { of: ['uuid'], isOfSubject: true },
)

/** What is asked of a member's terms: those that began last first. */
export const askOfficeTermsOf: Asked = { input: {}, order: orderOf({ by: 'FROM', direction: 'DESC' }) }

/** The terms of an office that run on a day. */
export const officeHolders = listing(
  officeTerms,
  (db, actor, { office }: { readonly office: Office }, [day]) =>
    officeTerms
      .visible(db, actor)
      .where(sql<SqlBool>`${days} @> ${day}::date`)
      .where(sql<SqlBool>`office_terms.office = ${office}`),
  { of: ['text'] },
)

/** What is asked of the holders of an office: who began first comes first. */
export function askOfficeHolders(office: Office): Asked<{ readonly office: Office }> {
  return { input: { office }, order: orderOf({ by: 'FROM' }) }
}
