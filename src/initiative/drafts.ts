import { isDeepStrictEqual } from 'node:util'
import { once } from '../access/idempotency.ts'
import { change, type Report, type Request } from '../access/request.ts'
import { checkTexts, type TextInput } from '../announcements/checks.ts'
import type { Tx } from '../database/client.ts'
import { json } from '../database/json.ts'
import { conflict, NotFound, refuse, text } from '../errors.ts'
import { newUuid } from '../ids.ts'
import { checkInput } from '../input.ts'
import type { Events } from '../journal/catalog.ts'
import type { Translations } from '../languages.ts'
import { canonicalLines, hashTexts } from './canonical.ts'
import { checkStatus, demandStaff } from './policy.ts'
import {
  deleteVersion,
  findLatest,
  insertVersion,
  lockOpen,
  lockOpening,
  lockVersion,
  type Texts,
  updateVersion,
  type WholeVersion,
} from './store.ts'

/** A new version of the initiative, as a caller sends it. */
export interface DraftInput {
  readonly titles: readonly TextInput[]
  readonly bodies: readonly TextInput[]
  readonly requiresRenewal?: boolean | null
}

/** A change of a draft: what is left out stays. */
export interface EditInput {
  readonly expectedVersion: number
  readonly titles?: readonly TextInput[] | null
  readonly bodies?: readonly TextInput[] | null
  readonly requiresRenewal?: boolean | null
}

/** The error for a version that does not exist or is not to be seen. */
function noSuchVersion(): NotFound {
  return new NotFound(text('There is no such version of the initiative.', '倡议书没有这一版本。'))
}

const canonical = (texts: Translations): Translations =>
  Object.fromEntries(Object.entries(texts).map(([locale, written]) => [locale, canonicalLines(written)]))

/** The texts with those sent put in, as they are hashed. @throws InputRefused for what is wrong with them */
function readTexts(present: Texts, sent: Pick<EditInput, 'titles' | 'bodies'>): Texts {
  const check = checkInput()
  const { titles, bodies } = checkTexts(check, present, sent)
  // Behind a title of several lines nobody could tell where the text begins.
  for (const [locale, title] of Object.entries(titles))
    if (title.includes('\n'))
      check.add('INVALID', ['input', 'titles', locale], 'A title has one line.', '标题只能有一行。')
  check.done()
  return { titles: canonical(titles), bodies: canonical(bodies) }
}

/** Texts and their hashes as columns. */
function columnsOf({ titles, bodies }: Texts) {
  const { hashes, sha256 } = hashTexts(titles, bodies)
  return { titles: json(titles), bodies: json(bodies), hashes: json(hashes), sha256 }
}

function reportDraft(
  report: Report,
  { id, version }: WholeVersion,
  change: Events['initiative.drafted']['change'],
): Promise<void> {
  return report({ type: 'initiative.drafted', subject: id, detail: { version, change }, audience: 'SECRETARIAT' })
}

/**
 * A version of the initiative as the caller saw it, held for a change.
 * @throws NotFound; InputRefused with CONFLICT when it has moved on
 */
async function lockSeen(
  tx: Tx,
  request: Request,
  id: string,
  expectedVersion: number,
  field: readonly string[] = ['expectedVersion'],
): Promise<WholeVersion> {
  const version = await lockVersion(tx, request.actor, id)
  if (!version) throw noSuchVersion()
  if (version.version !== expectedVersion) conflict(expectedVersion, version, field)
  return version
}

/** Begins a version of the initiative. @throws InputRefused for bad texts */
export function draftInitiative(
  request: Request,
  input: DraftInput,
  idempotencyKey?: string | null,
): Promise<WholeVersion | undefined> {
  demandStaff(request.actor)
  return change(request, async (tx, report) => {
    const made = await once(tx, request, { operation: 'draftInitiative', key: idempotencyKey, input }, async () => {
      const draft = await insertVersion(tx, {
        ...columnsOf(readTexts({ titles: {}, bodies: {} }, input)),
        id: newUuid(request.now.getTime()),
        requiresRenewal: input.requiresRenewal ?? false,
        createdAt: request.now,
        updatedAt: request.now,
      })
      await reportDraft(report, draft, 'DRAFTED')
      return draft.id
    })
    return lockVersion(tx, request.actor, made.id)
  })
}

/** Changes a draft. A change of nothing makes no version. @throws NotFound; InputRefused for an old version, what was opened, bad texts */
export function editInitiativeDraft(request: Request, id: string, input: EditInput): Promise<WholeVersion> {
  demandStaff(request.actor)
  return change(request, async (tx, report) => {
    const before = await lockSeen(tx, request, id, input.expectedVersion, ['input', 'expectedVersion'])
    checkStatus(before, 'edit')
    const texts = readTexts(before, input)
    const requiresRenewal = input.requiresRenewal ?? before.requiresRenewal
    if (isDeepStrictEqual({ ...before, ...texts, requiresRenewal }, before)) return before
    const after = await updateVersion(tx, id, request.now, { ...columnsOf(texts), requiresRenewal })
    await reportDraft(report, after, 'EDITED')
    return after
  })
}

/** Throws a draft away. @throws NotFound; InputRefused for an old version or what was opened */
export async function discardInitiativeDraft(request: Request, id: string, expectedVersion: number): Promise<null> {
  demandStaff(request.actor)
  return change(request, async (tx, report) => {
    const draft = await lockSeen(tx, request, id, expectedVersion)
    checkStatus(draft, 'discard')
    await deleteVersion(tx, id)
    await reportDraft(report, draft, 'DISCARDED')
    return null
  })
}

/**
 * Opens a draft for signature. The version open before is superseded at the same moment.
 * @throws NotFound; InputRefused for an old version, what was opened before, or no text in zh-Hans
 */
export function openInitiative(request: Request, id: string, expectedVersion: number): Promise<WholeVersion> {
  demandStaff(request.actor)
  return change(request, async (tx, report) => {
    await lockOpening(tx)
    const draft = await lockSeen(tx, request, id, expectedVersion)
    checkStatus(draft, 'open')
    if (!('zh-Hans' in draft.titles))
      refuse('REQUIRED', [], 'Write the text in zh-Hans before you open it.', '开放签署前请先填写 zh-Hans 文本。')
    const open = await lockOpen(tx)
    // After all that was signed and opened before, also by a process whose clock is ahead.
    const { number, moment } = await findLatest(tx)
    const openedAt = moment && moment >= request.now ? new Date(moment.getTime() + 1) : request.now
    if (open) await updateVersion(tx, open.id, openedAt, { status: 'SUPERSEDED', supersededAt: openedAt })
    const opened = await updateVersion(tx, id, openedAt, { status: 'OPEN', number: number + 1, openedAt })
    const { requiresRenewal } = opened
    await report({
      type: 'initiative.opened',
      subject: id,
      detail: { number: number + 1, requiresRenewal },
      audience: 'PUBLIC',
    })
    return opened
  })
}
