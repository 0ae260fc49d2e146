import type { Arrival, AwaitCommand, OpenCommand } from './fanout.ts'
import { clock, processorTime, type Runner, startWorker } from './processes.ts'
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

async function mutate(port: number, token: string, query: string, variables: unknown): Promise<Payload> {
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = (await response.json()) as { data?: Record<string, Payload>; errors?: unknown[] }
  const payload = Object.values(data ?? {})[0]
  if (errors || !payload?.announcement || payload.userErrors.length > 0)
    throw new Error(`A mutation was refused: ${JSON.stringify(errors ?? payload)}`)
  return payload
}

/**
 * Connects the listeners of both: to the service by graphql-transport-ws, to the yardstick by bare `ws`, which sends the
 * same bytes.
 */
export async function openFanout(
  runners: Record<Contestant, Runner>,
  token: string,
  sockets: number,
  progress: (message: string) => void,
): Promise<Fanout> {
  const listeners = await startWorker(new URL('./fanout.ts', import.meta.url))
  let frame = ''

  /** Publishes one announcement; the yardstick sends the frame that the service sent last. */
  async function publish(contestant: Contestant, patience: number) {
    const { port, child } = runners[contestant]
    const input = {
      titles: [{ locale: 'zh-Hans', text: '关于召开元宇宙生态共建联盟年度大会的通知' }],
      bodies: [{ locale: 'zh-Hans', text: '各成员单位：年度大会将于下月召开，请安排代表参会。' }],
      category: 'NOTICE',
      audience: { include: [{ public: true }] },
    }
    const draft = contestant === 'ours' ? (await mutate(port, token, draftDocument, { input })).announcement : null
    await listeners.ask({ do: 'await', contestant, patience } satisfies AwaitCommand)
    const coming = listeners.hear<Arrival>()
    coming.catch(() => undefined)
    const before = processorTime(child.pid)
    const asked = clock()
    if (draft) await mutate(port, token, publishDocument, draft)
    else await fetch(`http://127.0.0.1:${port}/publish`, { method: 'POST', body: frame }).then(r => r.text())
    const acknowledged = clock()
    const arrival = await coming
    const after = processorTime(child.pid)
    if (arrival.fault !== null) throw new Error(`fanout of ${contestant}: ${arrival.fault}`)
    if (draft && arrival.count > 0 && !arrival.frame.includes(draft.id))
      throw new Error(`fanout of ${contestant}: another event came: ${arrival.frame}`)
    const { first, last, count } = arrival
    const cpuMicros = before === null || after === null ? null : (after - before) / sockets
    return { frame: arrival.frame, sample: { first, last, count, asked, acknowledged, cpuMicros } }
  }

  async function open(contestant: Contestant): Promise<void> {
    const { port } = runners[contestant]
    const [url, document] =
      contestant === 'ours'
        ? [`ws://127.0.0.1:${port}/graphql`, subscriptionDocument]
        : [`ws://127.0.0.1:${port}`, null]
    const begun = clock()
    await listeners.ask({ do: 'open', contestant, url, count: sockets, document } satisfies OpenCommand)
    progress(`${sockets} sockets to ${contestant} open after ${Math.round(clock() - begun)} ms`)
  }

  try {
    await open('ours')
    // A subscription is not acknowledged: the first that reaches all tells that all stand.
    for (let attempt = 1; ; attempt++) {
      const { frame: seen, sample } = await publish('ours', 5_000)
      if (sample.count === sockets) {
        frame = seen
        break
      }
      if (attempt === 3) throw new Error(`fanout of ours: only ${sample.count} of ${sockets} heard an announcement.`)
    }
    await open('bare')
    for (let i = 0; i < warmups; i++)
      for (const contestant of ['ours', 'bare'] as const) await publish(contestant, 5_000)
  } catch (error) {
    await listeners.stop()
    throw error
  }
  return {
    stop: listeners.stop,
    measure: async contestant => {
      const samples: FanoutSample[] = []
      for (let i = 0; i < announcements; i++) {
        const { sample } = await publish(contestant, 10_000)
        if (sample.count !== sockets)
          throw new Error(`fanout of ${contestant}: only ${sample.count} of ${sockets} heard an announcement.`)
        samples.push(sample)
      }
      return samples
    },
  }
}
