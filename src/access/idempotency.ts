import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import type { Tx } from '../database/client.ts'
import { refuse } from '../errors.ts'
import { actorReference } from './actor.ts'
import type { Request } from './request.ts'

/**
 * Makes a creation happen once for each key of a caller: a repeated call answers the thing made first.
 * Must run in the transaction of the creation. Two calls at once: the second waits for the first.
 * @param create makes the thing and answers its UUID
 * @returns the UUID, and whether it was made by this call
 * @throws InputRefused when the key came before with another input
 */
export async function once(
  tx: Tx,
  request: Request,
  call: { operation: string; key: string | null | undefined; input: unknown },
  create: () => Promise<string>,
): Promise<{ id: string; isNew: boolean }> {
  if (call.key == null) return { id: await create(), isNew: true }
  const field = ['idempotencyKey']
  if (call.key.length < 1 || call.key.length > 200)
    refuse('INVALID', field, 'A key has 1 to 200 characters.', '键的长度须为 1 到 200 个字符。')
  const actor = actorReference(request.actor)
  const inputHash = createHash('sha256').update(JSON.stringify(call.input)).digest()
  const nobody = '00000000-0000-0000-0000-000000000000'
  const claimed = await tx
    .insertInto('idempotencyKeys')
    .values({ actor, operation: call.operation, key: call.key, inputHash, subject: nobody, at: request.now })
    .onConflict(conflict => conflict.doNothing())
    .returning('key')
    .executeTakeFirst()
  if (!claimed) {
    const first = await tx
      .selectFrom('idempotencyKeys')
      .select(['inputHash', 'subject'])
      .where('actor', '=', actor)
      .where('operation', '=', call.operation)
      .where('key', '=', call.key)
      .executeTakeFirstOrThrow()
    if (!first.inputHash.equals(inputHash))
      refuse(
        'IDEMPOTENCY_KEY_REUSED',
        field,
        'This key came before with another input. Use a new key for a new thing.',
        '此键已用于其他内容。新建内容请使用新的键。',
      )
    return { id: first.subject, isNew: false }
  }
  await forgetOldKeys(tx, request.now)
  const id = await create()
  await tx
    .updateTable('idempotencyKeys')
    .set({ subject: id })
    .where('actor', '=', actor)
    .where('operation', '=', call.operation)
    .where('key', '=', call.key)
    .execute()
  return { id, isNew: true }
}

/** How long a key is kept: longer than any client tries again. */
const keyLife = 2 * 86_400_000

/** Deletes some keys that are past their time, at most as many as would soon pile up; others at it are not waited for. */
async function forgetOldKeys(tx: Tx, now: Date): Promise<void> {
  await sql`
    delete from idempotency_keys where ctid = any(array(
      select ctid from idempotency_keys where at < ${new Date(now.getTime() - keyLife)}::timestamptz
      limit 10 for update skip locked
    ))`.execute(tx)
}
