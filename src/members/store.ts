import { type ExpressionBuilder, type InsertObject, type Selectable, sql, type UpdateObject } from 'kysely'
import { type Actor, isStaff } from '../access/actor.ts'
import type { Db, Tx } from '../database/client.ts'
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
/** A field before and after an edit; null where there was or is nothing. */
export interface FieldChange {
  field: string
  before: unknown
  after: unknown
}
/** One edit of a profile, with the name of the one who made it. */
export type ProfileRevisionRow = Omit<Selectable<MemberRevisions>, 'changes'> & { changes: FieldChange[]; by: string }

/**
 * Whom the actor may see: the directory shows what is listed or belongs to the alliance now.
 * Those that left are for the secretariat.
 */
export function visibleMembers(actor: Actor) {
  return (eb: ExpressionBuilder<DB, 'members'>) =>
    isStaff(actor) ? eb.lit(true) : eb('members.status', 'not in', ['WITHDRAWN', 'EXPELLED'])
}

/**
 * One member that the actor may see, held against other changes until the transaction ends.
 * Rows that refer to the member can be written meanwhile.
 */
export function lockMember(tx: Tx, actor: Actor, id: string): Promise<MemberRow | undefined> {
  return tx
    .selectFrom('members')
    .selectAll()
    .where('id', '=', id)
    .where(visibleMembers(actor))
    .forNoKeyUpdate()
    .$castTo<MemberRow>()
    .executeTakeFirst()
}

/**
 * The members with these UUIDs that the actor may see, in no order, held as by `lockMember`.
 * Taken in the order of their UUIDs, so that two who hold many do not wait for each other.
 */
export function lockMembers(tx: Tx, actor: Actor, ids: readonly string[]): Promise<MemberRow[]> {
  return tx
    .selectFrom('members')
    .selectAll()
    .where('id', '=', sql<string>`any(${ids}::uuid[])`)
    .where(visibleMembers(actor))
    .orderBy('id')
    .forNoKeyUpdate()
    .$castTo<MemberRow>()
    .execute()
}

/** Enters members. @throws a unique violation of members_credit_code_key */
export function insertMembers(tx: Tx, members: readonly InsertObject<DB, 'members'>[]): Promise<MemberRow[]> {
  return tx
    .insertInto('members')
    .values([...members])
    .returningAll()
    .$castTo<MemberRow>()
    .execute()
}

/** Changes a member, which gets its next version. @throws a unique violation of members_credit_code_key */
export function updateMember(tx: Tx, id: string, now: Date, columns: UpdateObject<DB, 'members'>): Promise<MemberRow> {
  return (
    tx
      .updateTable('members')
      // Never backward, so that `updatedSince` finds a change whose request began before an earlier one.
      .set({ ...columns, version: sql`version + 1`, updatedAt: sql`greatest(updated_at, ${now}::timestamptz)` })
      .where('id', '=', id)
      .returningAll()
      .$castTo<MemberRow>()
      .executeTakeFirstOrThrow()
  )
}

/** The members with these credit codes, whoever may see them. */
export function findCreditCodeOwners(db: Db, codes: readonly string[]): Promise<{ id: string; creditCode: string }[]> {
  return db
    .selectFrom('members')
    .select(['id', 'creditCode'])
    .where('creditCode', '=', sql<string>`any(${codes}::text[])`)
    .$narrowType<{ creditCode: string }>()
    .execute()
}

/** The contacts of these members, in the order that each gave. */
export function findContacts(db: Db, memberIds: readonly string[]): Promise<ContactRow[]> {
  return db
    .selectFrom('memberContacts')
    .selectAll()
    .where('memberId', '=', sql<string>`any(${memberIds}::uuid[])`)
    .orderBy('memberId')
    .orderBy('position')
    .execute()
}

/** Puts these contacts in the place of all that the member had. */
export async function replaceContacts(
  tx: Tx,
  memberId: string,
  contacts: readonly Omit<ContactRow, 'memberId' | 'position'>[],
): Promise<void> {
  await tx.deleteFrom('memberContacts').where('memberId', '=', memberId).execute()
  if (contacts.length > 0)
    await tx
      .insertInto('memberContacts')
      .values(contacts.map((contact, position) => ({ ...contact, memberId, position })))
      .execute()
}

/** The keys of these members in other systems. */
export function findReferences(db: Db, memberIds: readonly string[]): Promise<ReferenceRow[]> {
  return db
    .selectFrom('memberReferences')
    .selectAll()
    .where('memberId', '=', sql<string>`any(${memberIds}::uuid[])`)
    .orderBy('system')
    .orderBy('value')
    .execute()
}

/** Those of these keys that belong to some member, whoever may see it. */
export function findTakenReferences(
  db: Db,
  references: readonly Pick<ReferenceRow, 'system' | 'value'>[],
): Promise<ReferenceRow[]> {
  return db
    .selectFrom('memberReferences')
    .selectAll()
    .where(
      sql<boolean>`(system, value) in (select * from unnest(
        ${references.map(({ system }) => system)}::text[], ${references.map(({ value }) => value)}::text[]))`,
    )
    .execute()
}

/** Takes all keys from a member. */
export async function deleteReferences(tx: Tx, memberId: string): Promise<void> {
  await tx.deleteFrom('memberReferences').where('memberId', '=', memberId).execute()
}

/**
 * Gives a member keys in other systems.
 * @returns those that were free; the others belong to some member already, also to one entered at this very moment
 */
export async function insertReferences(tx: Tx, references: readonly ReferenceRow[]): Promise<ReferenceRow[]> {
  if (references.length === 0) return []
  return tx
    .insertInto('memberReferences')
    .values([...references])
    .onConflict(conflict => conflict.doNothing())
    .returningAll()
    .execute()
}

/** A link of a chain upward from a member: its parent, the parent's parent and so on; or the same by `lead`. */
interface ChainLink {
  link: 'parent' | 'lead'
  id: string
}

/**
 * The chains upward from a parent and a lead that a member wants, each beginning with that body itself.
 * A body that does not exist, or that the actor may not see, begins no chain.
 */
export async function findChains(
  db: Db,
  actor: Actor,
  starts: { readonly parentId: string | null; readonly leadId: string | null },
): Promise<ChainLink[]> {
  const visible = isStaff(actor) ? sql`true` : sql`members.status not in ('WITHDRAWN', 'EXPELLED')`
  const { rows } = await sql<ChainLink>`
    with recursive chain (link, id) as (
      select asked.link, members.id
      from (values ('parent', ${starts.parentId}::uuid), ('lead', ${starts.leadId}::uuid)) asked (link, id)
      join members on members.id = asked.id and ${visible}
      union
      select chain.link, above.id
      from chain
      join members on members.id = chain.id
      join members above on above.id = case chain.link when 'parent' then members.parent_id else members.lead_id end
    )
    select link, id from chain`.execute(db)
  return rows
}

/**
 * Keeps others from changing who is part of whom until the transaction ends: two of them could close a circle.
 * @throws Error outside a transaction, where it would keep nobody from anything
 */
export async function lockChains(db: Db): Promise<void> {
  if (!db.isTransaction) throw new Error('Chains are locked within a transaction alone.')
  await sql`select pg_advisory_xact_lock(hashtext('members chains'))`.execute(db)
}

/** The kinds of members, whoever may see them, by UUID. */
export async function findKinds(db: Db, ids: readonly string[]): Promise<Map<string, MemberRow['kind']>> {
  const rows = await db
    .selectFrom('members')
    .select(['id', 'kind'])
    .where('id', '=', sql<string>`any(${ids}::uuid[])`)
    .execute()
  return new Map(rows.map(({ id, kind }) => [id, kind]))
}
