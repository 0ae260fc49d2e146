import type { Db, Tx } from '../database/client.ts'
import { transact } from '../database/transaction.ts'
import type { EventType, NewEvent } from '../journal/catalog.ts'
import { appendEvent } from '../journal/outbox.ts'
import { type Actor, actorReference } from './actor.ts'
import { secretariatPermissions } from './permissions.ts'

/** What every use case takes first: the database, who asks, and when. */
export interface Request {
  readonly db: Db
  readonly actor: Actor
  /** The moment of the request: one for all that it does. */
  readonly now: Date
  /** The id under which the request is logged. */
  readonly requestId: string
  /** Tells the sequencer that something was committed. */
  readonly wake: () => void
}

/**
 * A request of the service itself or of its operator.
 * @param name what the histories show as the one who did it, such as `scheduler`
 */
export function programRequest(db: Db, now: Date, name: string, wake: () => void = () => undefined): Request {
  return { db, actor: { kind: 'PROGRAM', name, permissions: secretariatPermissions }, now, requestId: name, wake }
}

/** Reports an event within the transaction of its change. */
export type Report = <Type extends EventType>(event: NewEvent<Type>) => Promise<void>

/**
 * Makes a change and reports it: both are committed together or neither is.
 * `work` may run again after a deadlock, so it does nothing outside the transaction.
 */
export async function change<T>(request: Request, work: (tx: Tx, report: Report) => Promise<T>): Promise<T> {
  const { actor, now, requestId } = request
  const cause = {
    actor: actorReference(actor),
    onBehalfOf: actor.kind === 'OFFICER' ? actor.memberId : null,
    requestId,
    at: now,
  }
  const result = await transact(request.db, tx => work(tx, event => appendEvent(tx, event, cause)))
  request.wake()
  return result
}
