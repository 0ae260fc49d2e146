import cluster, { type Worker } from 'node:cluster'
import { AggregatorRegistry, type Registry } from 'prom-client'

/** The figures of one process, as prom-client adds them up. */
type Figures = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

/** What the processes say to each other: a worker is asked for all figures; it and the others for their own. */
type Message = { readonly asked: 'all' | 'own' } | { readonly own: Figures } | { readonly all: string }

/** How long the first process waits for the figures of a worker, and a worker for the sums, in milliseconds. */
const patience = { own: 1_000, all: 3_000 }

/** Says it if the other side is still there: who has gone needs no answer. */
const say = (to: Worker | NodeJS.Process, message: Message) => to.send?.(message, undefined, undefined, () => undefined)

/**
 * In the process that has started the workers: tells those that ask the sums over all of them. What ended workers had
 * counted stays in the sums, since a falling count would mean a restart of all, and a worker that doesn't answer counts
 * with what it told last.
 * @param serving the workers to ask
 */
export function addUpMetrics(serving: () => readonly Worker[], onError: (error: unknown) => void): void {
  const latest = new Map<number, Figures>()
  let ended: Figures = []
  let settle: (worker: Worker) => void = () => undefined

  async function gather(): Promise<string> {
    const asked = serving()
    const silent = new Set(asked)
    const settled = Promise.withResolvers<void>()
    settle = worker => {
      if (silent.delete(worker) && silent.size === 0) settled.resolve()
    }
    const timer = setTimeout(settled.resolve, patience.own)
    for (const worker of asked) say(worker, { asked: 'own' })
    await settled.promise
    clearTimeout(timer)
    return AggregatorRegistry.aggregate([ended, ...latest.values()]).metrics()
  }

  let gathering: Promise<string> | undefined
  cluster.on('message', (worker, message: Message) => {
    if ('own' in message) {
      latest.set(worker.id, message.own)
      settle(worker)
    } else if ('asked' in message) {
      gathering ??= gather().finally(() => {
        gathering = undefined
      })
      gathering.then(all => say(worker, { all })).catch(onError)
    }
  })
  cluster.on('exit', worker => {
    settle(worker)
    const counts = latest.get(worker.id)?.filter(({ type }) => ['counter', 'histogram'].includes(`${type}`)) ?? []
    latest.delete(worker.id)
    ended = AggregatorRegistry.aggregate([ended, counts]).getMetricsAsArray() as Figures
  })
}

/** In a worker: tells its own figures when it is asked, and answers how to learn the sums over all workers. */
export function shareMetrics(registry: Registry): () => Promise<string> {
  let waiting: PromiseWithResolvers<string> | undefined
  process.on('message', async (message: Message) => {
    if ('all' in message) waiting?.resolve(message.all)
    else if ('asked' in message) say(process, { own: await registry.getMetricsAsJSON() })
  })
  return async () => {
    if (waiting) return waiting.promise
    waiting = Promise.withResolvers()
    const timer = setTimeout(waiting.reject, patience.all, new Error('The first process does not tell the figures.'))
    say(process, { asked: 'all' })
    try {
      return await waiting.promise
    } finally {
      clearTimeout(timer)
      waiting = undefined
    }
  }
}
