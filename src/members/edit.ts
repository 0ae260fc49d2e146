import { isDeepStrictEqual } from 'node:util'
import type { UpdateObject } from 'kysely'
import type { Actor } from '../access/actor.ts'
import type { Report, Request } from '../access/request.ts'
import type { Tx } from '../database/client.ts'
import type { DB } from '../database/tables.ts'
import { compareProfiles } from './changes.ts'
import { insertRevisions } from './history.ts'
import type { Reference } from './lookups.ts'
import { columnsOf, nameKeys, type Profile } from './profile.ts'
import { claimReferences } from './references.ts'
import { type FactSource, type FieldChange, type MemberRow, updateMember } from './store.ts'

/** A change of a member that was checked and is yet to be written. */
export interface Edit {
  readonly before: MemberRow
  readonly columns: UpdateObject<DB, 'members'>
  readonly changes: readonly FieldChange[]
  /** Keys in other systems that it gets. */
  readonly references: readonly Reference[]
  readonly reason: string | null
}

/** Where the facts come from once these fields were edited: a source that said something else no longer speaks for them. */
function nextSources(actor: Actor, sources: readonly FactSource[], fields: readonly string[]): FactSource[] {
  const ofAll = sources.some(({ fact }) => fact === '*')
  const edited = fields.filter(field => ofAll || sources.some(({ fact }) => fact === field))
  const source = actor.kind === 'OFFICER' ? 'the member itself' : 'the secretariat'
  return [
    ...sources.filter(({ fact }) => !edited.includes(fact)),
    ...edited.map(fact => ({ fact, source, verified: false, note: null })),
  ]
}

/**
 * What an edit of a profile comes to. Fields with a source get the editor as their source, unless sources are edited
 * too; a review of a credit code is no statement of its own.
 */
export async function draftEdit(
  tx: Tx,
  actor: Actor,
  before: MemberRow,
  after: Profile,
  reason: string | null,
  sourcesSent = false,
): Promise<Edit> {
  const edited = await compareProfiles(tx, before, after)
  const fields = edited.map(({ field }) => field).filter(field => field !== 'creditCodeReviewed' && field !== 'sources')
  const sources = sourcesSent ? after.sources : nextSources(actor, before.sources, fields)
  const changes = isDeepStrictEqual(sources, before.sources)
    ? edited
    : [
        ...edited.filter(({ field }) => field !== 'sources'),
        { field: 'sources', before: before.sources, after: sources },
      ]
  const keys = fields.includes('names') ? nameKeys(after.names) : {}
  return { before, columns: { ...columnsOf({ ...after, sources }), ...keys }, changes, references: [], reason }
}

/**
 * Writes checked edits, each with a revision and an event; nothing for one that changes nothing.
 * @returns the members in the order of the edits
 * @throws InputRefused when another took a reference since it was checked; a unique violation of members_credit_code_key
 */
export async function saveEdits(
  tx: Tx,
  report: Report,
  { now, actor }: Request,
  edits: readonly Edit[],
): Promise<MemberRow[]> {
  const saved: MemberRow[] = []
  for (const { before, columns, changes } of edits)
    saved.push(changes.length === 0 ? before : await updateMember(tx, before.id, now, columns))
  const claims = edits.map(({ before, references }) => ({ memberId: before.id, references }))
  await claimReferences(tx, claims, ['input', 'externalReferences'])
  const made = edits.map((edit, i) => ({ ...edit, member: saved[i]! })).filter(({ changes }) => changes.length > 0)
  await insertRevisions(
    tx,
    made.map(({ member: { id, version }, changes, reason }) => ({
      memberId: id,
      version,
      at: now,
      actor,
      reason,
      changes,
    })),
  )
  for (const { member, changes } of made) {
    const detail = { version: member.version, fields: changes.map(({ field }) => field) }
    await report({ type: 'member.profile', subject: member.id, detail, audience: 'PUBLIC' })
  }
  return saved
}
