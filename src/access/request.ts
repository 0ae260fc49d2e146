import type { Db, Tx } from '../database/client.ts'
import { runStatement, type Statement } from '../database/statement.ts'
import { transact, tryAgain } from '../database/transaction.ts'
import type { Cause, EventType, NewEvent } from '../journal/catalog.ts'
import { appendEvents, type Reported } from '../journal/outbox.ts'
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
 * @param statement ends with `appendingEvent`
 * @returns whether it changed the row; when not, nothing is reported either
 */
export async function changeAtOnce<Input extends object>(
  request: Request,
  event: NewEvent,
  statement: Statement<Input & Reported>,
  input: Input,
): Promise<boolean> {
  const values = { ...input, event, cause: causeOf(request) }
  let isRefused = false
  try {
    isRefused = (await tryAgain(request.db, () => runStatement(request.db, statement, values))) === 0
    return !isRefused
  } finally {
    if (!isRefused) request.wake([event])
  }
}
