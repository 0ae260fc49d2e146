import { setTimeout as sleep } from 'node:timers/promises'
import { programRequest, type Request } from '../access/request.ts'
import type { Db } from '../database/client.ts'
import type { NewEvent } from '../journal/catalog.ts'
import { coalesce } from '../journal/coalesce.ts'
import { fillMarks } from './marks.ts'
import type { Transport } from './smtp.ts'
import { type MailPurpose, type MailRow, noteOutcome, type Outcome, takeDueMails } from './store.ts'

/**
 * Makes the secret of a mail at the moment when it is sent, and keeps its hash. Null when the mail is not to be sent any
 * more. It runs again with every attempt, also after one of which nobody knows whether it arrived.
 */
export type MakeCode = (request: Request, mail: Pick<MailRow, 'id' | 'about'>) => Promise<string | null>

/** What a deliverer is started with. */
interface Options {
  readonly db: Db
  /** The clock. */
  readonly now: () => Date
  /** Null without a mail server: then mails are logged and done with. */
  readonly transport: Transport | null
  /** The address under which people reach the service, without a slash at the end. */
  readonly publicUrl: string
  readonly codes: Readonly<Record<MailPurpose, MakeCode>>
  /** Tells the operator of a mail, by its id, never by what it says. */
  readonly onSent: (mail: Pick<MailRow, 'id' | 'purpose'>) => void
  readonly onFailed: (mail: Pick<MailRow, 'id' | 'purpose' | 'attempts'>, why: string, isFinal: boolean) => void
  /** Shows a mail for want of a mail server. A mark stands for its code. */
  readonly onLogged: (mail: Pick<MailRow, 'id' | 'purpose' | 'recipient' | 'subject' | 'text'>) => void
  readonly onError: (error: unknown) => void
}

/** A running deliverer. */
export interface Deliverer {
  /** Looks again now: a mail was written. */
  wake(): void
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
  /** Ends it. What is in hand has a few seconds; after that it is tried again when its lease is over. */
  stop(): Promise<void>
}

/** How often is looked for what nobody woke us for, in milliseconds. */
const sweepInterval = 5_000
/** How many mails are in hand at a time, and for how long they are ours: longer than an attempt can take. */
const batch = 5
const lease = 2 * 60_000
/** The pauses between attempts grow from the first to the longest; after the limit a mail is given up. */
const firstPause = 10_000
const longestPause = 3_600_000
const limit = 7 * 86_400_000
/** How long the end waits for what is in hand. */
const lastWait = 3_000

/** How long to wait after so many attempts, in milliseconds. */
export function pauseAfter(attempts: number): number {
  return Math.min(longestPause, firstPause * 2 ** (attempts - 1))
}

/** What comes of a failed attempt: another one, until a mail is seven days old. */
export function afterFailure(mail: Pick<MailRow, 'attempts' | 'createdAt'>, now: Date, lastError: string): Outcome {
  const nextAttemptAt = new Date(now.getTime() + pauseAfter(mail.attempts))
  const isOver = nextAttemptAt.getTime() - mail.createdAt.getTime() > limit
  return isOver ? { state: 'FAILED', lastError } : { state: 'WAITING', lastError, nextAttemptAt }
}

/** Why an attempt failed, for the list of mails: what the server answers may be long, and might repeat what it was sent. */
function reasonOf(error: unknown, code: string): string {
  const words = error instanceof Error ? error.message : String(error)
  return words.replaceAll(code, '…').slice(0, 500)
}

/** Whether events tell of a mail that waits. */
export function isMailWritten(events: readonly Pick<NewEvent, 'type'>[]): boolean {
  return events.some(({ type }) => type === 'mail.written')
}

/**
 * Sends the mails of the outbox: at once when woken, and by a sweep. Each is in the hands of one process at a time; one
 * that is killed leaves them to the others, which take them when the lease is over.
 */
export function startDeliverer(options: Options): Deliverer {
  const { db, now, transport, publicUrl, codes, onSent, onFailed, onLogged, onError } = options
  let stopped = false

  async function attempt(mail: MailRow): Promise<Outcome> {
    if (!transport) {
      onLogged({ ...mail, text: fillMarks(mail.text, { url: publicUrl, code: '[…]' }) })
      return { state: 'LOGGED' }
    }
    const code = await codes[mail.purpose](programRequest(db, now(), 'mail'), mail)
    if (code === null) return { state: 'WITHDRAWN' }
    try {
      await transport.send({ ...mail, text: fillMarks(mail.text, { url: publicUrl, code }) })
    } catch (error) {
      const outcome = afterFailure(mail, now(), reasonOf(error, code))
      onFailed(mail, reasonOf(error, code), outcome.state === 'FAILED')
      return outcome
    }
    onSent(mail)
    return { state: 'SENT', sentAt: now() }
  }

  /** One mail. What fails here but the sending, such as the database, leaves the mail to its lease. */
  async function deliver(mail: MailRow): Promise<void> {
    try {
      await noteOutcome(db, mail, await attempt(mail))
    } catch (error) {
      onError(error)
    }
  }

  const runs = coalesce(async () => {
    try {
      while (!stopped) {
        const moment = now()
        const taken = await takeDueMails(db, moment, new Date(moment.getTime() + lease), batch)
        if (taken.length === 0) return
        await Promise.all(taken.map(deliver))
      }
    } catch (error) {
      onError(error)
    }
  })
  const timer = setInterval(runs.request, sweepInterval)
  runs.request()

  return {
    wake: () => {
      if (!stopped) runs.request()
    },
    idle: runs.settled,
    stop: async () => {
      stopped = true
      clearInterval(timer)
      await Promise.race([runs.settled(), sleep(lastWait, undefined, { ref: false })])
    },
  }
}
