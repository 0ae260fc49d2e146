import { type RawBuilder, sql } from 'kysely'
import type { Tx } from '../database/client.ts'
import { statement } from '../database/statement.ts'
import type { Cause, NewEvent } from './catalog.ts'

function values(event: NewEvent, cause: Cause): RawBuilder<unknown> {
  const { type, subject, detail, audience, audienceMembers = [] } = event
  return sql`${type}::text, ${subject}::uuid, ${JSON.stringify(detail)}::jsonb, ${audience}::text,
    ${audienceMembers}::uuid[], ${cause.actor}::text, ${cause.onBehalfOf}::uuid, ${cause.requestId}::text,
    ${cause.at}::timestamptz`
}

/** Writes events beside their change, in the same transaction and in their order. Call it after the change itself. */
export async function appendEvents(tx: Tx, events: readonly NewEvent[], cause: Cause): Promise<void> {
  const rows = sql.join(events.map(event => sql`(${values(event, cause)})`))
  await sql`
    insert into outbox (type, subject, detail, audience, audience_members, actor, on_behalf_of, request_id, at)
    values ${rows}`.execute(tx)
}

/** An event, and on whose account it happens. */
export interface Reported {
  readonly event: NewEvent
  readonly cause: Cause
}

/** On whose account a change of one statement happens, as values of that statement. */
export const causing = {
  actor: ({ cause }: Reported) => cause.actor,
  onBehalfOf: ({ cause }: Reported) => cause.onBehalfOf,
  at: ({ cause }: Reported) => cause.at,
}

/**
 * The same as `appendEvents` for a change that is one statement, as the end of it: the event is written for each row of
 * `changed`, a CTE of that statement.
 */
export const appendingEvent = statement<Reported>`
  insert into outbox (type, subject, detail, audience, audience_members, actor, on_behalf_of, request_id, at)
  select ${({ event }) => event.type}::text, ${({ event }) => event.subject}::uuid,
    ${({ event }) => JSON.stringify(event.detail)}::jsonb, ${({ event }) => event.audience}::text,
    ${({ event }) => event.audienceMembers ?? []}::uuid[], ${causing.actor}::text, ${causing.onBehalfOf}::uuid,
    ${({ cause }) => cause.requestId}::text, ${causing.at}::timestamptz
  from changed`
