import type { Tx } from '../database/client.ts'
import { json } from '../database/json.ts'
import type { Cause, EventType, NewEvent } from './catalog.ts'

/** Writes an event beside its change, in the same transaction. Call it after the change itself. */
export async function appendEvent<Type extends EventType>(tx: Tx, event: NewEvent<Type>, cause: Cause): Promise<void> {
  await tx
    .insertInto('outbox')
    .values({
      type: event.type,
      subject: event.subject,
      detail: json(event.detail),
      audience: event.audience,
      audienceMembers: [...(event.audienceMembers ?? [])],
      actor: cause.actor,
      onBehalfOf: cause.onBehalfOf,
      requestId: cause.requestId,
      at: cause.at,
    })
    .execute()
}
