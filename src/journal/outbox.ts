import { type RawBuilder, sql } from 'kysely'
import type { Tx } from '../database/client.ts'
import type { Cause, NewEvent } from './catalog.ts'

const columns = sql.raw(
  'outbox (type, subject, detail, audience, audience_members, actor, on_behalf_of, request_id, at)',
)

function values(event: NewEvent, cause: Cause): RawBuilder<unknown> {
  const { type, subject, detail, audience, audienceMembers = [] } = event
  return sql`${type}::text, ${subject}::uuid, ${JSON.stringify(detail)}::jsonb, ${audience}::text,
    ${audienceMembers}::uuid[], ${cause.actor}::text, ${cause.onBehalfOf}::uuid, ${cause.requestId}::text,
    ${cause.at}::timestamptz`
}

/** Writes events beside their change, in the same transaction and in their order. Call it after the change itself. */
export async function appendEvents(tx: Tx, events: readonly NewEvent[], cause: Cause): Promise<void> {
  const rows = sql.join(events.map(event => sql`(${values(event, cause)})`))
  await sql`insert into ${columns} values ${rows}`.execute(tx)
}

/**
 * The same for a change that is one statement, as a part of it: the event is written for each row of `changed`, a CTE
 * of that statement.
 */
export function appendingEvent(event: NewEvent, cause: Cause): RawBuilder<unknown> {
  return sql`insert into ${columns} select ${values(event, cause)} from changed`
}
