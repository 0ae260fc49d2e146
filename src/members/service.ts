import { isDeepStrictEqual } from 'node:util'
import { once } from '../access/idempotency.ts'
import { change, type Report, type Request } from '../access/request.ts'
import type { Tx } from '../database/client.ts'
import { json } from '../database/json.ts'
import { sqlState } from '../database/transaction.ts'
import { conflict, Forbidden, NotFound, text } from '../errors.ts'
import { newUuid } from '../ids.ts'
import { checkInput, type InputCheck } from '../input.ts'
import { findRegionsByCode } from '../regions/store.ts'
import { compareProfiles } from './changes.ts'
import { type NewContact, nextContacts } from './contacts.ts'
import { checkCreditCode, normaliseCreditCode } from './credit-code.ts'
import { addCreditCodeFault, addCreditCodeTaken } from './credit-code-faults.ts'
import { insertRevision } from './history.ts'
import { mayEditMember } from './policy.ts'
import { emptyProfile, nameKeys, nextProfile, type Profile, type ProfileChanges, profileOf } from './profile.ts'
import { checkReferences, claimReferences, type NewReference } from './references.ts'
import {
  findContacts,
  findMembers,
  insertMember,
  isCreditCodeTaken,
  lockMember,
  type MemberRow,
  replaceContacts,
  updateMember,
} from './store.ts'

/** What to enter of a new body. */
export interface NewMember {
  readonly kind: MemberRow['kind']
  /** Needed for an association, refused for others. */
  readonly associationKind?: MemberRow['associationKind']
  /** GB/T 2260 code; needed for a city. */
  readonly region?: string | null
  readonly profile: ProfileChanges
  readonly externalReferences?: readonly NewReference[] | null
}

/** A profile as the table takes it. */
function columnsOf({ names, summaries, descriptions, sources, ...rest }: Profile) {
  return {
    ...rest,
    names: json(names),
    summaries: json(summaries),
    descriptions: json(descriptions),
    sources: json(sources) as never,
  }
}

/** Whether the error says that a row with this unique key exists already. */
function violates(error: unknown, constraint: string): boolean {
  if (sqlState(error) !== '23505') return false
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('constraint' in cause && cause.constraint === constraint) return true
  return false
}

/** Runs a change; a credit code that somebody else entered at the same moment becomes TAKEN. */
async function refusingTakenCode<T>(field: readonly string[], run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!violates(error, 'members_credit_code_key')) throw error
    const check = checkInput()
    addCreditCodeTaken(check, field)
    check.done()
    throw error
  }
}

async function checkPlace(tx: Tx, check: InputCheck, input: NewMember): Promise<void> {
  const field = ['input', 'region']
  if (input.region == null) {
    if (input.kind === 'CITY')
      check.add(
        'REQUIRED',
        field,
        'A city needs the code of its place, such as 510100.',
        '城市须填写行政区划代码，例如 510100。',
      )
  } else if (!/^\d{6}$/.test(input.region))
    check.add(
      'INVALID',
      field,
      'A code of GB/T 2260 has six digits: 510100.',
      'GB/T 2260 行政区划代码为六位数字，例如 510100。',
    )
  else if ((await findRegionsByCode(tx, [input.region])).length === 0)
    check.add(
      'NOT_FOUND',
      field,
      `No place with the code ${input.region} is recorded. Ask for regions to see those that are.`,
      `没有登记代码为 ${input.region} 的地区。可用 regions 查询已登记的地区。`,
    )
}

function checkKind(check: InputCheck, input: NewMember): void {
  const field = ['input', 'associationKind']
  if (input.kind === 'ASSOCIATION' && input.associationKind == null)
    check.add('REQUIRED', field, 'Say what sort of organisation it is.', '请填写组织的类别。')
  if (input.kind !== 'ASSOCIATION' && input.associationKind != null)
    check.add('INVALID', field, 'Only an association has this; leave it out.', '仅组织类成员可填此项，请删去。')
}

async function enterMember(tx: Tx, report: Report, request: Request, input: NewMember): Promise<string> {
  const check = checkInput()
  checkKind(check, input)
  await checkPlace(tx, check, input)
  const profile = await nextProfile(tx, request.actor, check, null, emptyProfile, input.profile, ['input', 'profile'])
  const references = await checkReferences(tx, check, input.externalReferences ?? [], ['input', 'externalReferences'])
  check.done()

  const { now, actor } = request
  const id = newUuid(now.getTime())
  await insertMember(tx, {
    id,
    kind: input.kind,
    associationKind: input.associationKind ?? null,
    regionCode: input.region ?? null,
    ...columnsOf(profile),
    ...nameKeys(profile.names),
    createdAt: now,
    updatedAt: now,
  })
  await claimReferences(tx, id, references, ['input', 'externalReferences'])
  await insertRevision(tx, { memberId: id, version: 1, at: now, actor, reason: null, changes: [] })
  await report({ type: 'member.registered', subject: id, detail: {}, audience: 'PUBLIC' })
  return id
}

/**
 * Enters a body in the directory, as LISTED. Bodies of the same name are different bodies: only a credit code or a key
 * in another system tells that one is entered already.
 * @throws InputRefused for what is wrong with the input; IDEMPOTENCY_KEY_REUSED when the key came with another input
 */
export async function registerMember(
  request: Request,
  input: NewMember,
  idempotencyKey?: string | null,
): Promise<MemberRow> {
  return refusingTakenCode(['input', 'profile', 'creditCode'], () =>
    change(request, async (tx, report) => {
      const call = { operation: 'registerMember', key: idempotencyKey, input }
      const { id } = await once(tx, request, call, () => enterMember(tx, report, request, input))
      const [member] = await findMembers(tx, request.actor, [id])
      if (!member) throw new NotFound(text('The member made with this key has left.', '以此键登记的成员已离开。'))
      return member
    }),
  )
}

/**
 * A member held for a change, checked against the version that the caller saw.
 * @param may whether this member is the actor's to change
 * @throws NotFound when there is none that the actor may see; Forbidden; InputRefused with CONFLICT and the present row
 */
export async function openMember(
  tx: Tx,
  request: Request,
  id: string,
  expectedVersion: number,
  may: typeof mayEditMember = mayEditMember,
): Promise<MemberRow> {
  const member = await lockMember(tx, request.actor, id)
  if (!member) throw new NotFound(text('There is no such member.', '没有这个成员。'))
  if (!may(request.actor, id))
    throw new Forbidden(
      text(
        'Your token acts for another member; only that one is yours to change.',
        '您的令牌代表另一成员，只能修改该成员的内容。',
      ),
    )
  if (member.version !== expectedVersion) conflict(expectedVersion, member)
  return member
}

/** Writes a changed profile, its revision and its event; nothing when nothing changed. */
async function saveProfile(
  tx: Tx,
  report: Report,
  request: Request,
  before: MemberRow,
  after: Profile,
  reason: string | null,
): Promise<MemberRow> {
  const changes = await compareProfiles(tx, before, after)
  if (changes.length === 0) return before
  const { now, actor } = request
  const fields = changes.map(({ field }) => field)
  const keys = fields.includes('names') ? nameKeys(after.names) : {}
  const member = await updateMember(tx, before.id, now, { ...columnsOf(after), ...keys })
  const { id, version } = member
  await insertRevision(tx, { memberId: id, version, at: now, actor, reason, changes })
  await report({ type: 'member.profile', subject: id, detail: { version, fields }, audience: 'PUBLIC' })
  return member
}

/**
 * Changes a profile. An edit that changes nothing makes no version.
 * @throws NotFound; Forbidden for another's member; InputRefused with CONFLICT, or for what is wrong with the input
 */
export async function updateProfile(
  request: Request,
  id: string,
  input: { readonly expectedVersion: number; readonly profile: ProfileChanges; readonly reason?: string | null },
): Promise<MemberRow> {
  return refusingTakenCode(['input', 'profile', 'creditCode'], () =>
    change(request, async (tx, report) => {
      const member = await openMember(tx, request, id, input.expectedVersion)
      const check = checkInput()
      const reason = check.optionalText(input.reason, ['input', 'reason'], 500)
      const profile = await nextProfile(tx, request.actor, check, id, member, input.profile, ['input', 'profile'])
      check.done()
      return saveProfile(tx, report, request, member, profile, reason)
    }),
  )
}

/**
 * Enters a credit code whose check character does not fit, after a review of the certificate.
 * @throws NotFound; InputRefused with CONFLICT, for a code that fails otherwise or fits, and for one of another member
 */
export async function approveCreditCode(
  request: Request,
  id: string,
  input: { readonly expectedVersion: number; readonly code: string; readonly reason: string },
): Promise<MemberRow> {
  const field = ['input', 'code']
  return refusingTakenCode(field, () =>
    change(request, async (tx, report) => {
      const member = await openMember(tx, request, id, input.expectedVersion)
      const check = checkInput()
      const reason = check.text(input.reason, ['input', 'reason'], 500)
      const creditCode = normaliseCreditCode(input.code)
      const fault = checkCreditCode(creditCode)
      if (fault && fault.kind !== 'CHECK') addCreditCodeFault(check, field, fault)
      else if (!fault)
        check.add(
          'INVALID',
          field,
          'This code passes the check and needs no review; enter it with updateProfile.',
          '该代码校验通过，无需审核，请用 updateProfile 录入。',
        )
      else if (await isCreditCodeTaken(tx, creditCode, id)) addCreditCodeTaken(check, field)
      check.done()
      return saveProfile(
        tx,
        report,
        request,
        member,
        { ...profileOf(member), creditCode, creditCodeReviewed: true },
        reason,
      )
    }),
  )
}

/**
 * Replaces the contacts. The same contacts again make no version.
 * @throws NotFound; Forbidden for another's member; InputRefused with CONFLICT, or for what is wrong with the contacts
 */
export async function setContacts(
  request: Request,
  id: string,
  input: { readonly expectedVersion: number; readonly contacts: readonly NewContact[] },
): Promise<MemberRow> {
  return change(request, async (tx, report) => {
    const member = await openMember(tx, request, id, input.expectedVersion)
    const check = checkInput()
    const after = nextContacts(check, input.contacts, ['input', 'contacts'])
    check.done()
    const before = (await findContacts(tx, [id])).map(({ role, name, phone, email }) => ({ role, name, phone, email }))
    if (isDeepStrictEqual(before, after)) return member
    await replaceContacts(tx, id, after)
    const { now, actor } = request
    const changed = await updateMember(tx, id, now, {})
    const { version } = changed
    const changes = [{ field: 'contacts', before, after }]
    await insertRevision(tx, { memberId: id, version, at: now, actor, reason: null, changes })
    await report({ type: 'member.contacts', subject: id, detail: { version }, audience: 'PUBLIC' })
    return changed
  })
}
