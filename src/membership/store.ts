import type { Selectable } from 'kysely'
import type { MembershipTransitions } from '../database/tables.ts'

/** One change of status, with the name of the one who decided. */
export type TransitionRow = Selectable<MembershipTransitions> & { by: string }
