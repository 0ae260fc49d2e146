import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { prepareDatabase } from './prepare.ts'
import { reasonOf, WorkerFailed } from './reason.ts'
import { type Started, serve } from './serve.ts'
import { addUpMetrics } from './shared-metrics.ts'

/** What a worker says of its start: its URL, or why it could not. */
type Word = { readonly ready: string } | { readonly failed: string }

/**
 * How long to wait before another worker takes the place of one that ended: longer each time, unless it had lived for
 * some time. In milliseconds.
 */
const pause = { first: 100, longest: 10_000, unlessLived: 10_000 }

/** Whatever came of a worker that was asked to stop, and had perhaps not begun. */
const hasStopped = ([code, signal]: readonly unknown[]) => code === 0 || signal === 'SIGTERM'

/**
 * Prepares the database, and serves in as many workers as the settings say. One that ends is replaced. Resolves when all
 * of them serve.
 * @throws WorkerFailed when one of them can't
 */
export async function startWorkers(config: Config, log: Logger): Promise<Started> {
  const { database, firstToken } = await prepareDatabase(config, log, () => new Date())
  await database.close()
  // All take connections from one socket. Handed out in turn by this process, those on their way to a worker that is
  // killed would hang for ever (Node 24).
  cluster.schedulingPolicy = cluster.SCHED_NONE
  // Figures may be NaN, which JSON doesn't know.
  cluster.setupPrimary({ serialization: 'advanced' })
  const living = new Set<Worker>()
  const serving = new Set<Worker>()
  addUpMetrics(
    () => [...serving],
    error => log.error({ err: error }, 'the figures of the workers met an error'),
  )
  const all = Promise.withResolvers<string>()
  let url: string | undefined
  let port = config.PORT
  let isStopping = false
  const killAll = () => {
    isStopping = true
    for (const worker of living) worker.process.kill('SIGKILL')
  }

  function startWorker(pauseAfter: number): void {
    if (isStopping) return
    const began = performance.now()
    const worker = cluster.fork({ PORT: port })
    living.add(worker)
    let reason: string | undefined
    worker.on('message', (word: Word) => {
      if ('failed' in word) reason = word.failed
      if (!('ready' in word)) return
      serving.add(worker)
      if (serving.size === config.WORKERS) all.resolve(word.ready)
    })
    const end = (code: number | null, signal: string | null) => {
      if (!living.delete(worker)) return
      serving.delete(worker)
      if (isStopping) return
      if (url === undefined) {
        all.reject(new WorkerFailed(reason ?? `A worker ended before it could serve (${signal ?? `code ${code}`}).`))
        return
      }
      // The port that was found free is lost with the last that listens on it: the next ones name it.
      if (serving.size === 0) port = Number(new URL(url).port)
      const hasLived = performance.now() - began > pause.unlessLived
      const wait = hasLived ? pause.first : pauseAfter
      log.error({ worker: worker.process.pid, code, signal, reason, wait }, 'a worker ended, another takes its place')
      setTimeout(startWorker, wait, Math.min(wait * 2, pause.longest))
    }
    worker.on('exit', end)
    worker.on('error', error => {
      reason ??= error.message
      // One that could not even begin doesn't exit.
      if (worker.process.pid === undefined) end(null, null)
    })
  }

  try {
    for (let i = 0; i < config.WORKERS; i++) startWorker(pause.first)
    url = await all.promise
  } catch (error) {
    killAll()
    throw error
  }
  return {
    url,
    firstToken,
    stop: async () => {
      isStopping = true
      // When this process may not wait any longer, nor may they.
      process.once('exit', killAll)
      const ends = Promise.all([...living].map(worker => once(worker, 'exit')))
      for (const worker of living) worker.process.kill('SIGTERM')
      if (!(await ends).every(hasStopped)) throw new WorkerFailed('A worker did not stop as it should.')
    },
  }
}

/** Serves as one of the workers, on a database that is prepared. What comes of the start is told to the first process. */
export async function serveAsWorker(config: Config, log: Logger): Promise<Started> {
  const tell = (word: Word) => new Promise<void>(resolve => process.send?.(word, undefined, undefined, () => resolve()))
  try {
    const started = await serve(config, log, true)
    await tell({ ready: started.url })
    return started
  } catch (error) {
    await tell({ failed: reasonOf(error) ?? (error instanceof Error ? `${error.stack}` : String(error)) })
    process.exit(1)
  }
}
