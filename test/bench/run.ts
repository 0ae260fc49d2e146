/** `npm run bench`: the service, the yardstick of `bare-server.ts` and other servers on the same work, taking turns. */
import { writeFile } from 'node:fs/promises'
import { cpus, loadavg, release, type as systemName, totalmem } from 'node:os'
import { checkAnswers, type Running } from './check.ts'
import { type Contestant, describeContestants, poolSize } from './contestants.ts'
import { type Databases, makeDatabases } from './databases.ts'
import { checkOpenFiles, measureLive } from './live.ts'
import { type Options, readOptions } from './options.ts'
import { installPeers, packageVersions } from './peers.ts'
import { findPort, type Runner, startService, startWorker } from './processes.ts'
import { report } from './report.ts'
import type { Results } from './results.ts'
import { runRound, type Track, warmUp } from './rounds.ts'
import { chooseTargets } from './seed.ts'
import { measureStart } from './start.ts'
import { workNames } from './works.ts'

const sizes = { members: 10_000, projects: 2_000 }

/** Tells how far we are, apart from the report. */
function progress(message: string): void {
  process.stderr.write(`${message}\n`)
}

/** What was started or made, to be undone in the opposite order. */
const undo: (() => Promise<unknown>)[] = []

async function clearUp(): Promise<void> {
  for (const step of undo.splice(0).reverse()) await step().catch(error => progress(`while clearing up: ${error}`))
}

async function startOne(
  { file, dialect }: Contestant,
  env: Record<string, string>,
  flags: readonly string[],
): Promise<Runner> {
  if (file === null) {
    const child = await startService(env)
    return { child, port: child.port }
  }
  const port = await findPort()
  return { child: await startWorker(file, { ...env, PORT: `${port}` }, dialect === 'service' ? flags : []), port }
}

async function startContestants(options: Options, urlOf: Databases['urlOf']): Promise<Running[]> {
  const described = describeContestants(options.workers)
  const running: Running[] = []
  for (const name of options.contestants) {
    const contestant = described[name]
    progress(`starting ${contestant.title}`)
    // As servers are told to run in production.
    const env = { DATABASE_URL: urlOf(name), NODE_ENV: 'production', GRAPHILE_ENV: 'production', ...contestant.env }
    const { child, port } = await startOne(contestant, env, options.flags)
    undo.push(child.stop)
    running.push({ ...contestant, name, child, port })
  }
  return running
}

function describeMachine(postgres: string): Results['machine'] {
  return {
    date: new Date().toISOString().slice(0, 10),
    processors: `${cpus().length} × ${cpus()[0]?.model.trim()}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GB`,
    system: `${systemName()} ${release().split('-')[0]}, ${process.arch}`,
    Node: process.version.slice(1),
    PostgreSQL: postgres,
  }
}

async function main(): Promise<void> {
  const options = readOptions()
  const described = describeContestants(options.workers)
  const withPeers = options.contestants.some(name => described[name].isPeer)
  if (options.works.includes('fanout')) checkOpenFiles(options.sockets)
  if (withPeers) installPeers(progress)
  const begun = performance.now()
  const loadBefore = loadavg()[0]!
  // Each process that is started wants to know when this one ends.
  process.setMaxListeners(50)
  try {
    const { token, version, urlOf, connections } = await makeDatabases(options.contestants, sizes, progress, step =>
      undo.push(step),
    )
    const targets = await chooseTargets(urlOf('bare'))
    let start: Results['start'] = null
    if (options.contestants.includes('ours')) {
      progress('starting the service over and over')
      start = await measureStart(urlOf('ours'), options.isQuick ? 1 : 3)
    }
    const running = await startContestants(options, urlOf)
    const load = await startWorker(new URL('./load.ts', import.meta.url))
    undo.push(load.stop)

    progress('comparing answers')
    const works = workNames.filter(work => work !== 'fanout' && options.works.includes(work)) as Track['works']
    const prepared = await checkAnswers(running, targets, token, works)
    const track: Track = {
      running,
      prepared,
      load,
      databases: connections,
      isLocal: !process.env.DATABASE_URL,
      clients: options.clients,
      works,
    }
    const results: Results = {
      machine: describeMachine(version),
      loadBefore,
      versions: packageVersions(withPeers),
      options: {
        ...sizes,
        rounds: options.rounds,
        seconds: options.seconds,
        clients: options.clients,
        'connections per contestant': poolSize,
        sockets: options.sockets,
        ...(options.flags.length > 0 && { flags: options.flags.join(' ') }),
      },
      contestants: options.contestants.map(name => ({ name, ...described[name] })),
      load: {},
      fanout: [],
      listeners: null,
      start,
    }
    progress('warming up')
    await warmUp(track, options.isQuick ? 0.6 : 1.5)
    for (let round = 0; round < options.rounds; round++) {
      progress(`round ${round + 1} of ${options.rounds}, requests/s`)
      await runRound(track, round, options.seconds, results.load, progress)
    }
    const groups = options.isQuick ? [1] : [1, 20, 200]
    const live = options.works.includes('fanout')
      ? await measureLive({ ...options, groups }, running, token, urlOf('ours'), progress)
      : { fanout: [], listeners: null }
    const all = { ...results, ...live }
    const text = report(all)
    console.log(text)
    if (options.write) await writeFile(new URL('./RESULTS.md', import.meta.url), text)
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(all, null, 2)}\n`)
    progress(`took ${Math.round((performance.now() - begun) / 1000)} s`)
  } finally {
    await clearUp()
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    progress(`${signal}: clearing up`)
    clearUp().finally(() => process.exit(130))
  })
try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
