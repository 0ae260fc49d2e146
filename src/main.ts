/** Starts the service: settings → database → server. `--help` tells the settings. */
import { readConfig, settings } from './config.ts'
import { reasonOf } from './server/reason.ts'
import { type Service, startService } from './server/service.ts'

/** After the signal to stop, no process lives longer than this. */
const stopWithin = 9_500

const help = `npm start

Serves the alliance's API. Stops on SIGTERM or Ctrl-C after finishing what is under way; a second signal stops it at once.
Settings are environment variables:

${Object.entries(settings)
  .map(([name, setting]) => `  ${name.padEnd(18)} ${setting.description}`)
  .join('\n')}
`

function announce(service: Service): void {
  const { url, firstToken } = service
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

function stopOnSignals(starting: Promise<Service>): void {
  let isStopping = false
  const stop = (signal: NodeJS.Signals) => {
    if (isStopping) process.exit(1)
    isStopping = true
    console.error(`${signal}: finishing what is under way.`)
    setTimeout(() => process.exit(1), stopWithin).unref()
    starting
      .then(service => service.stop())
      .then(
        () => process.exit(0),
        error => {
          console.error(reasonOf(error) ?? error)
          process.exit(1)
        },
      )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

if (process.argv.includes('--help') || process.argv.includes('-h')) console.log(help)
else
  try {
    const starting = startService(readConfig())
    stopOnSignals(starting)
    announce(await starting)
  } catch (error) {
    console.error(reasonOf(error) ?? error)
    process.exitCode = 1
  }
