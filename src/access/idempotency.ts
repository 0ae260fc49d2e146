import { createHash } from 'node:crypto'
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
