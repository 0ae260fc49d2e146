import type { Arrival } from './fanout.ts'
import type { Measurement } from './load.ts'
import { type Contestant, contestants, type WorkName } from './works.ts'

/** One measurement of a work by HTTP, with the processor time of the server per request in microseconds. */
export interface LoadSample extends Measurement {
  readonly cpuMicros: number | null
}

/** One announcement to all sockets; moments in milliseconds of the machine's clock. */
export interface FanoutSample extends Omit<Arrival, 'frame' | 'fault'> {
  /** When publication was asked for, and when it was acknowledged. */
  readonly asked: number
  readonly acknowledged: number
  readonly cpuMicros: number | null
}

/** What was measured, by contestant, in the order of the rounds. */
export type Samples<Sample> = Record<Contestant, Sample[]>

/** All that a run found out. */
export interface Results {
  readonly machine: Record<string, string | number>
  readonly settings: Record<string, string | number>
  readonly load: Partial<Record<Exclude<WorkName, 'fanout'>, Samples<LoadSample>>>
  readonly fanout: Samples<FanoutSample> | null
}

/** The middle of some numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return Number.NaN
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

const whole = (value: number) => Math.round(value).toLocaleString('en-US')
const short = (value: number) => value.toFixed(value < 10 ? 2 : 1)

type Show = (value: number) => string

/**
 * One line of a table: the medians of both, their ratio, and the least and greatest ratio of any round. Times between
 * two events may be about 0, or below it when the second came first: they have no ratio.
 */
function line<Sample>(name: string, samples: Samples<Sample>, read: (sample: Sample) => number, show: Show): string[] {
  const ours = samples.ours.map(read)
  const bare = samples.bare.map(read)
  const ratios = ours.map((value, round) => value / bare[round]!)
  const medians = [name, show(median(ours)), show(median(bare))]
  if ([...ours, ...bare].some(value => value <= 0)) return [...medians, '', '']
  const spread = `${short(Math.min(...ratios))}–${short(Math.max(...ratios))}`
  return [...medians, short(median(ours) / median(bare)), spread]
}

function table(head: string[], rows: string[][]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map(row => row[i]!.length)))
  const write = (cells: string[]) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [write(head), rule, ...rows.map(write)].join('\n')
}

const titles = { profile: 'profile by id', page: 'page of 50', update: 'profile update' } as const

function loadRows(work: keyof typeof titles, samples: Samples<LoadSample>): string[][] {
  const title = titles[work]
  const rows = [
    line(`${title}: requests/s`, samples, sample => sample.perSecond, whole),
    line(`${title}: p50 ms`, samples, sample => sample.p50, short),
    line(`${title}: p99 ms`, samples, sample => sample.p99, short),
  ]
  if (samples.ours.every(sample => sample.cpuMicros !== null))
    rows.push(line(`${title}: server's processor, µs/request`, samples, sample => sample.cpuMicros ?? 0, whole))
  return rows
}

function fanoutRows(samples: Samples<FanoutSample>): string[][] {
  const perSecond = (from: (sample: FanoutSample) => number) => (sample: FanoutSample) =>
    (1000 * sample.count) / (sample.last - from(sample))
  const rows = [
    line(
      'fan-out: deliveries/s, publish to last',
      samples,
      perSecond(sample => sample.asked),
      whole,
    ),
    line(
      'fan-out: deliveries/s, first to last',
      samples,
      perSecond(sample => sample.first),
      whole,
    ),
    line('fan-out: ms, acknowledged to first', samples, sample => sample.first - sample.acknowledged, short),
    line('fan-out: ms, acknowledged to last', samples, sample => sample.last - sample.acknowledged, short),
    line('fan-out: ms, publish to acknowledged', samples, sample => sample.acknowledged - sample.asked, short),
  ]
  if (samples.ours.every(sample => sample.cpuMicros !== null))
    rows.push(line("fan-out: server's processor, µs/delivery", samples, sample => sample.cpuMicros ?? 0, short))
  return rows
}

/** The results as a table in Markdown. */
export function report(results: Results): string {
  const rows = Object.entries(results.load).flatMap(([work, samples]) => loadRows(work as keyof typeof titles, samples))
  if (results.fanout) rows.push(...fanoutRows(results.fanout))
  const counted = (contestant: Contestant) => {
    const samples = Object.values(results.load).flatMap(both => both[contestant])
    const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)
    const requests = sum(samples.map(sample => sample.requests))
    const deliveries = sum(results.fanout?.[contestant].map(sample => sample.count) ?? [])
    const errors = sum(samples.map(sample => sample.errors))
    return `${contestant}: ${whole(requests)} requests, ${whole(deliveries)} deliveries, ${errors} errors`
  }
  const about = [...Object.entries(results.machine), ...Object.entries(results.settings)]
  return [
    table(['medians', 'ours', 'bare', 'ratio', 'ratios of rounds'], rows),
    '',
    contestants.map(counted).join(' · '),
    about.map(([name, value]) => `${name}: ${value}`).join(' · '),
  ].join('\n')
}
