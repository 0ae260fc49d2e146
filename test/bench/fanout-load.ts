import { setTimeout as sleep } from 'node:timers/promises'
import type { Arrival, AwaitCommand, OpenCommand } from './fanout.ts'
import { draft, operationsOf, publish } from './fanout-run.ts'
import { clock, type Runner, startWorker } from './processes.ts'

/** What thousands of listeners cost a process that does other things, too. */
export interface ListenerCosts {
  readonly sockets: number
  /** Kilobytes of the service's memory per idle subscribed socket; null where the system does not tell. */
  readonly kilobytes: number | null
  /** Milliseconds that a light query takes: with all of them idle, and while announcements go out to all without a pause. */
  readonly idle: readonly number[]
  readonly busy: readonly number[]
  /** Announcements that went out meanwhile. */
  readonly announcements: number
}

/** The middle, or another share, of some numbers. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

/** Small, but one that looks into the database. */
const lightDocument = '{ members(first: 1) { nodes { id } } }'
/** Milliseconds between two queries: few enough to measure how long they wait and not what they cost. */
const pause = 5
/** Sockets before anything counts: what a process loads and compiles once is not theirs. */
const warmups = 500

async function timeQuery(port: number): Promise<number> {
  const begun = performance.now()
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: lightDocument }),
  })
  const answer = (await response.json()) as { errors?: unknown }
  if (answer.errors) throw new Error(`The light query failed: ${JSON.stringify(answer.errors)}`)
  return performance.now() - begun
}

/** Asks one query after the other until told to stop. */
async function timeQueries(port: number, isOver: () => boolean): Promise<number[]> {
  const times: number[] = []
  while (!isOver()) {
    times.push(await timeQuery(port))
    await sleep(pause)
  }
  return times
}

/**
 * Connects listeners to the service, measures their memory, and then, in turns, how long a query takes while they are idle
 * and while all of them hear one announcement after the other.
 * @param options.memory kilobytes that the process holds; null where the system does not tell
 * @throws Error when an announcement does not reach all
 */
export async function measureListeners(options: {
  readonly runner: Runner
  readonly token: string
  readonly sockets: number
  readonly rounds: number
  readonly seconds: number
  readonly memory: (pid: number) => number | null
  readonly progress: (message: string) => void
}): Promise<ListenerCosts> {
  const { runner, token, sockets, rounds, seconds, memory, progress } = options
  const { port, child } = runner
  const listeners = await startWorker(new URL('./fanout.ts', import.meta.url))
  const contestant = 'ours'

  const open = (count: number) =>
    listeners.ask({
      do: 'open',
      contestant,
      url: `ws://127.0.0.1:${port}/graphql`,
      count,
      operations: operationsOf(1),
    } satisfies OpenCommand)

  /** Garbage is collected as requests come. */
  async function settledMemory(): Promise<number | null> {
    for (let i = 0; i < 200; i++) await timeQuery(port)
    await sleep(1_000)
    return memory(child.pid)
  }

  async function announce(): Promise<number> {
    const announcement = await draft(port, token)
    await listeners.ask({ do: 'await', contestant, patience: 20_000 } satisfies AwaitCommand)
    const coming = listeners.hear<Arrival>()
    coming.catch(() => undefined)
    await publish(port, token, announcement)
    const { count, fault } = await coming
    if (fault !== null) throw new Error(`fanout: ${fault}`)
    return count
  }

  try {
    await open(warmups)
    await announce()
    const before = await settledMemory()
    const begun = clock()
    await open(sockets - warmups)
    progress(`${sockets} sockets open after ${Math.round(clock() - begun)} ms`)
    const after = await settledMemory()
    const kilobytes = before === null || after === null ? null : (after - before) / (sockets - warmups)

    // A subscription is not acknowledged: the first that reaches all tells that all stand.
    for (let attempt = 1; (await announce()) < sockets; attempt++)
      if (attempt === 5) throw new Error(`fanout: not all of ${sockets} heard an announcement.`)
    const idle: number[] = []
    const busy: number[] = []
    let announcements = 0
    for (let round = 0; round < rounds; round++) {
      const end = clock() + seconds * 1000
      idle.push(...(await timeQueries(port, () => clock() >= end)))
      let isBusy = true
      const asking = timeQueries(port, () => !isBusy)
      const busyEnd = clock() + seconds * 1000
      try {
        while (clock() < busyEnd) {
          const count = await announce()
          if (count !== sockets) throw new Error(`fanout: only ${count} of ${sockets} heard an announcement.`)
          announcements++
        }
      } finally {
        isBusy = false
      }
      busy.push(...(await asking))
    }
    return { sockets, kilobytes, idle, busy, announcements }
  } finally {
    await listeners.stop()
  }
}
