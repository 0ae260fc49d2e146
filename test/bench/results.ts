import type { ContestantName } from './contestants.ts'
import type { ListenerCosts } from './fanout-load.ts'
import type { Measurement } from './load.ts'
import type { FanoutSample } from './report.ts'
import type { StartFigures } from './start.ts'
import type { Contestant, LoadWork } from './works.ts'

/** One measurement of a work by HTTP. */
export interface LoadSample extends Measurement {
  /** Processor time of the server per request, in microseconds; null where the system does not tell. */
  readonly cpuMicros: number | null
  /** The same of PostgreSQL. */
  readonly postgresMicros: number | null
  /** The part of one processor that the load took; null where the system does not tell. */
  readonly loadShare: number | null
}

/** What was measured by HTTP, in the order of the rounds. */
export type LoadResults = Partial<Record<LoadWork, Partial<Record<ContestantName, LoadSample[]>>>>

/** What was measured of announcements to all sockets, in the order of the rounds. */
export interface FanoutResults extends Record<Contestant, FanoutSample[]> {
  readonly groups: number
}

/** All that a run found out. */
export interface Results {
  /** Where and when. */
  readonly machine: Readonly<Record<string, string>>
  /** How many processes wanted a processor in the minute before. */
  readonly loadBefore: number
  readonly versions: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, string | number>>
  /** In the order of the tables, the yardstick first. */
  readonly contestants: readonly { readonly name: ContestantName; readonly title: string; readonly isPeer: boolean }[]
  readonly load: LoadResults
  /** By the number of groups. */
  readonly fanout: readonly FanoutResults[]
  readonly listeners: ListenerCosts | null
  readonly start: StartFigures | null
}

/** The middle of some numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return Number.NaN
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** A figure over the rounds. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

/** Null when there is nothing. */
export function spread(numbers: readonly number[]): Spread | null {
  if (numbers.length === 0) return null
  return { median: median(numbers), least: Math.min(...numbers), most: Math.max(...numbers) }
}

/** Requests per second as ratio to another contestant, which the same round measured. */
export function ratio(
  load: LoadResults,
  work: LoadWork,
  name: ContestantName,
  to: ContestantName = 'bare',
): Spread | null {
  const other = load[work]?.[to]
  return spread(
    (load[work]?.[name] ?? []).flatMap(({ perSecond }, round) => perSecond / (other?.[round]?.perSecond ?? Number.NaN)),
  )
}

/** Deliveries per second from the first to the last socket, as ratio to the yardstick. */
export function fanoutRatio({ ours, bare }: FanoutResults): Spread | null {
  const took = ({ first, last }: FanoutSample) => last - first
  const yardstick = median(bare.map(took))
  return spread(ours.map(sample => yardstick / took(sample)))
}
