import { readdirSync, readFileSync } from 'node:fs'
import type { Arrival, AwaitCommand, OpenCommand, Operation } from './fanout.ts'
import { clock, type Runner, startWorker } from './processes.ts'
import type { FanoutSample } from './report.ts'
import { type Contestant, subscriptionDocument } from './works.ts'

/** The listeners of both contestants, all connected. */
export interface Fanout {
  /** Publishes some announcements, one after the other. @throws Error when one does not reach all */
  measure(contestant: Contestant): Promise<FanoutSample[]>
  stop(): Promise<void>
}

/** Announcements per measurement. */
const announcements = 5
/** Announcements before anything counts. */
const warmups = 10

const draftDocument = `mutation Draft($input: DraftAnnouncementInput!) {
  draftAnnouncement(input: $input) { announcement { id version } userErrors { code message } }
}`
const publishDocument = `mutation Publish($id: ID!, $version: Int!) {
  publishAnnouncement(id: $id, expectedVersion: $version) { announcement { id } userErrors { code message } }
}`

type Payload = { announcement: { id: string; version: number } | null; userErrors: unknown[] }
/** An announcement that is not published yet. */
export interface Draft {
  readonly id: string
  readonly version: number
}

async function mutate(port: number, token: string, query: string, variables: unknown): Promise<Draft> {
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = (await response.json()) as { data?: Record<string, Payload>; errors?: unknown[] }
  const payload = Object.values(data ?? {})[0]
  if (errors || !payload?.announcement || payload.userErrors.length > 0)
    throw new Error(`A mutation was refused: ${JSON.stringify(errors ?? payload)}`)
  return payload.announcement
}

/** Drafts an announcement for everybody. */
export function draft(port: number, token: string): Promise<Draft> {
  const input = {
    titles: [{ locale: 'zh-Hans', text: '关于召开元宇宙生态共建联盟年度大会的通知' }],
    bodies: [{ locale: 'zh-Hans', text: '各成员单位：年度大会将于下月召开，请安排代表参会。' }],
    category: 'NOTICE',
    audience: { include: [{ public: true }] },
  }
  return mutate(port, token, draftDocument, { input })
}

/** Publishes it; resolves when the service has acknowledged that. */
export function publish(port: number, token: string, announcement: Draft): Promise<Draft> {
  return mutate(port, token, publishDocument, announcement)
}

/**
 * Subscriptions of so many groups, all of which hear texts of the same length. By turns a group's document has a name of
 * its own, a filter, for which the service looks into the database, or a selection, which it has to execute for this
 * group alone.
 */
export function operationsOf(groups: number): Operation[] {
  if (groups === 1) return [{ query: subscriptionDocument }]
  const [name, field] = ['subscription Published', 'announcementPublished']
  const filtered = subscriptionDocument
    .replace(name, `${name}($since: DateTime)`)
    .replace(field, `${field}(filter: { publishedSince: $since })`)
  const kinds: ((i: number) => Operation)[] = [
    i => ({ query: subscriptionDocument.replace(name, `${name}${i}`) }),
    i => ({ query: filtered, variables: { since: new Date(Date.UTC(2020, 0, i)).toISOString() } }),
    i => ({ query: subscriptionDocument.replace('title', `t${String(i).padStart('title'.length - 1, '0')}: title`) }),
  ]
  return Array.from({ length: groups }, (_, i) => kinds[i % kinds.length]!(i))
}

/**
 * Microseconds of processor that a process has used, as the scheduler counts them: one fan-out is short against the ticks
 * of `processorTime`. Null where the system does not tell as Linux does.
 */
function processorMicros(pid: number): number | null {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`)
    const nanos = tasks.map(task =>
      Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ', 1)[0]),
    )
    return nanos.reduce((sum, value) => sum + value, 0) / 1000
  } catch {
    return null
  }
}

/**
 * Connects the listeners of both: to the service by graphql-transport-ws, to the yardstick by bare `ws`, which sends the
 * same bytes.
 * @param operations what the listeners of the service subscribe to, one after the other; see `operationsOf`
 */
export async function openFanout(
  runners: Record<Contestant, Runner>,
  token: string,
  sockets: number,
  progress: (message: string) => void,
  operations: readonly Operation[] = operationsOf(1),
): Promise<Fanout> {
  const listeners = await startWorker(new URL('./fanout.ts', import.meta.url))
  let frame = ''

  /** Publishes one announcement; the yardstick sends the frame that the service sent last. */
  async function announce(contestant: Contestant, patience: number) {
    const { port, child } = runners[contestant]
    const announcement = contestant === 'ours' ? await draft(port, token) : null
    await listeners.ask({ do: 'await', contestant, patience } satisfies AwaitCommand)
    const coming = listeners.hear<Arrival>()
    coming.catch(() => undefined)
    const before = processorMicros(child.pid)
    const asked = clock()
    if (announcement) await publish(port, token, announcement)
    else await fetch(`http://127.0.0.1:${port}/publish`, { method: 'POST', body: frame }).then(r => r.text())
    const acknowledged = clock()
    const arrival = await coming
    const after = processorMicros(child.pid)
    if (arrival.fault !== null) throw new Error(`fanout of ${contestant}: ${arrival.fault}`)
    if (announcement && arrival.count > 0 && !arrival.frame.includes(announcement.id))
      throw new Error(`fanout of ${contestant}: another event came: ${arrival.frame}`)
    const { first, last, count } = arrival
    const cpuMicros = before === null || after === null ? null : (after - before) / sockets
    return { frame: arrival.frame, sample: { first, last, count, asked, acknowledged, cpuMicros } }
  }

  async function open(contestant: Contestant): Promise<void> {
    const { port } = runners[contestant]
    const [path, asked] = contestant === 'ours' ? ['/graphql', operations] : ['', null]
    const url = `ws://127.0.0.1:${port}${path}`
    const begun = clock()
    await listeners.ask({ do: 'open', contestant, url, count: sockets, operations: asked } satisfies OpenCommand)
    progress(`${sockets} sockets to ${contestant} open after ${Math.round(clock() - begun)} ms`)
  }

  try {
    await open('ours')
    // A subscription is not acknowledged: the first that reaches all tells that all stand.
    for (let attempt = 1; ; attempt++) {
      const { frame: seen, sample } = await announce('ours', 5_000)
      if (sample.count === sockets) {
        frame = seen
        break
      }
      if (attempt === 3) throw new Error(`fanout of ours: only ${sample.count} of ${sockets} heard an announcement.`)
    }
    await open('bare')
    for (let i = 0; i < warmups; i++)
      for (const contestant of ['ours', 'bare'] as const) await announce(contestant, 5_000)
  } catch (error) {
    await listeners.stop()
    throw error
  }
  return {
    stop: listeners.stop,
    measure: async contestant => {
      const samples: FanoutSample[] = []
      for (let i = 0; i < announcements; i++) {
        const { sample } = await announce(contestant, 10_000)
        if (sample.count !== sockets)
          throw new Error(`fanout of ${contestant}: only ${sample.count} of ${sockets} heard an announcement.`)
        samples.push(sample)
      }
      return samples
    },
  }
}
