import { type SqlBool, sql } from 'kysely'
import { isStaff } from '../access/actor.ts'
import type { MembershipStatus } from '../access/permissions.ts'
import { actorName } from '../access/store.ts'
import { endsOffice } from '../membership/policy.ts'
import { manyBy, oneBy, source } from '../reads/source.ts'
import { memberStatus, type OfficeTermChangeRow, type OfficeTermRow } from './store.ts'

/** Terms of office. Those that were struck are for the secretariat: nobody ever held the office by them. */
export const officeTerms = source<OfficeTermRow>('officeTerms', {
  visible: (db, actor) => {
    const terms = db.selectFrom('officeTerms')
    return isStaff(actor)
      ? terms
      : terms.where(sql<SqlBool>`coalesce(office_terms.until_day > office_terms.from_day, true)`)
  },
  columns: { memberStatus },
  news: {
    subject: 'memberId',
    types: ['office.changed', 'member.membership'],
    moves: ({ type, detail }) => {
      if (type === 'office.changed') return true
      const { from, to } = detail as { from: MembershipStatus; to: MembershipStatus }
      return endsOffice(from) || endsOffice(to)
    },
  },
})

export const officeTermById = oneBy(officeTerms, 'id')

const changes = source<OfficeTermChangeRow>('officeTermChanges', {
  // These are about the member, which a change does not name.
  news: { subject: null, types: ['office.changed', 'member.membership'] },
  columns: { by: actorName(sql.ref<string>('officeTermChanges.actor')) },
})

/** The latest 100 changes of a term, the latest first. Who may read them is the policy of the member that holds it. */
export const officeTermChangesOf = manyBy(changes, 'termId', { order: ['version'], direction: 'desc', most: 100 })
