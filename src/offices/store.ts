import { type Insertable, type Selectable, type SqlBool, sql } from 'kysely'
import type { MembershipStatus } from '../access/permissions.ts'
import type { Db, Tx } from '../database/client.ts'
import type { OfficeTermChanges, OfficeTerms } from '../database/tables.ts'

/** An office of the alliance. */
export type Office = Selectable<OfficeTerms>['office']

/** A term of office 「任期」, with the status of the member that holds it. */
export type OfficeTermRow = Selectable<OfficeTerms> & { memberStatus: MembershipStatus }

/** One change of a term, with the name of the one who made it. */
export type OfficeTermChangeRow = Selectable<OfficeTermChanges> & { by: string }

/** A day in Asia/Shanghai, `YYYY-MM-DD`, on which the alliance is looked at. */
export interface AllianceDay {
  readonly at: string
}

/** The status of the member that holds a term. */
export const memberStatus = sql<MembershipStatus>`(
  select members.status from members where members.id = office_terms.member_id)`

/** A term, also one that was struck; undefined when there is none. */
export function findOfficeTerm(db: Db, id: string): Promise<OfficeTermRow | undefined> {
  return db
    .selectFrom('officeTerms')
    .selectAll()
    .select(memberStatus.as('memberStatus'))
    .where('id', '=', id)
    .executeTakeFirst()
}

/** The days on which a member holds an office, or held it or will, the first of them first; those of one term left out. */
export function findHeld(
  db: Db,
  memberId: string,
  office: Office,
  exceptId: string | null,
): Promise<Pick<OfficeTermRow, 'fromDay' | 'untilDay'>[]> {
  return db
    .selectFrom('officeTerms')
    .select(['fromDay', 'untilDay'])
    .where('memberId', '=', memberId)
    .where('office', '=', office)
    .where(sql<SqlBool>`id is distinct from ${exceptId}::uuid`)
    .orderBy('fromDay')
    .execute()
}

/** When a member left the alliance, and when it came back, in this order. */
export function findPassages(
  db: Db,
  memberId: string,
): Promise<{ at: Date; toStatus: 'ADMITTED' | 'WITHDRAWN' | 'EXPELLED' }[]> {
  return db
    .selectFrom('membershipTransitions')
    .select(['at', 'toStatus'])
    .where('memberId', '=', memberId)
    .where('toStatus', 'in', ['ADMITTED', 'WITHDRAWN', 'EXPELLED'])
    .$narrowType<{ toStatus: 'ADMITTED' | 'WITHDRAWN' | 'EXPELLED' }>()
    .orderBy('id')
    .execute()
}

export async function insertOfficeTerm(tx: Tx, term: Insertable<OfficeTerms>): Promise<void> {
  await tx.insertInto('officeTerms').values(term).execute()
}

/** Changes a term, which gets its next version. */
export async function updateOfficeTerm(
  tx: Tx,
  id: string,
  now: Date,
  columns: Pick<OfficeTermRow, 'office' | 'fromDay' | 'untilDay'>,
): Promise<void> {
  await tx
    .updateTable('officeTerms')
    .set({ ...columns, version: sql`version + 1`, updatedAt: now })
    .where('id', '=', id)
    .execute()
}

/** Keeps a change of a term. */
export async function insertOfficeTermChange(tx: Tx, change: Insertable<OfficeTermChanges>): Promise<void> {
  await tx.insertInto('officeTermChanges').values(change).execute()
}
