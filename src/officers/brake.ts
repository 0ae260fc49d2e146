import { isStaff } from '../access/actor.ts'
import type { Request } from '../access/request.ts'
import type { Tx } from '../database/client.ts'
import { refuse } from '../errors.ts'

/** What officers may cause within a day: mails to one address, and invitations to one member. */
const most = { mails: 5, invitations: 200 }
const day = 86_400_000

/**
 * Keeps officers from flooding others with mails in the alliance's name. The secretariat may do more.
 * @param field where the input has the person
 * @throws InputRefused with TOO_MANY
 */
export async function demandRest(
  tx: Tx,
  { actor, now }: Request,
  { memberId, email }: { readonly memberId: string; readonly email: string },
  field: readonly string[],
): Promise<void> {
  if (isStaff(actor)) return
  const since = new Date(now.getTime() - day)
  const mails = tx
    .selectFrom('mails')
    .select('id')
    .where('recipient', '=', email)
    .where('createdAt', '>', since)
    .limit(most.mails)
  if ((await mails.execute()).length === most.mails)
    refuse(
      'TOO_MANY',
      field,
      `This address was sent ${most.mails} mails within a day. Wait, or ask the secretariat.`,
      `一天之内已向该邮箱发送 ${most.mails} 封邮件。请稍后再试，或联系秘书处。`,
    )
  const invitations = tx
    .selectFrom('invitations')
    .select('id')
    .where('memberId', '=', memberId)
    .where('createdAt', '>', since)
    .limit(most.invitations)
  if ((await invitations.execute()).length === most.invitations)
    refuse(
      'TOO_MANY',
      field,
      `Your member invited ${most.invitations} people within a day. Wait, or ask the secretariat.`,
      `贵单位一天之内已邀请 ${most.invitations} 人。请稍后再试，或联系秘书处。`,
    )
}
