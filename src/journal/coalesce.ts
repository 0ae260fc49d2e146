/** Work of which one run is under way at most. */
export interface Coalesced {
  /** Asks for a run that begins after this call. Any number of calls during a run lead to one more run. */
  request(): void
  /** Resolves when nothing is under way or asked for. */
  settled(): Promise<void>
}

/**
 * Runs `work` one at a time.
 * @param work deals with its own errors: one that it throws is lost to nobody, since it ends the process
 */
export function coalesce(work: () => Promise<void>): Coalesced {
  let running: Promise<void> | null = null
  let asked = false

  async function run(): Promise<void> {
    while (asked) {
      asked = false
      await work()
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
