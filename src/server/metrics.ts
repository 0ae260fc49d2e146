import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Services } from '../graphql/context.ts'
import type { LiveHub } from '../graphql/live-hub.ts'
import type { Answers } from './answers.ts'
import { shareMetrics } from './shared-metrics.ts'

/** The figures of one running service, in its own registry. */
export interface Metrics {
  /** All figures as Prometheus reads them, and their media type; with several workers the sums over all of them. */
  read(): Promise<string>
  readonly contentType: string
  /** Seconds that an operation took; the outcome is its first error code, or OK. */
  operation(labels: { door: string; type: string; name: string | null; outcome: string }, seconds: number): void
  readonly sockets: Gauge
  readonly streams: Gauge
  /** Events written to listeners, by door: to be counted up where it happens, as often as nothing else does. */
  readonly delivered: { websocket: number; sse: number }
  readonly closed: Counter<'code'>
  /** Questions by HTTP, by whether they were answered from memory: to be counted up likewise. */
  readonly answers: { kept: number; made: number; passed: number }
}

/** Names that get their own time series. Clients invent names, so all later ones are counted together. */
const mostNames = 100

/** Counts that are only looked at when the figures are asked for: a label costs more than what it counts. */
function counted<Counts extends Record<string, number>>(
  registers: Registry[],
  name: string,
  help: string,
  label: string,
  counts: Counts,
): Counts {
  new Counter({
    name,
    help,
    labelNames: [label],
    registers,
    collect() {
      this.reset()
      for (const [value, count] of Object.entries(counts)) this.inc({ [label]: value }, count)
    },
  })
  return counts
}

/**
 * Makes the figures of a service. Outbox, feed and hub are looked up when they are asked for.
 * @param isWorker whether this is one of several workers, which tell the figures of all
 */
export function createMetrics(
  services: Pick<Services, 'db' | 'feed'>,
  hub: Pick<LiveHub, 'sizes'>,
  answers: Pick<Answers, 'sizes'> | null,
  isWorker: boolean,
): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const names = new Set<string>()
  const duration = new Histogram({
    name: 'alliance_operation_seconds',
    help: `Duration of GraphQL operations; names beyond the first ${mostNames} are counted as "(other)"`,
    labelNames: ['door', 'type', 'name'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15],
    registers,
  })
  const outcomes = new Counter({
    name: 'alliance_operations_total',
    help: 'GraphQL operations by their first error code, or OK',
    labelNames: ['door', 'type', 'outcome'],
    registers,
  })
  new Gauge({
    name: 'alliance_sequencer_backlog',
    help: 'Committed events that have no place in the log yet',
    registers,
    // All processes look at the same rows.
    aggregator: 'max',
    async collect() {
      try {
        const { rows } = await services.db
          .selectFrom('outbox')
          .select(({ fn }) => fn.countAll<number>().as('rows'))
          .executeTakeFirstOrThrow()
        this.set(Number(rows))
      } catch {
        // The other figures matter most while the database is out of reach; /readyz tells of that.
        this.set(Number.NaN)
      }
    },
  })
  new Gauge({
    name: 'alliance_feed_position',
    help: 'The last event that this process has heard of, of several the one that is furthest behind',
    registers,
    aggregator: 'min',
    collect() {
      this.set(services.feed.position().seq)
    },
  })
  new Gauge({
    name: 'alliance_subscriptions',
    help: 'Live subscriptions',
    registers,
    collect() {
      this.set(hub.sizes().subscriptions)
    },
  })
  new Gauge({
    name: 'alliance_subscription_groups',
    help: 'Groups of subscriptions that share one execution',
    registers,
    collect() {
      this.set(hub.sizes().groups)
    },
  })
  new Gauge({
    name: 'alliance_answers_bytes',
    help: 'What the kept answers take in memory, about',
    registers,
    collect() {
      this.set(answers?.sizes().bytes ?? 0)
    },
  })
  new Gauge({ name: 'alliance_processes', help: 'Processes that serve', registers }).set(1)
  return {
    read: isWorker ? shareMetrics(registry) : () => registry.metrics(),
    contentType: registry.contentType,
    operation({ door, type, name, outcome }, seconds) {
      let label = name === null ? '(none)' : name.slice(0, 60)
      if (name !== null && !names.has(label)) {
        if (names.size < mostNames) names.add(label)
        else label = '(other)'
      }
      duration.observe({ door, type, name: label }, seconds)
      outcomes.inc({ door, type, outcome })
    },
    sockets: new Gauge({ name: 'alliance_sockets', help: 'Open WebSockets', registers }),
    streams: new Gauge({ name: 'alliance_streams', help: 'Open streams of Server-Sent Events', registers }),
    delivered: counted(registers, 'alliance_events_delivered_total', 'Events written to listeners', 'door', {
      websocket: 0,
      sse: 0,
    }),
    answers: counted(
      registers,
      'alliance_answers_total',
      'Questions by HTTP that could be answered from memory: kept (they were), made (and kept), passed (they depend on more than data)',
      'outcome',
      { kept: 0, made: 0, passed: 0 },
    ),
    closed: new Counter({
      name: 'alliance_sockets_closed_total',
      help: 'WebSockets closed by this side, by close code',
      labelNames: ['code'],
      registers,
    }),
  }
}
