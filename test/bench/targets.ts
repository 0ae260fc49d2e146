import { quantile } from './fanout-load.ts'
import { fanoutRatio, median, type Results, ratio } from './results.ts'
import type { LoadWork } from './works.ts'

/** Something that the service is to reach, and whether it did. */
export interface Target {
  readonly what: string
  readonly wanted: string
  readonly measured: string
  readonly isMet: boolean
}

const reads = { profile: 1, page: 1, dashboard: 1.1, update: 0.75 } as const satisfies Record<LoadWork, number>
const cached = { profile: 2.5, page: 10, dashboard: 10 } as const satisfies Partial<Record<LoadWork, number>>
const fanout = 0.9
/** Kilobytes per socket, as `graphql-ws` alone takes; and how much slower the slowest hundredth of queries may be. */
const listener = { kilobytes: 55, p99: 5 } as const
/** Milliseconds and megabytes. */
const start = { embedded: 1_500, memory: 200 } as const

export const countGroups = (groups: number) => (groups === 1 ? '1 group' : `${groups} groups`)

const short = (value: number) => value.toFixed(2)

/** The targets that this run can judge. */
export function judge({ load, contestants, fanout: live, listeners, start: started }: Results): Target[] {
  const targets: Target[] = []
  const atLeast = (what: string, wanted: number, measured: number | undefined) => {
    if (measured === undefined || Number.isNaN(measured)) return
    targets.push({ what, wanted: `≥ ${wanted}`, measured: short(measured), isMet: measured >= wanted })
  }
  for (const [work, wanted] of Object.entries(reads) as [LoadWork, number][])
    atLeast(`${work}, of the yardstick`, wanted, ratio(load, work, 'ours')?.median)
  for (const [work, wanted] of Object.entries(cached) as [LoadWork, number][])
    atLeast(`${work} with answers cached, of the yardstick`, wanted, ratio(load, work, 'ours-cached')?.median)
  for (const work of Object.keys(reads) as LoadWork[]) {
    const peers = contestants.flatMap(({ name, isPeer }) => {
      const found = isPeer ? ratio(load, work, 'ours', name) : null
      return found ? [{ name, ahead: found.median }] : []
    })
    const nearest = peers.sort((a, b) => a.ahead - b.ahead)[0]
    if (nearest && !Number.isNaN(nearest.ahead))
      targets.push({
        what: `${work}, of the fastest peer`,
        wanted: '> 1',
        measured: `${short(nearest.ahead)} (${nearest.name})`,
        isMet: nearest.ahead > 1,
      })
  }
  for (const results of live)
    atLeast(`fan-out, ${countGroups(results.groups)}, of the yardstick`, fanout, fanoutRatio(results)?.median)
  const atMost = (what: string, wanted: number, measured: number | null | undefined, unit: string) => {
    if (measured == null || Number.isNaN(measured)) return
    const shown = unit === '×' ? short(measured) : Math.round(measured)
    targets.push({ what, wanted: `≤ ${wanted} ${unit}`, measured: `${shown} ${unit}`, isMet: measured <= wanted })
  }
  atMost('memory of an idle subscribed socket', listener.kilobytes, listeners?.kilobytes, 'KB')
  if (listeners)
    atMost(
      'p99 of a query under fan-out, of idle',
      listener.p99,
      quantile(listeners.busy, 0.99) / quantile(listeners.idle, 0.99),
      '×',
    )
  if (started) {
    atMost('start to ready on PGlite with existing data', start.embedded, median(started.embedded), 'ms')
    atMost('resident memory on PostgreSQL, idle', start.memory, median(started.memory), 'MB')
  }
  return targets
}
