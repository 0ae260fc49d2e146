import { sql } from 'kysely'
import { actorName } from '../access/store.ts'
import { manyBy, source } from '../reads/source.ts'
import type { TransitionRow } from './store.ts'

const transitions = source<TransitionRow>('membershipTransitions', {
  news: { subject: 'memberId', types: ['member.membership'] },
  columns: { by: actorName(sql.ref<string>('membershipTransitions.actor')) },
})

/** The latest 100 changes of status of a member, the latest first. Who may read them is the member's policy. */
export const transitionsOf = manyBy(transitions, 'memberId', { order: ['id'], direction: 'desc', most: 100 })
