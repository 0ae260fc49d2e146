import { actorReference } from '../access/actor.ts'
import { once } from '../access/idempotency.ts'
import { change, type Report, type Request } from '../access/request.ts'
import type { Tx } from '../database/client.ts'
import { conflict, NotFound, refuse, text } from '../errors.ts'
import { newUuid } from '../ids.ts'
import { checkInput, type InputCheck } from '../input.ts'
import type { Events } from '../journal/catalog.ts'
import { lockMember } from '../members/store.ts'
import { type Days, daysAway, haveDayInCommon, isNever } from './policy.ts'
import {
  findHeld,
  findOfficeTerm,
  findPassages,
  insertOfficeTerm,
  insertOfficeTermChange,
  type Office,
  type OfficeTermRow,
  updateOfficeTerm,
} from './store.ts'

/** Why something is decided, and by which document. */
interface Grounds {
  readonly reason: string
  readonly document?: string | null
}

/** An office to be given. Days are `YYYY-MM-DD` in Asia/Shanghai. */
export interface NewOfficeTerm extends Grounds {
  readonly office: Office
  /** The UUID of the member. */
  readonly member: string
  readonly from: string
  readonly until?: string | null
}

/** What to put right of a term: what is left out stays, null empties. */
export interface OfficeTermCorrection extends Grounds {
  readonly expectedVersion: number
  readonly office?: Office | null
  readonly from?: string | null
  readonly until?: string | null
}

type Held = Days & Pick<OfficeTermRow, 'office'>

function checkGrounds(check: InputCheck, { reason, document }: Grounds) {
  return {
    reason: check.text(reason, ['input', 'reason'], 500),
    document: check.optionalText(document, ['input', 'document'], 200),
  }
}

function checkOrder(check: InputCheck, days: Days): void {
  if (isNever(days))
    check.add(
      'INVALID',
      ['input', 'until'],
      'The term must end after the day on which it begins: "until" is the first day on which the office is no longer held.',
      '任期的结束须晚于开始日：“until”为不再任职的第一天。',
    )
}

const shown = ({ fromDay, untilDay }: Days) => ({
  en: untilDay === null ? `from ${fromDay} on` : `from ${fromDay} until ${untilDay}`,
  zh: untilDay === null ? `自 ${fromDay} 起` : `自 ${fromDay} 起至 ${untilDay} 前一日`,
})

/**
 * Whether a member can hold an office on these days, by all that it holds and by when it was away. The member must be
 * held, so that neither changes before this is written.
 * @param exceptId the term that is to have these days
 * @throws InputRefused
 */
async function demandFree(tx: Tx, memberId: string, exceptId: string | null, held: Held): Promise<void> {
  const taken = (await findHeld(tx, memberId, held.office, exceptId)).find(other => haveDayInCommon(other, held))
  if (taken)
    refuse(
      'TAKEN',
      ['input', 'from'],
      `The member holds this office already ${shown(taken).en}. Choose other days, or end that term first.`,
      `该成员已担任此职务（${shown(taken).zh}）。请另选日期，或先结束该任期。`,
    )
  const away = daysAway(await findPassages(tx, memberId)).find(days => haveDayInCommon(days, held))
  if (away)
    refuse(
      'INVALID',
      ['input', 'from'],
      `The body did not belong to the alliance ${shown(away).en}; on these days it held no office.`,
      `该单位${shown(away).zh}不属于本联盟，在此期间不能任职。`,
    )
}

/** Keeps a change of a term that was written, and reports it. */
async function record(
  tx: Tx,
  report: Report,
  { actor, now }: Request,
  term: Held & Pick<OfficeTermRow, 'id' | 'memberId' | 'version'>,
  made: Events['office.changed']['change'],
  grounds: { readonly reason: string; readonly document: string | null },
): Promise<void> {
  const { id, version, office, fromDay, untilDay } = term
  await insertOfficeTermChange(tx, {
    termId: id,
    version,
    at: now,
    actor: actorReference(actor),
    change: made,
    office,
    fromDay,
    untilDay,
    ...grounds,
  })
  const detail = { term: id, version, change: made }
  await report({ type: 'office.changed', subject: term.memberId, detail, audience: 'PUBLIC' })
}

/**
 * Gives an office to a member. The member is held meanwhile, against its leaving and against whoever gives it the same.
 * @throws InputRefused for a member that is not ADMITTED, for days on which it holds the same office already or did not
 * belong to the alliance, and for a missing or overlong reason
 */
export function grantOffice(
  request: Request,
  input: NewOfficeTerm,
  idempotencyKey?: string | null,
): Promise<OfficeTermRow> {
  return change(request, async (tx, report) => {
    const { actor, now } = request
    const call = { operation: 'grantOffice', key: idempotencyKey, input }
    const made = await once(tx, request, call, async () => {
      const held: Held = { office: input.office, fromDay: input.from, untilDay: input.until ?? null }
      const check = checkInput()
      const grounds = checkGrounds(check, input)
      checkOrder(check, held)
      check.done()
      const member = await lockMember(tx, actor, input.member)
      if (!member) refuse('NOT_FOUND', ['input', 'member'], 'There is no such member.', '没有这个成员。')
      if (member.status !== 'ADMITTED')
        refuse(
          'WRONG_STATUS',
          ['input', 'member'],
          `The member is ${member.status}; only one that is ADMITTED is given an office.`,
          `该成员当前状态为 ${member.status}，只有 ADMITTED 的成员才能任职。`,
        )
      await demandFree(tx, member.id, null, held)
      const term = { ...held, id: newUuid(now.getTime()), memberId: member.id }
      await insertOfficeTerm(tx, { ...term, createdAt: now, updatedAt: now })
      await record(tx, report, request, { ...term, version: 1 }, 'GRANTED', grounds)
      return term.id
    })
    return (await findOfficeTerm(tx, made.id))!
  })
}

/**
 * A term at the version that the caller saw. Its member is held, and so whatever the member holds: nobody writes a term
 * otherwise.
 * @throws NotFound; InputRefused with CONFLICT and the present row
 */
async function openTerm(tx: Tx, request: Request, id: string, expectedVersion: number): Promise<OfficeTermRow> {
  const found = await findOfficeTerm(tx, id)
  if (found) await lockMember(tx, request.actor, found.memberId)
  const term = found && (await findOfficeTerm(tx, id))
  if (!term) throw new NotFound(text('There is no such term.', '没有这个任期。'))
  if (term.version !== expectedVersion) conflict(expectedVersion, term)
  return term
}

/** Writes a change of a term that was opened; a change of nothing makes no version. */
async function rewrite(
  tx: Tx,
  report: Report,
  request: Request,
  term: OfficeTermRow,
  held: Held,
  made: Events['office.changed']['change'],
  grounds: { readonly reason: string; readonly document: string | null },
): Promise<OfficeTermRow> {
  const { office, fromDay, untilDay } = held
  if (office === term.office && fromDay === term.fromDay && untilDay === term.untilDay) return term
  await updateOfficeTerm(tx, term.id, request.now, held)
  const after = (await findOfficeTerm(tx, term.id))!
  await record(tx, report, request, after, made, grounds)
  return after
}

/**
 * Ends a term early; on its first day, it is struck.
 * @throws NotFound; InputRefused with CONFLICT, or INVALID for a day out of the term
 */
export function endOffice(
  request: Request,
  id: string,
  input: Grounds & { readonly expectedVersion: number; readonly on: string },
): Promise<OfficeTermRow> {
  const check = checkInput()
  const grounds = checkGrounds(check, input)
  check.done()
  return change(request, async (tx, report) => {
    const term = await openTerm(tx, request, id, input.expectedVersion)
    const { office, fromDay, untilDay } = term
    const { on } = input
    if (on < fromDay || (untilDay !== null && on > untilDay))
      refuse(
        'INVALID',
        ['input', 'on'],
        `The term runs ${shown(term).en}: give a day within it, or its first day to strike it. To prolong it, use correctOfficeTerm.`,
        `该任期${shown(term).zh}：请填写其中的日期；填写开始日即作废该任期。如需延长，请用 correctOfficeTerm。`,
      )
    const held = { office, fromDay, untilDay: on }
    return rewrite(tx, report, request, term, held, on === fromDay ? 'STRUCK' : 'ENDED', grounds)
  })
}

/**
 * Puts a wrong entry right.
 * @throws NotFound; InputRefused with CONFLICT, for what can't be empty, for days of which none is left, and for days
 * on which the member holds the same office already or did not belong to the alliance
 */
export function correctOfficeTerm(request: Request, id: string, input: OfficeTermCorrection): Promise<OfficeTermRow> {
  return change(request, async (tx, report) => {
    const term = await openTerm(tx, request, id, input.expectedVersion)
    const check = checkInput()
    const grounds = checkGrounds(check, input)
    for (const field of ['office', 'from'] as const)
      if (input[field] === null)
        check.add(
          'REQUIRED',
          ['input', field],
          'This cannot be empty; leave it out to keep it.',
          '此项不能为空；如不修改请省略。',
        )
    const held: Held = {
      office: input.office ?? term.office,
      fromDay: input.from ?? term.fromDay,
      untilDay: input.until === undefined ? term.untilDay : input.until,
    }
    checkOrder(check, held)
    check.done()
    await demandFree(tx, term.memberId, id, held)
    return rewrite(tx, report, request, term, held, 'CORRECTED', grounds)
  })
}
