import {
  type ExpressionBuilder,
  type InsertObject,
  type RawBuilder,
  type Selectable,
  sql,
  type UpdateObject,
} from 'kysely'
import { type Actor, isStaff } from '../access/actor.ts'
import type { MembershipStatus } from '../access/permissions.ts'
import type { Db, Tx } from '../database/client.ts'
import type { DB, InitiativeSignatures, InitiativeVersions } from '../database/tables.ts'
import type { Translations } from '../languages.ts'

/** A version of the initiative 「倡议书」 as it is listed: without the texts, which may be long. */
export type InitiativeVersionRow = Omit<Selectable<InitiativeVersions>, 'bodies' | 'hashes'> & { hashes: Translations }

/** A version with its texts, as a change needs it. */
export type WholeVersion = InitiativeVersionRow & { bodies: Translations }

/** What a version says, by language. */
export interface Texts {
  readonly titles: Translations
  readonly bodies: Translations
}

/** A signature 「签署」 as it was given. */
export type SignatureContents = Omit<Selectable<InitiativeSignatures>, 'memberNames'> & { memberNames: Translations }

/** How a signature stands. */
export type SignatureState = 'VALID' | 'RENEWAL_DUE' | 'RENEWED' | 'WITHDRAWN'

/** A signature with its state; the names of accounts stand for who countersigned and withdrew it. */
export type SignatureRow = SignatureContents & { state: SignatureState }

/** Which versions the actor may see: drafts are for the secretariat. */
export function visibleVersions(actor: Actor) {
  return (eb: ExpressionBuilder<DB, 'initiativeVersions'>) =>
    isStaff(actor) ? eb.lit(true) : eb('initiativeVersions.status', '<>', 'DRAFT')
}

/**
 * Which signatures the actor may see: the secretariat all; officers those of their own member; everybody those that were
 * not withdrawn, of members that have not left.
 */
export function visibleSignatures(actor: Actor) {
  return (eb: ExpressionBuilder<DB, 'initiativeSignatures'>) => {
    if (isStaff(actor)) return eb.lit(true)
    const open = eb.and([
      eb('initiativeSignatures.isLeft', '=', false),
      eb('initiativeSignatures.withdrawnAt', 'is', null),
    ])
    return actor.kind === 'OFFICER' ? eb.or([open, eb('initiativeSignatures.memberId', '=', actor.memberId)]) : open
  }
}

/** What was signed before this moment is due for renewal; null when no version ever asked for that. */
export const renewalMoment = sql<Date | null>`(
  select max(initiative_versions.opened_at) from initiative_versions where initiative_versions.requires_renewal)`

/** The state of a signature. @param table by which name a query knows the signatures */
export function stateOf(table: string): RawBuilder<SignatureState> {
  const column = (name: string) => sql.ref(`${table}.${name}`)
  return sql<SignatureState>`case
    when ${column('withdrawnAt')} is not null then 'WITHDRAWN'
    when ${column('renewedAt')} is not null then 'RENEWED'
    when ${column('signedAt')} < ${renewalMoment} then 'RENEWAL_DUE'
    else 'VALID' end`
}

/** The texts of versions that the actor was found to see, in their order. */
export async function findTexts(
  { db }: { readonly db: Db },
  versions: readonly Pick<InitiativeVersionRow, 'id'>[],
): Promise<Texts[]> {
  const rows = await db
    .selectFrom('initiativeVersions')
    .select(['id', 'titles', 'bodies'])
    .where('id', '=', sql<string>`any(${versions.map(({ id }) => id)}::uuid[])`)
    .execute()
  const found = new Map(rows.map(({ id, titles, bodies }) => [id, { titles, bodies }]))
  return versions.map(({ id }) => found.get(id)!)
}

export function insertVersion(tx: Tx, values: InsertObject<DB, 'initiativeVersions'>): Promise<WholeVersion> {
  return tx
    .insertInto('initiativeVersions')
    .values(values)
    .returningAll()
    .$castTo<WholeVersion>()
    .executeTakeFirstOrThrow()
}

/** Changes a version of the initiative, which gets its next version. */
export function updateVersion(
  tx: Tx,
  id: string,
  now: Date,
  columns: UpdateObject<DB, 'initiativeVersions'>,
): Promise<WholeVersion> {
  return tx
    .updateTable('initiativeVersions')
    .set({ ...columns, version: sql`version + 1`, updatedAt: now })
    .where('id', '=', id)
    .returningAll()
    .$castTo<WholeVersion>()
    .executeTakeFirstOrThrow()
}

export async function deleteVersion(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('initiativeVersions').where('id', '=', id).execute()
}

/** A version that the actor may see, held against all changes; undefined when there is none. */
export function lockVersion(tx: Tx, actor: Actor, id: string): Promise<WholeVersion | undefined> {
  return tx
    .selectFrom('initiativeVersions')
    .selectAll()
    .where('id', '=', id)
    .where(visibleVersions(actor))
    .forNoKeyUpdate()
    .$castTo<WholeVersion>()
    .executeTakeFirst()
}

/** A version that the actor may see, held against its end, while others sign it, too; undefined when there is none. */
export function holdVersion(tx: Tx, actor: Actor, id: string): Promise<WholeVersion | undefined> {
  return tx
    .selectFrom('initiativeVersions')
    .selectAll()
    .where('id', '=', id)
    .where(visibleVersions(actor))
    .forShare()
    .$castTo<WholeVersion>()
    .executeTakeFirst()
}

/** Keeps others from opening a version until the transaction ends: at most one is open, and numbers have no hole. */
export async function lockOpening(tx: Tx): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('initiative opening'))`.execute(tx)
}

/** The version that is open, held against signatures; undefined when none is. */
export function lockOpen(tx: Tx): Promise<WholeVersion | undefined> {
  return tx
    .selectFrom('initiativeVersions')
    .selectAll()
    .where('status', '=', 'OPEN')
    .forNoKeyUpdate()
    .$castTo<WholeVersion>()
    .executeTakeFirst()
}

/** The highest number that a version has, and the latest moment at which one was signed or opened; null for none. */
export async function findLatest(tx: Tx): Promise<{ number: number; moment: Date | null }> {
  const { rows } = await sql<{ number: number; moment: Date | null }>`
    select (select coalesce(max(number), 0) from initiative_versions) as number,
      greatest((select max(opened_at) from initiative_versions), (select max(signed_at) from initiative_signatures))
        as moment`.execute(tx)
  return rows[0]!
}

/** The signature of a member under a version that was not withdrawn; undefined when there is none. */
export async function findSigned(tx: Tx, memberId: string, versionId: string): Promise<string | undefined> {
  const row = await tx
    .selectFrom('initiativeSignatures')
    .select('id')
    .where('memberId', '=', memberId)
    .where('versionId', '=', versionId)
    .where('withdrawnAt', 'is', null)
    .executeTakeFirst()
  return row?.id
}

/** Marks the signature of a member that stands, if there is one, as renewed by a later one. */
export async function renewSignature(tx: Tx, memberId: string, at: Date): Promise<void> {
  await tx
    .updateTable('initiativeSignatures')
    .set({ renewedAt: at })
    .where('memberId', '=', memberId)
    .where('withdrawnAt', 'is', null)
    .where('renewedAt', 'is', null)
    .execute()
}

/** Keeps a signature. @throws a unique violation when the member has a signature that stands */
export async function insertSignature(tx: Tx, values: InsertObject<DB, 'initiativeSignatures'>): Promise<void> {
  await tx.insertInto('initiativeSignatures').values(values).execute()
}

export async function updateSignature(
  tx: Tx,
  id: string,
  columns: UpdateObject<DB, 'initiativeSignatures'>,
): Promise<void> {
  await tx.updateTable('initiativeSignatures').set(columns).where('id', '=', id).execute()
}

/** A signature that the actor may see, held against other changes; undefined when there is none. */
export function lockSignature(tx: Tx, actor: Actor, id: string): Promise<SignatureContents | undefined> {
  return tx
    .selectFrom('initiativeSignatures')
    .selectAll()
    .where('id', '=', id)
    .where(visibleSignatures(actor))
    .forNoKeyUpdate()
    .$castTo<SignatureContents>()
    .executeTakeFirst()
}

/** A signature with what its certificate shows besides. */
export type CertifiedRow = SignatureRow & Texts & { membershipStatus: MembershipStatus }

/** The signature with this code, whoever asks; undefined when there is none. */
export function findCertified(db: Db, code: string): Promise<CertifiedRow | undefined> {
  return db
    .selectFrom('initiativeSignatures')
    .innerJoin('initiativeVersions', 'initiativeVersions.id', 'initiativeSignatures.versionId')
    .innerJoin('members', 'members.id', 'initiativeSignatures.memberId')
    .selectAll('initiativeSignatures')
    .select(['initiativeVersions.titles', 'initiativeVersions.bodies', 'members.status as membershipStatus'])
    .select(stateOf('initiativeSignatures').as('state'))
    .where('initiativeSignatures.code', '=', code)
    .$castTo<CertifiedRow>()
    .executeTakeFirst()
}
