import { type ExpressionBuilder, type Selectable, sql } from 'kysely'
import { type Actor, isStaff } from '../access/actor.ts'
import type { Db } from '../database/client.ts'
import type { DB, MemberContacts, MemberReferences, MemberRevisions, Members } from '../database/tables.ts'

/** A member with its profile and membership. */
export type MemberRow = Omit<Selectable<Members>, 'sources'> & { sources: FactSource[] }
/** Where a public fact comes from; `fact` is a field of the profile, `*` for all. */
export interface FactSource {
  fact: string
  source: string
  verified: boolean
  note: string | null
}
export type ContactRow = Selectable<MemberContacts>
export type ReferenceRow = Selectable<MemberReferences>
/** One edit of a profile, with the name of the one who made it. */
export type ProfileRevisionRow = Omit<Selectable<MemberRevisions>, 'changes'> & {
  changes: { field: string; before: unknown; after: unknown }[]
  by: string
}

/**
 * Whom the actor may see: the directory shows what is listed or belongs to the alliance now.
 * Those that left are for the secretariat.
 */
export function visibleMembers(actor: Actor) {
  return (eb: ExpressionBuilder<DB, 'members'>) =>
    isStaff(actor) ? eb.lit(true) : eb('members.status', 'not in', ['WITHDRAWN', 'EXPELLED'])
}

/** The members with these UUIDs that the actor may see, in no order. */
export function findMembers(db: Db, actor: Actor, ids: readonly string[]): Promise<MemberRow[]> {
  return db
    .selectFrom('members')
    .selectAll()
    .where('id', '=', sql<string>`any(${ids}::uuid[])`)
    .where(visibleMembers(actor))
    .$castTo<MemberRow>()
    .execute()
}
