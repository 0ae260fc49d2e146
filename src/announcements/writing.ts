import { isDeepStrictEqual } from 'node:util'
import { actorReference } from '../access/actor.ts'
import { once } from '../access/idempotency.ts'
import { change, type Request } from '../access/request.ts'
import type { Tx } from '../database/client.ts'
import { json } from '../database/json.ts'
import { newUuid } from '../ids.ts'
import { checkInput, type InputCheck } from '../input.ts'
import type { Translations } from '../languages.ts'
import { searchTerm } from '../name-keys.ts'
import { isPublicAudience } from './audience.ts'
import { type AudienceInput, checkAudience } from './audience-input.ts'
import {
  type AttachmentInput,
  acknowledgeByFault,
  checkAttachments,
  checkTexts,
  type MomentFault,
  pinnedUntilFault,
  type TextInput,
} from './checks.ts'
import { checkStatus, demandStaff } from './policy.ts'
import { demandRecipients } from './publishing.ts'
import { insertRevision } from './revisions.ts'
import { holdVersion, reportChanged, takeStep } from './steps.ts'
import { type AnnouncementRow, findAnnouncements, insertAnnouncement, type WholeAnnouncement } from './store.ts'

/** A new announcement, as a caller sends it. */
export interface DraftInput {
  readonly titles: readonly TextInput[]
  readonly bodies: readonly TextInput[]
  readonly category: AnnouncementRow['category']
  readonly urgency?: AnnouncementRow['urgency'] | null
  readonly audience: AudienceInput
  readonly attachments?: readonly AttachmentInput[] | null
  readonly acknowledgeBy?: Date | null
  readonly pinnedUntil?: Date | null
}

/** A change of an announcement: what is left out stays, null empties. */
export type EditInput = { readonly [Field in keyof DraftInput]?: DraftInput[Field] | null } & {
  readonly expectedVersion: number
  readonly reason?: string | null
}

type Contents = Pick<
  WholeAnnouncement,
  'titles' | 'bodies' | 'category' | 'urgency' | 'audience' | 'attachments' | 'acknowledgeBy' | 'pinnedUntil'
>

/** The text that a search for part of a title runs over. */
function titleSearch(titles: Translations): string {
  return Object.values(titles).map(searchTerm).join('\n')
}

/** Contents as columns. */
function columns(contents: Contents) {
  return {
    ...contents,
    titles: json(contents.titles),
    search: titleSearch(contents.titles),
    bodies: json(contents.bodies),
    attachments: json(contents.attachments),
    audience: json(contents.audience),
    isPublic: isPublicAudience(contents.audience),
  }
}

function addMomentFault(check: InputCheck, field: string, fault: MomentFault | null): void {
  if (fault) check.add(fault.code, ['input', field], fault.en, fault.zh)
}

async function insertDraft(tx: Tx, request: Request, input: DraftInput): Promise<WholeAnnouncement> {
  const check = checkInput()
  const contents: Contents = {
    ...checkTexts(check, { titles: {}, bodies: {} }, input),
    category: input.category,
    urgency: input.urgency ?? 'NORMAL',
    audience: await checkAudience(tx, check, input.audience, ['input', 'audience']),
    attachments: checkAttachments(check, input.attachments ?? []),
    acknowledgeBy: input.acknowledgeBy ?? null,
    pinnedUntil: input.pinnedUntil ?? null,
  }
  const { acknowledgeBy, pinnedUntil } = contents
  if (acknowledgeBy) addMomentFault(check, 'acknowledgeBy', acknowledgeByFault(acknowledgeBy, null, request.now))
  if (pinnedUntil) addMomentFault(check, 'pinnedUntil', pinnedUntilFault(pinnedUntil, request.now))
  check.done()
  return insertAnnouncement(tx, {
    ...columns(contents),
    id: newUuid(request.now.getTime()),
    createdAt: request.now,
    updatedAt: request.now,
  })
}

/**
 * Begins an announcement.
 * @throws InputRefused for bad texts, files, moments or an audience that names nobody or unknown ones
 */
export function draftAnnouncement(
  request: Request,
  input: DraftInput,
  idempotencyKey?: string | null,
): Promise<AnnouncementRow> {
  demandStaff(request.actor)
  return change(request, async (tx, report) => {
    // All checks stand inside: a repeated call must answer the first outcome, also when a deadline has passed since.
    const made = await once(tx, request, { operation: 'draftAnnouncement', key: idempotencyKey, input }, async () => {
      const draft = await insertDraft(tx, request, input)
      await insertRevision(tx, draft, {
        change: 'DRAFTED',
        reason: null,
        actor: actorReference(request.actor),
        at: request.now,
      })
      await reportChanged(report, draft, 'DRAFTED')
      return draft.id
    })
    const [draft] = await findAnnouncements(tx, request.actor, [made.id])
    return draft!
  })
}

/** Refuses null for what can't be empty, and after publication what is fixed then. */
function checkFields(check: InputCheck, announcement: AnnouncementRow, input: EditInput): void {
  for (const field of ['titles', 'bodies', 'category', 'audience'] as const)
    if (input[field] === null)
      check.add(
        'REQUIRED',
        ['input', field],
        'This cannot be empty; leave it out to keep it.',
        '此项不能为空；如不修改请省略。',
      )
  if (announcement.publishedAt === null) return
  for (const field of ['audience', 'acknowledgeBy'] as const)
    if (input[field] !== undefined)
      check.add(
        'WRONG_STATUS',
        ['input', field],
        'This is fixed since the publication. Leave it out; to address others, retract and publish anew.',
        '发布后此项不可更改，请省略；如需变更发送对象，请撤回后重新发布。',
      )
  if (input.reason == null || input.reason.trim() === '')
    check.add('REQUIRED', ['input', 'reason'], 'Say why: the announcement is out.', '公告已发布，请说明修改理由。')
}

async function edited(
  tx: Tx,
  check: InputCheck,
  now: Date,
  row: WholeAnnouncement,
  input: EditInput,
): Promise<Contents> {
  const contents: Contents = {
    ...checkTexts(check, row, input),
    category: input.category ?? row.category,
    urgency: input.urgency === undefined ? row.urgency : (input.urgency ?? 'NORMAL'),
    audience: input.audience ? await checkAudience(tx, check, input.audience, ['input', 'audience']) : row.audience,
    attachments: input.attachments === undefined ? row.attachments : checkAttachments(check, input.attachments ?? []),
    acknowledgeBy: input.acknowledgeBy === undefined ? row.acknowledgeBy : input.acknowledgeBy,
    pinnedUntil: input.pinnedUntil === undefined ? row.pinnedUntil : input.pinnedUntil,
  }
  const { acknowledgeBy, pinnedUntil } = contents
  if (acknowledgeBy && acknowledgeBy.getTime() !== row.acknowledgeBy?.getTime())
    addMomentFault(check, 'acknowledgeBy', acknowledgeByFault(acknowledgeBy, row.publishAt, now))
  if (pinnedUntil && pinnedUntil.getTime() !== row.pinnedUntil?.getTime())
    addMomentFault(check, 'pinnedUntil', pinnedUntilFault(pinnedUntil, now))
  return contents
}

/**
 * Changes an announcement that is not retracted. A change of nothing makes no version.
 * @throws NotFound; InputRefused for an old version, a retracted announcement, bad contents, a published one without a
 * reason or with a new audience, and a scheduled one whose new audience reaches nobody
 */
export function editAnnouncement(request: Request, id: string, input: EditInput): Promise<AnnouncementRow> {
  demandStaff(request.actor)
  return change(request, async (tx, report) => {
    const before = await holdVersion(tx, id, input.expectedVersion, ['input', 'expectedVersion'])
    checkStatus(before, 'edit')
    const check = checkInput()
    checkFields(check, before, input)
    const reason = check.optionalText(input.reason, ['input', 'reason'], 500)
    const contents = await edited(tx, check, request.now, before, input)
    check.done()
    // Besides the contents `before` has the columns that no edit touches.
    if (isDeepStrictEqual({ ...before, ...contents }, before)) return before
    if (before.status === 'SCHEDULED') await demandRecipients(tx, contents.audience, ['input', 'audience'])
    const after = await takeStep(tx, request, before, { change: 'EDITED', reason, set: columns(contents) })
    await reportChanged(report, after, 'EDITED')
    return after
  })
}
