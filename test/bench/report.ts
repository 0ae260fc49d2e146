import type { Arrival } from './fanout.ts'
import { type ListenerCosts, quantile } from './fanout-load.ts'
import {
  type FanoutResults,
  fanoutRatio,
  type LoadSample,
  median,
  type Results,
  ratio,
  type Spread,
  spread,
} from './results.ts'
import { countGroups, judge } from './targets.ts'
import type { LoadWork } from './works.ts'

/** One announcement to all sockets; moments in milliseconds of the machine's clock. */
export interface FanoutSample extends Omit<Arrival, 'frame' | 'fault'> {
  /** When publication was asked for, and when it was acknowledged. */
  readonly asked: number
  readonly acknowledged: number
  readonly cpuMicros: number | null
}

const whole = (value: number) => Math.round(value).toLocaleString('en-US')
const short = (value: number) => value.toFixed(value < 10 ? 2 : 1)

type Show = (value: number) => string

/** The median and, where there were several, the least and the greatest. */
function write(figure: Spread | null, show: Show): string {
  if (!figure || Number.isNaN(figure.median)) return ''
  const { median: middle, least, most } = figure
  return least === most ? show(middle) : `${show(middle)} (${show(least)}–${show(most)})`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, 3, ...rows.map(row => row[i]!.length)))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`
  const rule = `| ${widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  return [line(head), rule, ...rows.map(line)].join('\n')
}

const titles: Record<LoadWork, string> = {
  profile: 'profile by id',
  page: 'page of 50',
  dashboard: 'dashboard of 20',
  update: 'profile update',
}

/** A table with a row for each contestant and a column for each work. */
function byContestant(
  { load, contestants }: Results,
  cell: (samples: LoadSample[], work: LoadWork, name: string) => string,
) {
  const works = (Object.keys(titles) as LoadWork[]).filter(work => load[work])
  const rows = contestants.map(({ name, title }) => [
    title,
    ...works.map(work => {
      const samples = load[work]?.[name]
      return samples ? cell(samples, work, name) : ''
    }),
  ])
  return table(['medians of the rounds (least–most)', ...works.map(work => titles[work])], rows)
}

const known = (samples: LoadSample[], read: (sample: LoadSample) => number | null) =>
  samples.map(read).filter(value => value !== null)

function loadParts(results: Results): string[] {
  const { load, contestants } = results
  if (Object.keys(load).length === 0) return []
  const all = Object.values(load).flatMap(samples => Object.values(samples).flat())
  const busiest = Math.max(...known(all, sample => sample.loadShare))
  const parts = [
    '## Requests per second, as ratios to the yardstick',
    byContestant(results, (_, work, name) =>
      write(ratio(load, work, contestants.find(one => one.name === name)!.name), short),
    ),
    '## Requests per second',
    byContestant(results, samples => write(spread(samples.map(sample => sample.perSecond)), whole)),
    '## Processor time, µs per request: the server + PostgreSQL',
    byContestant(results, samples =>
      [known(samples, sample => sample.cpuMicros), known(samples, sample => sample.postgresMicros)]
        .filter(micros => micros.length > 0)
        .map(micros => whole(median(micros)))
        .join(' + '),
    ),
    '## Latency, ms: p50 and p99',
    byContestant(results, samples =>
      [samples.map(({ p50 }) => p50), samples.map(({ p99 }) => p99)].map(times => short(median(times))).join(' · '),
    ),
  ]
  const requests = all.reduce((sum, sample) => sum + sample.requests, 0)
  const last = `${whole(requests)} requests were counted, none of them wrong.`
  const share = Number.isFinite(busiest) ? ` The load took at most ${Math.round(busiest * 100)} % of a processor.` : ''
  return [...parts, last + share]
}

function fanoutTable(fanout: FanoutResults): string {
  const rate = (from: (sample: FanoutSample) => number) => (sample: FanoutSample) =>
    (1000 * sample.count) / (sample.last - from(sample))
  const row = (title: string, read: (sample: FanoutSample) => number, show: Show) => [
    title,
    write(spread(fanout.ours.map(read)), show),
    write(spread(fanout.bare.map(read)), show),
  ]
  const rows = [
    row(
      'deliveries/s, first to last',
      rate(sample => sample.first),
      whole,
    ),
    row(
      'deliveries/s, publish to last',
      rate(sample => sample.asked),
      whole,
    ),
    row('ms, acknowledged to first', sample => sample.first - sample.acknowledged, short),
    row('ms, acknowledged to last', sample => sample.last - sample.acknowledged, short),
    row('ms, publish to acknowledged', sample => sample.acknowledged - sample.asked, short),
  ]
  if (fanout.ours.every(({ cpuMicros }) => cpuMicros !== null))
    rows.push(row("server's processor, µs/delivery", sample => sample.cpuMicros ?? 0, short))
  return table([`${countGroups(fanout.groups)}: medians (least–most)`, 'ours', 'bare `ws`'], rows)
}

function fanoutParts({ fanout, listeners }: Results): string[] {
  if (fanout.length === 0) return []
  const ratios = fanout.map(results => [countGroups(results.groups), write(fanoutRatio(results), short)])
  return [
    '## Fan-out',
    table(['first to last, as ratio to bare `ws`', 'ours'], ratios),
    ...fanout.map(fanoutTable),
    ...(listeners ? [listenerTable(listeners)] : []),
  ]
}

function listenerTable({ sockets, kilobytes, idle, busy }: ListenerCosts): string {
  const latency = (times: readonly number[]) => [0.5, 0.99].map(share => short(quantile(times, share))).join(' · ')
  return table(
    [`${whole(sockets)} subscribed sockets`, 'ours'],
    [
      ['memory of each, KB', kilobytes === null ? '' : short(kilobytes)],
      ['a query while they are idle, ms: p50 · p99', latency(idle)],
      ['a query while all hear one announcement after the other', latency(busy)],
    ],
  )
}

function startParts({ start }: Results): string[] {
  if (!start) return []
  const rows = [
    ['start to ready on PGlite with existing data, ms', write(spread(start.embedded), whole)],
    ['start to ready on PostgreSQL, ms', write(spread(start.postgres), whole)],
    ['resident memory on PostgreSQL, idle, MB', write(spread(start.memory), whole)],
  ]
  return ['## Start and memory', table(['medians (least–most)', 'ours'], rows)]
}

function targetParts(results: Results): string[] {
  const targets = judge(results)
  if (targets.length === 0) return []
  const rows = targets.map(({ what, wanted, measured, isMet }) => [what, wanted, measured, isMet ? 'yes' : '**no**'])
  return ['## Targets', table(['ours', 'wanted', 'measured', 'met'], rows)]
}

const list = (about: Readonly<Record<string, string | number>>) =>
  Object.entries(about)
    .map(([name, value]) => `- ${name}: ${value}`)
    .join('\n')

/** The results as Markdown. */
export function report(results: Results): string {
  const versions = Object.entries(results.versions).map(([name, version]) => `${name} ${version}`)
  const load = loadParts(results)
  return `${[
    '# Results',
    'Written by `npm run bench`; [README.md](README.md) says what is measured and how to read it.',
    ...(results.loadBefore < 1
      ? []
      : [
          `**The machine was busy**: its load was ${short(results.loadBefore)} before the run. These figures say little; run it again on an idle machine.`,
        ]),
    ...load.slice(0, 2),
    ...targetParts(results),
    ...load.slice(2),
    ...fanoutParts(results),
    ...startParts(results),
    '## Machine, versions, options',
    list({ ...results.machine, packages: versions.join(', ') }),
    list(results.options),
  ].join('\n\n')}\n`
}
