import { change, type Report, type Request } from '../access/request.ts'
import type { Db, Tx } from '../database/client.ts'
import { refuse } from '../errors.ts'
import { checkInput } from '../input.ts'
import { type Audience, countReached, insertRecipients, isPublicAudience } from './audience.ts'
import { acknowledgeByFault, publishAtFault } from './checks.ts'
import { checkStatus, demandStaff } from './policy.ts'
import { holdVersion, reportChanged, reportPublished, takeStep } from './steps.ts'
import { type AnnouncementRow, lockDue, type WholeAnnouncement } from './store.ts'

function refuseEmpty(field: readonly string[]): never {
  return refuse(
    'AUDIENCE_EMPTY',
    field,
    'The audience reaches no admitted member. Widen it, and see with audiencePreview whom it reaches.',
    '发送对象中没有任何已入会的成员。请扩大范围，并用 audiencePreview 查看将送达哪些成员。',
  )
}

/** @throws InputRefused with AUDIENCE_EMPTY when the audience is not public and reaches nobody now */
export async function demandRecipients(db: Db, audience: Audience, field: readonly string[]): Promise<void> {
  if (!isPublicAudience(audience) && (await countReached(db, audience)) === 0) refuseEmpty(field)
}

/**
 * Sets the moment of publication of a draft, or another one of a scheduled announcement. The same moment changes nothing.
 * @throws NotFound; InputRefused for an old version, another status, a moment that is past or over 400 days ahead or not
 * before the deadline of acknowledgement, and an audience that reaches nobody
 */
export function scheduleAnnouncement(
  request: Request,
  id: string,
  input: { expectedVersion: number; publishAt: Date },
): Promise<AnnouncementRow> {
  demandStaff(request.actor)
  return change(request, async (tx, report) => {
    const before = await holdVersion(tx, id, input.expectedVersion)
    checkStatus(before, 'schedule')
    const { publishAt } = input
    const { acknowledgeBy } = before
    const fault =
      publishAtFault(publishAt, request.now) ??
      (acknowledgeBy && acknowledgeByFault(acknowledgeBy, publishAt, request.now))
    if (fault) refuse(fault.code, ['publishAt'], fault.en, fault.zh)
    await demandRecipients(tx, before.audience, [])
    if (before.publishAt?.getTime() === publishAt.getTime()) return before
    const after = await takeStep(tx, request, before, { change: 'SCHEDULED', set: { status: 'SCHEDULED', publishAt } })
    await reportChanged(report, after, 'SCHEDULED')
    return after
  })
}

/** Takes the moment of publication away. @throws NotFound; InputRefused for an old version or another status */
export function unscheduleAnnouncement(
  request: Request,
  id: string,
  expectedVersion: number,
): Promise<AnnouncementRow> {
  demandStaff(request.actor)
  return change(request, async (tx, report) => {
    const before = await holdVersion(tx, id, expectedVersion)
    checkStatus(before, 'unschedule')
    return unschedule(tx, report, request, before, null)
  })
}

async function unschedule(
  tx: Tx,
  report: Report,
  request: Request,
  before: WholeAnnouncement,
  reason: string | null,
): Promise<AnnouncementRow> {
  const after = await takeStep(tx, request, before, {
    change: 'UNSCHEDULED',
    reason,
    set: { status: 'DRAFT', publishAt: null },
  })
  await reportChanged(report, after, 'UNSCHEDULED')
  return after
}

/** Fixes the recipients and puts the announcement out; null, with nothing done, when it would reach nobody. */
async function publish(
  tx: Tx,
  report: Report,
  request: Request,
  before: WholeAnnouncement,
): Promise<AnnouncementRow | null> {
  const reached = await insertRecipients(tx, before, request.now)
  if (reached === 0 && !before.isPublic) return null
  const after = await takeStep(tx, request, before, {
    change: 'PUBLISHED',
    set: { status: 'PUBLISHED', publishAt: null, publishedAt: request.now },
  })
  await reportPublished(report, after)
  return after
}

/**
 * Publishes at once. The recipients are the members that the audience reaches now.
 * @throws NotFound; InputRefused for an old version, another status, a deadline of acknowledgement that has passed, and
 * an audience that reaches nobody
 */
export function publishAnnouncement(request: Request, id: string, expectedVersion: number): Promise<AnnouncementRow> {
  demandStaff(request.actor)
  return change(request, async (tx, report) => {
    const before = await holdVersion(tx, id, expectedVersion)
    checkStatus(before, 'publish')
    const fault = before.acknowledgeBy && acknowledgeByFault(before.acknowledgeBy, null, request.now)
    if (fault) refuse(fault.code, [], fault.en, fault.zh)
    return (await publish(tx, report, request, before)) ?? refuseEmpty([])
  })
}

/** Why a scheduled announcement went back to draft, for the revisions. */
const reachedNobody =
  '到发布时刻，发送对象中没有任何已入会的成员。 At the moment of publication the audience reached no admitted member.'

/**
 * Publishes a scheduled announcement that is due; one whose audience reaches nobody by now goes back to draft.
 * A deadline that passed while the service was down does not hold it up.
 * @returns the announcement, or null when it is not due or another process has it in hand
 */
export function publishScheduled(request: Request, id: string): Promise<AnnouncementRow | null> {
  demandStaff(request.actor)
  return change(request, async (tx, report) => {
    const before = await lockDue(tx, id, request.now)
    if (!before) return null
    return (await publish(tx, report, request, before)) ?? unschedule(tx, report, request, before, reachedNobody)
  })
}

/**
 * Takes a published announcement back. Its text stays readable to those who could read it.
 * @throws NotFound; InputRefused for an old version, another status, or without a reason
 */
export function retractAnnouncement(
  request: Request,
  id: string,
  input: { expectedVersion: number; reason: string },
): Promise<AnnouncementRow> {
  demandStaff(request.actor)
  return change(request, async (tx, report) => {
    const before = await holdVersion(tx, id, input.expectedVersion)
    checkStatus(before, 'retract')
    const check = checkInput()
    const reason = check.text(input.reason, ['reason'], 500)
    check.done()
    const after = await takeStep(tx, request, before, {
      change: 'RETRACTED',
      reason,
      set: { status: 'RETRACTED', retractedAt: request.now, retractionReason: reason },
    })
    await reportChanged(report, after, 'RETRACTED')
    return after
  })
}
