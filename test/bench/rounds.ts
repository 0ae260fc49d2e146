import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import type { Prepared, Running } from './check.ts'
import { takesPart } from './contestants.ts'
import type { Job, Measurement } from './load.ts'
import { clock, processorTime, type Worker } from './processes.ts'
import type { LoadResults, LoadSample } from './results.ts'
import type { LoadWork } from './works.ts'

/** What the rounds are run with. */
export interface Track {
  readonly running: readonly Running[]
  readonly prepared: Prepared
  readonly load: Worker
  /** A connection to the database of each contestant. */
  readonly databases: ReadonlyMap<string, pg.Client>
  /** Whether PostgreSQL runs on this machine, so that its processes can be looked at. */
  readonly isLocal: boolean
  readonly clients: number
  readonly works: readonly LoadWork[]
}

/** How long the journal of the service may take to order what a measurement wrote. */
const patience = 60_000

/** Lets a contestant finish what its updates left behind, so that it does not run while others are measured. */
async function settle(database: pg.Client, hasSequencer: boolean): Promise<void> {
  const end = clock() + patience
  while (hasSequencer) {
    const { rowCount } = await database.query('select from outbox limit 1')
    if (rowCount === 0) break
    if (clock() > end) throw new Error(`The outbox is not empty after ${patience / 1000} s.`)
    await sleep(50)
  }
  await database.query('vacuum analyze members')
}

/** Microseconds of processor that the backends of a database have used, by their process ids; empty when they run elsewhere. */
async function backendTimes(database: pg.Client, isLocal: boolean): Promise<Map<number, number>> {
  if (!isLocal) return new Map()
  const { rows } = await database.query<{ pid: number }>(
    'select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  )
  return new Map(rows.flatMap(({ pid }) => [[pid, processorTime(pid)] as const].filter(hasTime)))
}

const hasTime = (entry: readonly [number, number | null]): entry is readonly [number, number] => entry[1] !== null

async function measure(
  { prepared, load, databases, isLocal, clients }: Track,
  { name, dialect, child, port }: Running,
  work: LoadWork,
  seconds: number,
): Promise<LoadSample> {
  const database = databases.get(name)!
  const backendsBefore = await backendTimes(database, isLocal)
  const before = processorTime(child.pid)
  const loadBefore = processorTime(load.pid)
  const begun = clock()
  const calls = prepared.calls(work, name)
  const measurement = await load.ask<Measurement>({
    port,
    clients,
    warmup: seconds / 4,
    seconds,
    calls,
  } satisfies Job)
  const milliseconds = clock() - begun
  const loadAfter = processorTime(load.pid)
  if (measurement.errors > 0 || measurement.allRequests === 0)
    throw new Error(`${work} of ${name}: ${measurement.errors} wrong answers. ${measurement.firstError}`)
  // What the service does after it answered counts as its work, too.
  if (work === 'update') await settle(database, dialect === 'service')
  const after = processorTime(child.pid)
  const backends = [...(await backendTimes(database, isLocal))].map(
    ([pid, time]) => time - (backendsBefore.get(pid) ?? 0),
  )
  return {
    ...measurement,
    cpuMicros: before === null || after === null ? null : (after - before) / measurement.allRequests,
    postgresMicros:
      backends.length === 0 ? null : backends.reduce((sum, time) => sum + time, 0) / measurement.allRequests,
    loadShare: loadBefore === null || loadAfter === null ? null : (loadAfter - loadBefore) / 1000 / milliseconds,
  }
}

/** Everybody once, without counting, so that no round meets a program that has not been compiled. */
export async function warmUp(track: Track, seconds: number): Promise<void> {
  for (const work of track.works)
    for (const contestant of track.running)
      if (takesPart(contestant.name, work)) await measure(track, contestant, work, seconds)
}

/** One round: every work of every contestant, in an order that moves on from work to work and from round to round. */
export async function runRound(
  track: Track,
  round: number,
  seconds: number,
  results: LoadResults,
  progress: (message: string) => void,
): Promise<void> {
  for (const [i, work] of track.works.entries()) {
    const taking = track.running.filter(({ name }) => takesPart(name, work))
    const first = (round * track.works.length + i) % taking.length
    const seen: string[] = []
    for (const contestant of [...taking.slice(first), ...taking.slice(0, first)]) {
      const sample = await measure(track, contestant, work, seconds)
      results[work] ??= {}
      results[work][contestant.name] ??= []
      results[work][contestant.name]!.push(sample)
      seen.push(`${contestant.name} ${Math.round(sample.perSecond)}`)
    }
    progress(`  ${work}: ${seen.join(', ')}`)
  }
}
