import { setTimeout as sleep } from 'node:timers/promises'

/** Work of which one run is under way at most. */
export interface Coalesced {
  /** Asks for a run that begins after this call. Any number of calls during a run lead to one more run. */
  request(): void
  /** Resolves when nothing is under way or asked for. */
  settled(): Promise<void>
}

/** The longest rest, in milliseconds. */
const longestRest = 50

/**
 * Runs `work` one at a time.
 * @param work deals with its own errors: one that it throws is lost to nobody, since it ends the process
 * @param rest how many times as long as a run took there is none after it, so that under load many calls share a run;
 * a call after the rest begins one at once
 */
export function coalesce(work: () => Promise<void>, rest = 0): Coalesced {
  let running: Promise<void> | null = null
  let asked = false
  let restUntil = 0

  async function run(): Promise<void> {
    while (asked) {
      const pause = restUntil - performance.now()
      if (pause > 0) await sleep(pause)
      asked = false
      const begun = performance.now()
      await work()
      const ended = performance.now()
      restUntil = ended + Math.min(rest * (ended - begun), longestRest)
    }
    running = null
  }

  return {
    request: () => {
      asked = true
      running ??= run()
    },
    settled: async () => {
      while (running) await running
    },
  }
}
