import { isDeepStrictEqual } from 'node:util'
import { sql } from 'kysely'
import { type Actor, actorReference } from '../access/actor.ts'
import { changeAtOnce, type Report, type Request } from '../access/request.ts'
import type { Db, Tx } from '../database/client.ts'
import type { NewEvent } from '../journal/catalog.ts'
import { compareProfiles } from './changes.ts'
import { insertRevisions } from './history.ts'
import type { Reference } from './lookups.ts'
import { columnsOf, nameKeys, type Profile } from './profile.ts'
import { claimReferences } from './references.ts'
import { type FactSource, type FieldChange, type MemberRow, updateMember } from './store.ts'

/** A change of a member that was checked and is yet to be written. */
export interface Edit {
  readonly before: MemberRow
  readonly after: Profile
  /** The columns by which it is ordered and searched; null when the names stay. */
  readonly keys: ReturnType<typeof nameKeys> | null
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
  db: Db,
  actor: Actor,
  before: MemberRow,
  after: Profile,
  reason: string | null,
  sourcesSent = false,
): Promise<Edit> {
  const edited = await compareProfiles(db, before, after)
  const fields = edited.map(({ field }) => field).filter(field => field !== 'creditCodeReviewed' && field !== 'sources')
  const sources = sourcesSent ? after.sources : nextSources(actor, before.sources, fields)
  const changes = isDeepStrictEqual(sources, before.sources)
    ? edited
    : [
        ...edited.filter(({ field }) => field !== 'sources'),
        { field: 'sources', before: before.sources, after: sources },
      ]
  const keys = fields.includes('names') ? nameKeys(after.names) : null
  return { before, after: { ...after, sources }, keys, changes, references: [], reason }
}

function edited(id: string, version: number, changes: readonly FieldChange[]): NewEvent<'member.profile'> {
  const detail = { version, fields: changes.map(({ field }) => field) }
  return { type: 'member.profile', subject: id, detail, audience: 'PUBLIC' }
}

/**
 * Writes a checked edit with its revision and its event in one statement, if the member still has the version that the
 * edit was made from. An edit that gives references, or that depends on other members, is for `saveEdits`.
 * @returns the member; undefined when somebody else was quicker, and nothing was written
 * @throws a unique violation of members_credit_code_key
 */
export function saveEditAtOnce(request: Request, edit: Edit): Promise<MemberRow | undefined> {
  const { before, after, keys, changes, reason } = edit
  const { actor, now } = request
  // What stays is not sent again: long texts keep the place where PostgreSQL has them.
  const texts = (name: 'names' | 'summaries' | 'descriptions' | 'sources') =>
    changes.some(({ field }) => field === name) ? JSON.stringify(after[name]) : null
  return changeAtOnce(
    request,
    edited(before.id, before.version + 1, changes),
    reporting => sql<MemberRow>`
      with changed as (
        update members set
          version = version + 1, updated_at = greatest(updated_at, ${now}::timestamptz),
          names = coalesce(${texts('names')}::jsonb, names),
          summaries = coalesce(${texts('summaries')}::jsonb, summaries),
          descriptions = coalesce(${texts('descriptions')}::jsonb, descriptions),
          sources = coalesce(${texts('sources')}::jsonb, sources),
          fields = ${after.fields}::text[], capabilities = ${after.capabilities}::text[],
          logo_url = ${after.logoUrl}::text, website_url = ${after.websiteUrl}::text, founded = ${after.founded}::text,
          size = ${after.size}::integer, parent_id = ${after.parentId}::uuid, lead_id = ${after.leadId}::uuid,
          credit_code = ${after.creditCode}::text, credit_code_reviewed = ${after.creditCodeReviewed}::boolean,
          pinyin_key = coalesce(${keys?.pinyinKey ?? null}::text, pinyin_key),
          stroke_key = coalesce(${keys?.strokeKey ?? null}::text, stroke_key),
          latin_key = coalesce(${keys?.latinKey ?? null}::text, latin_key),
          search = coalesce(${keys?.search ?? null}::text, search)
        where id = ${before.id}::uuid and version = ${before.version}::integer
        returning *
      ), revision as (
        insert into member_revisions (member_id, version, at, actor, on_behalf_of, reason, changes)
        select id, version, ${now}::timestamptz, ${actorReference(actor)}::text,
          ${actor.kind === 'OFFICER' ? actor.memberId : null}::uuid, ${reason}::text, ${JSON.stringify(changes)}::jsonb
        from changed
      ), event as (${reporting})
      select * from changed`,
  )
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
  for (const { before, after, keys, changes } of edits) {
    const columns = { ...columnsOf(after), ...keys }
    saved.push(changes.length === 0 ? before : await updateMember(tx, before.id, now, columns))
  }
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
  for (const { member, changes } of made) await report(edited(member.id, member.version, changes))
  return saved
}
