import { spawnSync } from 'node:child_process'
import type { Running } from './check.ts'
import { type ListenerCosts, measureListeners } from './fanout-load.ts'
import { openFanout, operationsOf } from './fanout-run.ts'
import { residentMemory, startService } from './processes.ts'
import { type FanoutResults, median } from './results.ts'
import { countGroups } from './targets.ts'

/** What is asked of the live works. */
export interface LivePlan {
  readonly sockets: number
  readonly rounds: number
  readonly seconds: number
  /** Into how many groups that ask differently the listeners fall; measured one after the other. */
  readonly groups: readonly number[]
}

/** Some hundred sockets don't count: they are for what a process loads once. */
const leastListeners = 1_000

/** Every listener is an open file, here and in the server. Node raises its own limit as far as it may. */
export function checkOpenFiles(sockets: number): void {
  // Both contestants' listeners are open at the same time, in one process.
  const needed = 2 * sockets + 200
  const limit = spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).stdout?.trim()
  if (limit && limit !== 'unlimited' && Number(limit) < needed)
    throw new Error(
      `The fan-out needs ${needed} open files per process, and the limit is ${limit}. ` +
        `Raise it (ulimit -Hn ${needed}), give --sockets fewer, or leave it out with --works.`,
    )
}

async function measureGroups(
  { sockets, rounds }: LivePlan,
  groups: number,
  runners: Readonly<Record<'ours' | 'bare', Running>>,
  token: string,
  progress: (message: string) => void,
): Promise<FanoutResults> {
  const fanout = await openFanout(runners, token, sockets, progress, operationsOf(groups))
  try {
    const samples: FanoutResults = { groups, ours: [], bare: [] }
    for (let round = 0; round < rounds; round++)
      for (const name of round % 2 === 0 ? (['ours', 'bare'] as const) : (['bare', 'ours'] as const))
        samples[name].push(...(await fanout.measure(name)))
    const took = (name: 'ours' | 'bare') => Math.round(median(samples[name].map(({ first, last }) => last - first)))
    progress(`  ${countGroups(groups)}: ours ${took('ours')} ms, bare ${took('bare')} ms`)
    return samples
  } finally {
    await fanout.stop()
  }
}

/**
 * Fans announcements out to thousands of sockets: after the other works, which idle sockets would disturb.
 * @param url the database of the service
 */
export async function measureLive(
  plan: LivePlan,
  running: readonly Running[],
  token: string,
  url: string,
  progress: (message: string) => void,
): Promise<{ readonly fanout: FanoutResults[]; readonly listeners: ListenerCosts }> {
  const named = (name: string) => running.find(contestant => contestant.name === name)!
  const runners = { ours: named('ours'), bare: named('bare') }
  progress(`fan-out to ${plan.sockets} sockets`)
  // One that has done nothing yet: what the other works left free in memory would take the sockets in unseen.
  const fresh = await startService({ DATABASE_URL: url })
  const listeners = await measureListeners({
    runner: { child: fresh, port: fresh.port },
    token,
    sockets: Math.max(plan.sockets, leastListeners),
    rounds: Math.min(plan.rounds, 3),
    seconds: plan.seconds,
    memory: pid => {
      const megabytes = residentMemory(pid)
      return megabytes === null ? null : megabytes * 1024
    },
    progress,
  }).finally(fresh.stop)
  const fanout: FanoutResults[] = []
  for (const groups of plan.groups) fanout.push(await measureGroups(plan, groups, runners, token, progress))
  return { fanout, listeners }
}
