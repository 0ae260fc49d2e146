import { programRequest, type Request } from '../access/request.ts'
import type { Db } from '../database/client.ts'
import { isEvent, type JournalEvent } from '../journal/catalog.ts'
import { publishScheduled } from './publishing.ts'
import { findDue, findNextDue } from './store.ts'

/** What the scheduler needs of the process. */
export interface SchedulerServices {
  readonly db: Db
  /** The clock. */
  readonly now: () => Date
  /** Tells this process what was committed. */
  readonly wake: Request['wake']
}

/** The longest sleep: by then schedules that other processes made are seen. */
const longestSleep = 1000
/** Between looks at something that is due but in another process's hands, or about to be. */
const shortestSleep = 10
const longestBackoff = 60_000

/**
 * Publishes everything that is due, each announcement in a transaction of its own. Of several processes that do so at
 * once exactly one publishes each.
 * @param onError hears of each announcement that failed; the others go out all the same
 * @param except UUIDs to leave out for now
 * @returns UUIDs of those that went out or, for want of recipients, back to draft
 */
export async function publishDue(
  services: SchedulerServices,
  onError: (error: unknown, announcementId: string) => void,
  except: readonly string[] = [],
): Promise<string[]> {
  const done: string[] = []
  const passed = new Set(except)
  for (;;) {
    const due = await findDue(services.db, services.now(), [...passed])
    if (due.length === 0) return done
    for (const id of due) {
      // Whatever comes of it, once in a run is enough: what another process holds is that one's.
      passed.add(id)
      try {
        const request = programRequest(services.db, services.now(), 'scheduler', services.wake)
        if (await publishScheduled(request, id)) done.push(id)
      } catch (error) {
        onError(error, id)
      }
    }
  }
}

const scheduling: ReadonlySet<string> = new Set(['SCHEDULED', 'EDITED', 'UNSCHEDULED'])

/** Whether an event may alter what is to be published next: then a running scheduler is to be woken. */
export function isScheduling(event: JournalEvent): boolean {
  return isEvent(event, 'announcement.changed') && scheduling.has(event.detail.change)
}

/** A running scheduler. */
export interface Scheduler {
  /** Looks again now: a schedule was made or changed. */
  wake(): void
  /** Ends it, after what is in hand. */
  stop(): Promise<void>
}

/**
 * Publishes scheduled announcements on their time, and at once what fell due while no process ran.
 * An announcement that fails is tried again with growing pauses, up to a minute, and holds up no other.
 * @param onError hears of every failure
 */
export function startScheduler(services: SchedulerServices, onError: (error: unknown) => void): Scheduler {
  const failures = new Map<string, { count: number; retryAt: number }>()
  let stopped = false
  let woken = false
  let endSleep = () => {}

  const sleep = (milliseconds: number) =>
    new Promise<void>(resolve => {
      if (stopped || woken) return resolve()
      const timer = setTimeout(resolve, milliseconds)
      endSleep = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  /** One look: publishes what is due, and answers how long to sleep. */
  const look = async (): Promise<number> => {
    const held = [...failures].filter(([, { retryAt }]) => retryAt > performance.now()).map(([id]) => id)
    let next = await findNextDue(services.db, held)
    if (next && next <= services.now()) {
      const failed = new Set<string>()
      await publishDue(
        services,
        (error, id) => {
          const count = (failures.get(id)?.count ?? 0) + 1
          failures.set(id, { count, retryAt: performance.now() + Math.min(longestBackoff, 500 * 2 ** count) })
          failed.add(id)
          onError(error)
        },
        held,
      )
      // What did not fail again was published by us, or is another's business by now.
      for (const id of failures.keys()) if (!held.includes(id) && !failed.has(id)) failures.delete(id)
      next = await findNextDue(services.db, [...held, ...failed])
    }
    return next ? next.getTime() - services.now().getTime() : longestSleep
  }

  const run = async () => {
    while (!stopped) {
      woken = false
      let pause = longestSleep
      try {
        pause = await look()
      } catch (error) {
        onError(error)
      }
      await sleep(Math.min(longestSleep, Math.max(shortestSleep, pause)))
    }
  }
  const running = run()

  return {
    wake: () => {
      woken = true
      endSleep()
    },
    stop: () => {
      stopped = true
      endSleep()
      return running
    },
  }
}
