import { actorReference } from '../access/actor.ts'
import { change, type Request } from '../access/request.ts'
import { revokeTokens } from '../access/tokens.ts'
import type { Tx } from '../database/client.ts'
import { shanghaiDay } from '../days.ts'
import { refuse } from '../errors.ts'
import { newUuid } from '../ids.ts'
import { checkInput } from '../input.ts'
import type { MemberKey } from '../members/member-id.ts'
import { openMember } from '../members/service.ts'
import { type MemberRow, updateMember } from '../members/store.ts'
import { type Decision, endsOffice, statusAfter, statusesBefore } from './policy.ts'
import { findTokensActingFor, insertTransition, takeJoiningNumber } from './store.ts'

/** What joining gives a body: the next number and today; nothing when it joined before and comes back. */
async function joining(tx: Tx, member: MemberRow, now: Date) {
  if (member.joiningNumber !== null) return {}
  return { joiningNumber: await takeJoiningNumber(tx), joinedOn: shanghaiDay(now) }
}

/**
 * Decides on a membership and logs the change. A first admission gives the next joining number, which stays for ever;
 * withdrawal and expulsion end the tokens of the member's officers and the keys of the portals that it runs. That the actor may decide is the permission
 * MEMBERSHIP_DECIDE, whichever the member.
 * @throws NotFound; InputRefused with CONFLICT, WRONG_STATUS, or for a missing or overlong reason
 */
export async function decideMembership(
  request: Request,
  key: MemberKey,
  decision: Decision,
  input: { readonly expectedVersion: number; readonly reason: string; readonly document?: string | null },
): Promise<MemberRow> {
  const check = checkInput()
  const reason = check.text(input.reason, ['input', 'reason'], 500)
  const document = check.optionalText(input.document, ['input', 'document'], 200)
  check.done()
  return change(request, async (tx, report) => {
    const { actor, now } = request
    const member = await openMember(tx, request, key, input.expectedVersion, () => true)
    const { id } = member
    const from = member.status
    const to = statusAfter(from, decision)
    if (to === null)
      refuse(
        'WRONG_STATUS',
        ['id'],
        `The member is ${from}; this needs ${statusesBefore(decision).join(' or ')}.`,
        `该成员当前状态为 ${from}，此操作要求 ${statusesBefore(decision).join(' 或 ')}。`,
      )
    const joined = decision === 'ADMIT' ? await joining(tx, member, now) : {}
    const changed = await updateMember(tx, id, now, { status: to, ...joined })
    await insertTransition(tx, {
      id: newUuid(now.getTime()),
      memberId: id,
      fromStatus: from,
      toStatus: to,
      at: now,
      actor: actorReference(actor),
      reason,
      document,
    })
    if (endsOffice(to)) await revokeTokens(tx, report, request, await findTokensActingFor(tx, id), reason)
    const { version } = changed
    await report({ type: 'member.membership', subject: id, detail: { from, to, version }, audience: 'PUBLIC' })
    return changed
  })
}
