/** `npm run bench`: the service against the yardstick of `bare-server.ts`, on the same work, taking turns. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { startPostgres } from '../support/postgres.ts'
import { checkAnswers, type Prepared } from './check.ts'
import { openFanout } from './fanout-run.ts'
import type { Job, Measurement } from './load.ts'
import { findPort, processorTime, type Runner, startService, startWorker } from './processes.ts'
import { type FanoutSample, type LoadSample, median, type Results, report, type Samples } from './report.ts'
import { chooseTargets, seed } from './seed.ts'
import { type Contestant, contestants, type WorkName, workNames } from './works.ts'

const members = 10_000

const help = `npm run bench -- [options]

Measures ${workNames.join(', ')} of the service and of a yardstick (bare pg, node:http and ws), round by round in
turns, and prints medians and their ratios. Uses the PostgreSQL of DATABASE_URL, or one that it starts itself.

  --rounds N     how often each is measured                        5
  --seconds S    how long one measurement takes                    3
  --only a,b     only these works                                  all
  --clients N    callers that each have one request under way      32
  --sockets N    listeners of the fan-out                          2000
  --json FILE    writes every measurement to a file
  --flags "…"    flags of Node for the service, such as --cpu-prof
  --help         shows this`

interface Settings {
  readonly rounds: number
  readonly seconds: number
  readonly clients: number
  readonly sockets: number
  readonly works: readonly WorkName[]
  readonly json: string | undefined
  readonly flags: readonly string[]
}

/** Tells how far we are, apart from the report. */
function progress(message: string): void {
  process.stderr.write(`${message}\n`)
}

function readSettings(): Settings {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h' },
      rounds: { ...text, default: '5' },
      seconds: { ...text, default: '3' },
      clients: { ...text, default: '32' },
      sockets: { ...text, default: '2000' },
      only: text,
      json: text,
      flags: { ...text, default: '' },
    },
  })
  if (values.help) {
    console.log(help)
    process.exit(0)
  }
  const positive = (name: 'rounds' | 'seconds' | 'clients' | 'sockets') => {
    const number = Number(values[name])
    if (!(number > 0) || (name !== 'seconds' && !Number.isInteger(number)))
      throw new Error(
        `--${name} is "${values[name]}"; give a ${name === 'seconds' ? 'number' : 'whole number'} above 0.`,
      )
    return number
  }
  const works = values.only === undefined ? [...workNames] : values.only.split(',').map(name => name.trim())
  const unknown = works.filter(name => !workNames.includes(name as WorkName))
  if (unknown.length > 0) throw new Error(`--only knows ${workNames.join(', ')}; not ${unknown.join(', ')}.`)
  return {
    rounds: positive('rounds'),
    seconds: positive('seconds'),
    clients: positive('clients'),
    sockets: positive('sockets'),
    works: workNames.filter(name => works.includes(name)),
    json: values.json,
    flags: values.flags.split(' ').filter(flag => flag !== ''),
  }
}

/** Every listener is an open file, here and in the server. Node raises its own limit as far as it may. */
function checkOpenFiles(sockets: number): void {
  // Both contestants' listeners are open at the same time, in one process.
  const needed = 2 * sockets + 200
  const limit = spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).stdout?.trim()
  if (limit && limit !== 'unlimited' && Number(limit) < needed)
    throw new Error(
      `The fan-out needs ${needed} open files per process, and the limit is ${limit}. ` +
        `Raise it (ulimit -Hn ${needed}), give --sockets fewer, or leave it out with --only.`,
    )
}

async function describePostgres(admin: pg.Client): Promise<string> {
  const { rows } = await admin.query<{ server_version: string }>('show server_version')
  return rows[0]!.server_version
}

async function measureLoad(
  settings: Settings,
  prepared: Prepared,
  runners: Record<Contestant, Runner>,
  ask: (job: Job) => Promise<Measurement>,
  work: Exclude<WorkName, 'fanout'>,
  contestant: Contestant,
  seconds = settings.seconds,
): Promise<LoadSample> {
  const { child, port } = runners[contestant]
  const before = processorTime(child.pid)
  const calls = prepared.calls(work, contestant)
  const measurement = await ask({ port, clients: settings.clients, warmup: seconds / 4, seconds, calls })
  const after = processorTime(child.pid)
  if (measurement.errors > 0 || measurement.requests === 0)
    throw new Error(`${work} of ${contestant}: ${measurement.errors} wrong answers. ${measurement.firstError}`)
  const used = before === null || after === null ? null : after - before
  return { ...measurement, cpuMicros: used === null ? null : used / measurement.allRequests }
}

/** Who begins changes from round to round. */
const orderOf = (round: number) => (round % 2 === 0 ? contestants : [...contestants].reverse())

/** After the other works, which thousands of idle sockets would disturb. */
async function measureFanout(
  settings: Settings,
  samples: Samples<FanoutSample>,
  runners: Record<Contestant, Runner>,
  token: string,
): Promise<void> {
  const fanout = await openFanout(runners, token, settings.sockets, progress)
  undo.push(fanout.stop)
  for (let round = 0; round < settings.rounds; round++) {
    const seen: string[] = []
    for (const contestant of orderOf(round)) {
      const measured = await fanout.measure(contestant)
      samples[contestant].push(...measured)
      seen.push(`${contestant} ${Math.round(median(measured.map(({ first, last }) => last - first)))} ms`)
    }
    progress(`round ${round + 1} of ${settings.rounds}: fanout: ${seen.join(', ')}`)
  }
}

/** What was started or made, to be undone in the opposite order. */
const undo: (() => Promise<unknown>)[] = []

async function clearUp(): Promise<void> {
  for (const step of undo.splice(0).reverse()) await step().catch(error => progress(`while clearing up: ${error}`))
}

async function main(): Promise<void> {
  const settings = readSettings()
  if (settings.works.includes('fanout')) checkOpenFiles(settings.sockets)

  try {
    progress('starting PostgreSQL')
    const postgres = await startPostgres()
    undo.push(postgres.stop)
    const admin = new pg.Client({ connectionString: postgres.url })
    await admin.connect()
    undo.push(() => admin.end())
    const suffix = randomBytes(4).toString('hex')
    const database = (name: Contestant) => `bench_${name}_${suffix}`
    const urlOf = (name: Contestant) => Object.assign(new URL(postgres.url), { pathname: `/${database(name)}` }).href
    for (const name of contestants)
      undo.push(() => admin.query(`drop database if exists ${database(name)} with (force)`))

    progress(`seeding ${members.toLocaleString('en-US')} members`)
    await admin.query(`create database ${database('ours')}`)
    const token = await seed(urlOf('ours'), members)
    // The service may add what it always has on its first start. Each gets a database of its own, so that it meets no
    // rows of the other's, and none of its news.
    const ports = { ours: await findPort(), bare: await findPort() }
    await (await startService(urlOf('ours'), ports.ours, [])).stop()
    await admin.query(`create database ${database('bare')} template ${database('ours')}`)
    const targets = await chooseTargets(urlOf('ours'))

    progress('starting the contestants')
    const service = await startService(urlOf('ours'), ports.ours, settings.flags)
    undo.push(service.stop)
    const bare = await startWorker(new URL('./bare-server.ts', import.meta.url), {
      DATABASE_URL: urlOf('bare'),
      PORT: `${ports.bare}`,
    })
    undo.push(bare.stop)
    const runners = { ours: { child: service, port: ports.ours }, bare: { child: bare, port: ports.bare } }
    const load = await startWorker(new URL('./load.ts', import.meta.url))
    undo.push(load.stop)

    progress('comparing answers')
    const loadWorks = settings.works.filter(work => work !== 'fanout')
    const prepared = await checkAnswers(runners, targets, token, loadWorks)
    const results: Results = {
      machine: {
        processors: `${cpus().length} × ${cpus()[0]?.model.trim()}`,
        node: process.version,
        postgres: await describePostgres(admin),
      },
      settings: {
        members,
        rounds: settings.rounds,
        seconds: settings.seconds,
        clients: settings.clients,
        sockets: settings.sockets,
      },
      load: Object.fromEntries(loadWorks.map(work => [work, { ours: [], bare: [] } as Samples<LoadSample>])),
      fanout: settings.works.includes('fanout') ? { ours: [], bare: [] } : null,
    }
    const ask = (job: Job) => load.ask<Measurement>(job)
    for (const work of loadWorks)
      for (const contestant of contestants) await measureLoad(settings, prepared, runners, ask, work, contestant, 2)
    for (let round = 0; round < settings.rounds; round++)
      for (const work of loadWorks) {
        const seen: string[] = []
        for (const contestant of orderOf(round)) {
          const sample = await measureLoad(settings, prepared, runners, ask, work, contestant)
          results.load[work]![contestant].push(sample)
          seen.push(`${contestant} ${Math.round(sample.perSecond)}/s`)
        }
        progress(`round ${round + 1} of ${settings.rounds}: ${work}: ${seen.join(', ')}`)
      }
    if (results.fanout) await measureFanout(settings, results.fanout, runners, token)
    console.log(report(results))
    if (settings.json !== undefined) await writeFile(settings.json, `${JSON.stringify(results, null, 2)}\n`)
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
