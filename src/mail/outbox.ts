import type { Report, Request } from '../access/request.ts'
import type { Tx } from '../database/client.ts'
import { newUuid } from '../ids.ts'
import { insertMail, type NewMail } from './store.ts'

/**
 * Writes a mail in the transaction of the change that causes it, and answers its UUID: both are committed or neither is.
 * It is sent soon after the commit. Like all that waits in an outbox it may go out twice: when a process ends between the
 * mail server's word and our note. Both then have one Message-ID.
 */
export async function writeMail(
  tx: Tx,
  report: Report,
  { now }: Request,
  mail: Omit<NewMail, 'id' | 'createdAt'>,
): Promise<string> {
  const id = newUuid(now.getTime())
  await insertMail(tx, { ...mail, id, createdAt: now })
  await report({ type: 'mail.written', subject: id, detail: { purpose: mail.purpose }, audience: 'SECRETARIAT' })
  return id
}
