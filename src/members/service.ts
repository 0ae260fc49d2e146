import { isDeepStrictEqual } from 'node:util'
import { once } from '../access/idempotency.ts'
import { change, type Request } from '../access/request.ts'
import type { Db, Tx } from '../database/client.ts'
import { sqlState } from '../database/transaction.ts'
import { conflict, Forbidden, NotFound, text } from '../errors.ts'
import { checkInput } from '../input.ts'
import { type NewContact, nextContacts } from './contacts.ts'
import { checkCreditCode, normaliseCreditCode } from './credit-code.ts'
import { addCreditCodeFault, addCreditCodeTaken } from './credit-code-faults.ts'
import { draftEdit, type Edit, saveEditAtOnce, saveEdits } from './edit.ts'
import { insertRevisions } from './history.ts'
import { createLookups } from './lookups.ts'
import type { MemberKey } from './member-id.ts'
import { mayEditMember } from './policy.ts'
import { nextProfile, type ProfileChanges, profileOf } from './profile.ts'
import { findMember } from './reads.ts'
import { checkRegistration, enterMembers, type NewMember } from './registration.ts'
import { findContacts, lockMember, type MemberRow, replaceContacts, updateMember } from './store.ts'

/** Whether the error says that a row with this unique key exists already. */
function violates(error: unknown, constraint: string): boolean {
  if (sqlState(error) !== '23505') return false
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('constraint' in cause && cause.constraint === constraint) return true
  return false
}

/** Runs a change; a credit code that somebody else entered at the same moment becomes TAKEN. */
export async function refusingTakenCode<T>(field: readonly string[], run: () => Promise<T>): Promise<T> {
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
      let made: MemberRow | undefined
      const { id } = await once(tx, request, call, async () => {
        const registration = await checkRegistration(createLookups(tx), request, input)
        ;[made] = await enterMembers(tx, report, request, [registration])
        return registration.id
      })
      const member = made ?? (await findMember(tx, request.actor, id))
      if (!member) throw new NotFound(text('The member made with this key has left.', '以此键登记的成员已离开。'))
      return member
    }),
  )
}

/** @throws NotFound; Forbidden; InputRefused with CONFLICT and the present row */
function checkMember(
  request: Request,
  key: MemberKey,
  expectedVersion: number,
  may: typeof mayEditMember,
  member: MemberRow | undefined,
): MemberRow {
  // An id with the prefix of another kind is the id of nothing.
  if (!member || (key.kind !== undefined && key.kind !== member.kind))
    throw new NotFound(text('There is no such member.', '没有这个成员。'))
  if (!may(request.actor, member.id))
    throw new Forbidden(
      text(
        'Your token acts for another member; only that one is yours to change.',
        '您的令牌代表另一成员，只能修改该成员的内容。',
      ),
    )
  if (member.version !== expectedVersion) conflict(expectedVersion, member)
  return member
}

/**
 * A member held for a change, checked against the version that the caller saw.
 * @param may whether this member is the actor's to change
 * @throws NotFound when there is none that the actor may see; Forbidden; InputRefused with CONFLICT and the present row
 */
export async function openMember(
  tx: Tx,
  request: Request,
  key: MemberKey,
  expectedVersion: number,
  may: typeof mayEditMember = mayEditMember,
): Promise<MemberRow> {
  return checkMember(request, key, expectedVersion, may, await lockMember(tx, request.actor, key.id))
}

/**
 * Edits a member of which nothing is held: the edit is written only if the member still has the version that it was
 * drafted from. That others were quicker shows when we look again.
 * @throws as `openMember` does, and what `draft` throws
 */
async function editAtOnce(
  request: Request,
  key: MemberKey,
  expectedVersion: number,
  draft: (member: MemberRow) => Promise<Edit>,
): Promise<MemberRow> {
  for (;;) {
    const found = await findMember(request.db, request.actor, key.id)
    const edit = await draft(checkMember(request, key, expectedVersion, mayEditMember, found))
    if (edit.changes.length === 0) return edit.before
    const saved = await saveEditAtOnce(request, edit)
    if (saved) return saved
  }
}

/**
 * Changes a profile. An edit that changes nothing makes no version.
 * @throws NotFound; Forbidden for another's member; InputRefused with CONFLICT, or for what is wrong with the input
 */
export async function updateProfile(
  request: Request,
  key: MemberKey,
  input: { readonly expectedVersion: number; readonly profile: ProfileChanges; readonly reason?: string | null },
): Promise<MemberRow> {
  const draft = async (db: Db, member: MemberRow) => {
    const check = checkInput()
    const reason = check.optionalText(input.reason, ['input', 'reason'], 500)
    const profile = await nextProfile(createLookups(db), request.actor, check, key.id, member, input.profile, [
      'input',
      'profile',
    ])
    check.done()
    return draftEdit(db, request.actor, member, profile, reason, input.profile.sources !== undefined)
  }
  const { expectedVersion, profile } = input
  return refusingTakenCode(['input', 'profile', 'creditCode'], () => {
    if (profile.parentId === undefined && profile.leadId === undefined)
      return editAtOnce(request, key, expectedVersion, member => draft(request.db, member))
    // That no circle of bodies comes about depends on others: they are held until this is written.
    return change(request, async (tx, report) => {
      const edit = await draft(tx, await openMember(tx, request, key, expectedVersion))
      const [changed] = await saveEdits(tx, report, request, [edit])
      return changed!
    })
  })
}

/**
 * Enters a credit code whose check character does not fit, after a review of the certificate.
 * @throws NotFound; InputRefused with CONFLICT, for a code that fails otherwise or fits, and for one of another member
 */
export async function approveCreditCode(
  request: Request,
  key: MemberKey,
  input: { readonly expectedVersion: number; readonly code: string; readonly reason: string },
): Promise<MemberRow> {
  const field = ['input', 'code']
  const { db, actor } = request
  return refusingTakenCode(field, () =>
    editAtOnce(request, key, input.expectedVersion, async member => {
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
      else if (((await createLookups(db).creditCodeOwner(creditCode)) ?? member.id) !== member.id)
        addCreditCodeTaken(check, field)
      check.done()
      return draftEdit(db, actor, member, { ...profileOf(member), creditCode, creditCodeReviewed: true }, reason)
    }),
  )
}

/**
 * Replaces the contacts. The same contacts again make no version.
 * @throws NotFound; Forbidden for another's member; InputRefused with CONFLICT, or for what is wrong with the contacts
 */
export async function setContacts(
  request: Request,
  key: MemberKey,
  input: { readonly expectedVersion: number; readonly contacts: readonly NewContact[] },
): Promise<MemberRow> {
  return change(request, async (tx, report) => {
    const member = await openMember(tx, request, key, input.expectedVersion)
    const { id } = member
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
    await insertRevisions(tx, [{ memberId: id, version, at: now, actor, reason: null, changes }])
    await report({ type: 'member.contacts', subject: id, detail: { version }, audience: 'PUBLIC' })
    return changed
  })
}
