import type { RawBuilder } from 'kysely'
import type { Db, Tx } from '../database/client.ts'
import { transact, tryAgain } from '../database/transaction.ts'
import type { Cause, EventType, NewEvent } from '../journal/catalog.ts'
import { appendEvents, appendingEvent } from '../journal/outbox.ts'
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
  /** Tells this process what was committed, before the caller is answered: the journal wakes, caches drop what they kept. */
  readonly wake: (events: readonly NewEvent[]) => void
}

/**
 * A request of the service itself or of its operator.
 * @param name what the histories show as the one who did it, such as `scheduler`
 */
export function programRequest(db: Db, now: Date, name: string, wake: Request['wake'] = () => undefined): Request {
  return { db, actor: { kind: 'PROGRAM', name, permissions: secretariatPermissions }, now, requestId: name, wake }
}

/** Reports an event of a change: it is written at the end of the change's transaction, after all that was reported before. */
export type Report = <Type extends EventType>(event: NewEvent<Type>) => Promise<void>

function causeOf({ actor, now, requestId }: Request): Cause {
  return {
    actor: actorReference(actor),
    onBehalfOf: actor.kind === 'OFFICER' ? actor.memberId : null,
    requestId,
    at: now,
  }
}

/**
 * Makes a change and reports it: both are committed together or neither is.
 * `work` may run again after a deadlock, so it does nothing outside the transaction.
 */
export async function change<T>(request: Request, work: (tx: Tx, report: Report) => Promise<T>): Promise<T> {
  let events: NewEvent[] = []
  try {
    return await transact(request.db, async tx => {
      events = []
      const result = await work(tx, async event => void events.push(event))
      if (events.length > 0) await appendEvents(tx, events, causeOf(request))
      return result
    })
  } finally {
    // After an error, too: when the answer to a commit gets lost, it may have happened.
    if (events.length > 0) request.wake(events)
  }
}

/**
 * Makes a change of one row that is one statement, without a lock and a transaction around it, and reports it.
 * @param statement takes the CTE that reports, to be part of the statement: it is for the row of a CTE named `changed`
 * @returns the row that the statement answers; undefined when it changed nothing, and then nothing is reported either
 */
export async function changeAtOnce<Row, Type extends EventType>(
  request: Request,
  event: NewEvent<Type>,
  statement: (reporting: RawBuilder<unknown>) => RawBuilder<Row>,
): Promise<Row | undefined> {
  let isRefused = false
  try {
    const whole = statement(appendingEvent(event, causeOf(request)))
    const { rows } = await tryAgain(request.db, () => whole.execute(request.db))
    isRefused = rows.length === 0
    return rows[0]
  } finally {
    if (!isRefused) request.wake([event])
  }
}
