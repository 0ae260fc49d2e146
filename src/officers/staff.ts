import { type Selectable, sql } from 'kysely'
import { actorReference } from '../access/actor.ts'
import { change, type Request } from '../access/request.ts'
import { revokeTokens } from '../access/tokens.ts'
import type { PageOrder } from '../database/page.ts'
import type { Accounts } from '../database/tables.ts'
import { Forbidden, refuse, text } from '../errors.ts'
import { checkInput } from '../input.ts'
import { listing, source } from '../reads/source.ts'
import { revokePendingOfStaff } from './invitation-store.ts'
import { reportInvitation } from './invitations.ts'
import { findStaffTokens, holdStaff } from './store.ts'

/** One of the secretariat's staff. */
export type StaffRow = Selectable<Accounts>

/** The secretariat's staff. Who may read it, the SDL says. With a token an account may become staff. */
const staff = source<StaffRow>('accounts', {
  visible: db => db.selectFrom('accounts').where('accounts.isSecretariat', '=', true),
  news: { subject: null, types: ['token.issued', 'staff.removed'] },
})

export const staffList = listing(staff, (db, actor) => staff.visible(db, actor))

export const firstStaff: PageOrder = {
  name: 'staff',
  direction: 'asc',
  keys: [{ expression: sql.ref('accounts.id'), type: 'uuid' }],
}

/**
 * Removes an account from the staff, and answers its address: its tokens as staff end, and so do the pending invitations
 * that it made, and those of itself to the staff: both may be ways back. What it is for members stays.
 * @throws Forbidden for an actor who was removed a moment ago; InputRefused without a reason, for an address that is none
 * of the staff, and for the last one
 */
export function removeStaff(request: Request, asked: string, reason: string): Promise<string> {
  const check = checkInput()
  const why = check.text(reason, ['reason'], 500)
  check.done()
  const email = asked.trim().toLowerCase()
  const { actor, now } = request
  return change(request, async (tx, report) => {
    const all = await holdStaff(tx)
    if (actor.kind === 'SECRETARIAT' && !all.some(({ id }) => id === actor.accountId))
      throw new Forbidden(text('You are of the staff no more.', '您已不再是秘书处人员。'))
    const one = all.find(account => account.email === email)
    if (!one)
      refuse('NOT_FOUND', ['email'], 'Nobody of the staff has this mail address.', '秘书处人员中没有人使用此邮箱。')
    if (all.length === 1)
      refuse(
        'WRONG_STATUS',
        ['email'],
        'This is the last one of the staff. Invite somebody else first.',
        '这是秘书处的最后一位人员，请先邀请其他人员。',
      )
    await tx.updateTable('accounts').set({ isSecretariat: false }).where('id', '=', one.id).execute()
    await revokeTokens(tx, report, request, await findStaffTokens(tx, one.id), why)
    const revoked = { revokedAt: now, revokedBy: actorReference(actor), revokedReason: why }
    for (const invitation of await revokePendingOfStaff(tx, one, revoked))
      await reportInvitation(report, invitation, 'REVOKED')
    await report({ type: 'staff.removed', subject: one.id, detail: {}, audience: 'SECRETARIAT' })
    return email
  })
}
