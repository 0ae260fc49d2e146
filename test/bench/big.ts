/** Whether big data stays quick: see `--help`. */
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { type BigAlliance, type BigRead, openBigAlliance } from '../support/big-lists.ts'
import { captureStatements, explain } from '../support/plans.ts'
import { startPostgres } from '../support/postgres.ts'
import { type BigCallers, seedBig } from './big-seed.ts'

const help = `node test/bench/big.ts [options]

Seeds a small and a big alliance and asks both, in turns, for the first and a deep page of every list of the API with
every filter and order. Prints for each what a request takes on both, the ratio, and how many rows the big one visits.
Uses the PostgreSQL of DATABASE_URL, or one that it starts itself. A million members need some 15 GB and half an hour.

  --members N         members of the big alliance             1000000
  --events N          its journal's rows                      5000000
  --announcements N   its announcements                       200000
  --small N           members of the small one                10000
  --rounds N          how often each page is asked            9
  --only TEXT         only lists whose name contains this     all
  --help              shows this`

/** Entries of a page. */
const first = 50

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', short: 'h' },
    members: { type: 'string', default: '1000000' },
    events: { type: 'string', default: '5000000' },
    announcements: { type: 'string', default: '200000' },
    small: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '9' },
    only: { type: 'string', default: '' },
  },
})
if (values.help) {
  console.log(help)
  process.exit(0)
}
const number = (name: 'members' | 'events' | 'announcements' | 'small' | 'rounds') => {
  const given = Number(values[name])
  if (!Number.isInteger(given) || given < 1)
    throw new Error(`--${name} is "${values[name]}"; give a whole number above 0.`)
  return given
}
const progress = (message: string) => process.stderr.write(`${message}\n`)
const median = (all: readonly number[]) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)]!

/** What every page is made of, for one size. */
interface Side {
  readonly alliance: BigAlliance
  readonly client: pg.Client
}

/** The cursor behind the first thousand entries; null where there are fewer. */
async function deepCursor(read: BigRead): Promise<string | null> {
  let cursor: string | null = null
  for (let page = 0; page < 10; page++) {
    const { shown, end } = await read.run(100, cursor)
    if (shown < 100) return null
    cursor = end
  }
  return cursor
}

async function timed(read: BigRead, cursor: string | null): Promise<number> {
  const began = performance.now()
  await read.run(first, cursor)
  return performance.now() - began
}

async function open(url: string, callers: BigCallers): Promise<Side> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return { client, alliance: await openBigAlliance(url, callers) }
}

async function visits({ client }: Side, read: BigRead, cursor: string | null): Promise<number> {
  let most = 0
  for (const statement of await captureStatements(() => read.run(first, cursor)))
    most = Math.max(most, (await explain(client, statement, 'generic')).visited)
  return most
}

/** Asks both sides for everything and prints a line for each. */
async function compare(small: Side, big: Side): Promise<void> {
  console.log('| list | page | small ms | big ms | ratio | rows visited |\n|---|---|---|---|---|---|')
  const ratios: number[] = []
  for (const [i, read] of big.alliance.reads.entries()) {
    if (!read.name.includes(values.only)) continue
    // In the same order: their names may differ by what each alliance has.
    const other = small.alliance.reads[i]!
    const deep = [await deepCursor(other), await deepCursor(read)] as const
    for (const [page, at] of [
      ['first', [null, null]],
      ...(deep[0] && deep[1] ? [['deep', deep] as const] : []),
    ] as const) {
      const times: [number[], number[]] = [[], []]
      for (let round = -3; round < number('rounds'); round++) {
        const pair = [await timed(other, at[0]), await timed(read, at[1])]
        if (round >= 0) for (const side of [0, 1] as const) times[side].push(pair[side]!)
      }
      const [before, after] = [median(times[0]), median(times[1])]
      ratios.push(after / before)
      const rows = await visits(big, read, at[1])
      const cells = [read.name, page, before.toFixed(2), after.toFixed(2), (after / before).toFixed(2), rows]
      console.log(`| ${cells.join(' | ')} |`)
    }
  }
  const sorted = [...ratios].sort((a, b) => a - b)
  const over = ratios.filter(ratio => ratio > 1.5).length
  console.log(
    `\n${ratios.length} pages: median ratio ${median(sorted).toFixed(2)}, 90 % below ${sorted[Math.floor(sorted.length * 0.9)]!.toFixed(2)}, ${over} above 1.5.`,
  )
}

const postgres = await startPostgres({ shared_buffers: '2GB', max_wal_size: '8GB', autovacuum: 'off' })
const admin = new pg.Client({ connectionString: postgres.url })
await admin.connect()
const made: string[] = []
const sides: Side[] = []
try {
  const suffix = randomBytes(4).toString('hex')
  for (const [name, sizes] of [
    ['small', { members: number('small'), events: number('small') * 5, announcements: Math.ceil(number('small') / 5) }],
    ['big', { members: number('members'), events: number('events'), announcements: number('announcements') }],
  ] as const) {
    const database = `big_${name}_${suffix}`
    await admin.query(`create database ${database}`)
    made.push(database)
    const url = Object.assign(new URL(postgres.url), { pathname: `/${database}` }).href
    sides.push(await open(url, await seedBig(url, sizes, step => progress(`${name}: ${step}`))))
  }
  await compare(sides[0]!, sides[1]!)
} finally {
  for (const { alliance, client } of sides) {
    await alliance.close()
    await client.end()
  }
  for (const database of made) await admin.query(`drop database ${database} with (force)`)
  await admin.end()
  await postgres.stop()
}
