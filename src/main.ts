/** Starts the service: settings → database → server. `--help` tells the settings. */
import cluster from 'node:cluster'
import { enableCompileCache, flushCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { Started } from './server/serve.ts'

// Unless told otherwise, graphql-js checks itself at every step, as for those who develop it.
process.env.NODE_ENV ??= 'production'
// Beside what else is built from this code; where nothing can be written, everything is compiled at each start. It holds
// for what is loaded later, so nothing is imported above.
enableCompileCache(fileURLToPath(new URL('../build/compile-cache', import.meta.url)))

/** After the signal to stop, no process lives longer than this. */
const stopWithin = 9_500

async function help(): Promise<string> {
  const { settings } = await import('./config.ts')
  return `npm start

Serves the alliance's API. Stops on SIGTERM or Ctrl-C after finishing what is under way; a second signal stops it at once.
Settings are environment variables:

${Object.entries(settings)
  .map(([name, setting]) => `  ${name.padEnd(18)} ${setting.description}`)
  .join('\n')}
`
}

async function start(): Promise<Started> {
  const { readConfig } = await import('./config.ts')
  const { createLog } = await import('./server/log.ts')
  const config = readConfig()
  const log = createLog(config)
  if (config.WORKERS === 1) return (await import('./server/serve.ts')).serve(config, log, false)
  const { serveAsWorker, startWorkers } = await import('./server/workers.ts')
  return cluster.isPrimary ? startWorkers(config, log) : serveAsWorker(config, log)
}

function announce({ url, firstToken }: Started): void {
  const lines = [
    `Serving ${url}/graphql (POST, GET, WebSocket, Server-Sent Events)`,
    `        ${url}/graphiql to try it in the browser`,
    `        ${url}/ for everything else`,
  ]
  if (firstToken)
    lines.push(
      '',
      'The token of the secretariat, shown this once · 秘书处令牌，仅显示一次:',
      `  ${firstToken}`,
      'Send it as "Authorization: Bearer …". It ends in 90 days; issue others by: npm run alliance -- token create',
    )
  // To standard error: standard output carries the log.
  console.error(`${lines.join('\n')}\n`)
}

async function fail(error: unknown): Promise<void> {
  const { reasonOf } = await import('./server/reason.ts')
  console.error(reasonOf(error) ?? error)
}

function stopOnSignals(starting: Promise<Started>): void {
  let isStopping = false
  const stop = (signal?: NodeJS.Signals) => {
    if (isStopping) {
      // A worker is told twice when all of a group of processes are: it is the first process that may not wait.
      if (!cluster.isWorker) process.exit(1)
      return
    }
    isStopping = true
    if (!cluster.isWorker) console.error(`${signal}: finishing what is under way.`)
    setTimeout(() => process.exit(1), stopWithin).unref()
    starting
      .then(started => started.stop())
      .then(
        () => process.exit(0),
        error => fail(error).finally(() => process.exit(1)),
      )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  cluster.worker?.on('disconnect', () => {
    // The first process is gone, and who would replace it starts its own. Without this mark Node would end the process at once.
    cluster.worker!.exitedAfterDisconnect = true
    stop()
  })
}

if (process.argv.includes('--help') || process.argv.includes('-h')) console.log(await help())
else
  try {
    const starting = start()
    stopOnSignals(starting)
    const started = await starting
    if (!cluster.isWorker) announce(started)
    // Now, since a process may be killed before it could write it at its end.
    flushCompileCache()
  } catch (error) {
    process.exitCode = 1
    await fail(error)
  }
