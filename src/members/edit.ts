import { isDeepStrictEqual } from 'node:util'
import { LRUCache } from 'lru-cache'
import type { Actor } from '../access/actor.ts'
import { changeAtOnce, type Report, type Request } from '../access/request.ts'
import type { Db, Tx } from '../database/client.ts'
import { joinStatements, type Statement, statement } from '../database/statement.ts'
import type { NewEvent } from '../journal/catalog.ts'
import { appendingEvent, causing, type Reported } from '../journal/outbox.ts'
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

type JsonColumn = 'names' | 'summaries' | 'descriptions' | 'sources'
const jsonOf =
  (column: JsonColumn) =>
  ({ after }: Edit) =>
    JSON.stringify(after[column])

/** How the fields of an edit of one member are written. Parent and lead depend on other members: they are not among them. */
const settings: Readonly<Record<string, Statement<Edit>>> = {
  names: statement`names = ${jsonOf('names')}::jsonb, search = ${({ keys }) => keys!.search}::text,
    pinyin_key = ${({ keys }) => keys!.pinyinKey}::text, stroke_key = ${({ keys }) => keys!.strokeKey}::text,
    latin_key = ${({ keys }) => keys!.latinKey}::text`,
  summaries: statement`summaries = ${jsonOf('summaries')}::jsonb`,
  descriptions: statement`descriptions = ${jsonOf('descriptions')}::jsonb`,
  sources: statement`sources = ${jsonOf('sources')}::jsonb`,
  fields: statement`fields = ${({ after }) => after.fields}::text[]`,
  capabilities: statement`capabilities = ${({ after }) => after.capabilities}::text[]`,
  logoUrl: statement`logo_url = ${({ after }) => after.logoUrl}::text`,
  websiteUrl: statement`website_url = ${({ after }) => after.websiteUrl}::text`,
  founded: statement`founded = ${({ after }) => after.founded}::text`,
  size: statement`size = ${({ after }) => after.size}::integer`,
  creditCode: statement`credit_code = ${({ after }) => after.creditCode}::text`,
  creditCodeReviewed: statement`credit_code_reviewed = ${({ after }) => after.creditCodeReviewed}::boolean`,
}

const writings = new LRUCache<string, Statement<Edit & Reported>>({ max: 100 })

/** The statement that writes these fields, the revision and the event. Callers edit a few fields in a few combinations. */
function writingOf(fields: readonly string[]): Statement<Edit & Reported> {
  const key = fields.join(' ')
  const known = writings.get(key)
  if (known) return known
  const set = joinStatements(fields.map(field => settings[field]!))
  const writing = statement<Edit & Reported>`
    with changed as (
      update members set version = version + 1, updated_at = greatest(updated_at, ${causing.at}::timestamptz), ${set}
      where id = ${({ before }) => before.id}::uuid and version = ${({ before }) => before.version}::integer
      returning id, version
    ), revision as (
      insert into member_revisions (member_id, version, at, actor, on_behalf_of, reason, changes)
      select id, version, ${causing.at}::timestamptz, ${causing.actor}::text, ${causing.onBehalfOf}::uuid,
        ${({ reason }) => reason}::text, ${({ changes }) => JSON.stringify(changes)}::jsonb
      from changed
    ) ${appendingEvent}`
  writings.set(key, writing)
  return writing
}

/**
 * Writes a checked edit with its revision and its event in one statement, if the member still has the version that the
 * edit was made from. An edit that gives references, or that depends on other members, is for `saveEdits`.
 * @returns the member; undefined when somebody else was quicker, and nothing was written
 * @throws a unique violation of members_credit_code_key
 */
export async function saveEditAtOnce(request: Request, edit: Edit): Promise<MemberRow | undefined> {
  const { before, after, keys, changes } = edit
  const version = before.version + 1
  const event = edited(before.id, version, changes)
  const isMade = await changeAtOnce(request, event, writingOf(event.detail.fields), edit)
  if (!isMade) return undefined
  // Every change of a member makes a version: what was not written is as it was.
  const updatedAt = new Date(Math.max(before.updatedAt.getTime(), request.now.getTime()))
  return { ...before, ...after, ...keys, version, updatedAt }
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
