import { parseArgs } from 'node:util'
import { type ContestantName, contestantNames, describeContestants } from './contestants.ts'
import { type WorkName, workNames } from './works.ts'

const help = `npm run bench -- [options]

Measures ${workNames.join(', ')} of the service, of a yardstick (bare pg, node:http and ws) and of other
GraphQL servers, round by round in turns, and prints medians and ratios. Uses the PostgreSQL of DATABASE_URL, or one
that it starts itself. The default run takes about ten minutes; when all took part it writes test/bench/RESULTS.md.

  --quick              a minute or two: few and short rounds; writes no RESULTS.md
  --rounds N           how often each is measured                        5
  --seconds S          how long one measurement takes                    2
  --works a,b          only these works                                  all
  --contestants a,b    only these, besides the yardstick                 all
  --no-peers           without the other servers, which are installed on first use
  --workers N          measures the service with WORKERS=N, too
  --clients N          callers that each have one request under way      32
  --sockets N          listeners of the fan-out                          2000
  --write, --no-write  writes RESULTS.md, or not
  --json FILE          writes every measurement to a file
  --flags "…"          flags of Node for the service, such as --cpu-prof
  --help               shows this

Contestants: ${contestantNames.join(', ')}.`

/** What a run is asked to do. */
export interface Options {
  readonly isQuick: boolean
  readonly rounds: number
  readonly seconds: number
  readonly clients: number
  readonly sockets: number
  readonly workers: number
  readonly works: readonly WorkName[]
  /** Always with the yardstick, in the order of the tables. */
  readonly contestants: readonly ContestantName[]
  readonly write: boolean
  readonly json: string | undefined
  readonly flags: readonly string[]
}

const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const

/** Reads the command line. Ends the process after `--help`. @throws Error that says what is wrong with an option */
export function readOptions(): Options {
  const { values } = parseArgs({
    allowNegative: true,
    options: {
      help: { ...flag, short: 'h' },
      quick: flag,
      peers: { ...flag, default: true },
      write: flag,
      rounds: text,
      seconds: text,
      workers: text,
      clients: text,
      sockets: text,
      works: text,
      contestants: text,
      json: text,
      flags: text,
    },
  })
  if (values.help) {
    console.log(help)
    process.exit(0)
  }
  const isQuick = values.quick ?? false
  const number = (name: 'rounds' | 'seconds' | 'workers' | 'clients' | 'sockets', fallback: number) => {
    const given = Number(values[name] ?? fallback)
    if (given > 0 && (name === 'seconds' || Number.isInteger(given))) return given
    const wanted = name === 'seconds' ? 'number' : 'whole number'
    throw new Error(`--${name} is "${values[name]}"; give a ${wanted} above 0.`)
  }
  const chosen = <Name extends string>(option: 'works' | 'contestants', names: readonly Name[]): Name[] | null => {
    const given = values[option]?.split(',').map(name => name.trim())
    const unknown = given?.filter(name => !names.includes(name as Name)) ?? []
    if (unknown.length > 0) throw new Error(`--${option} knows ${names.join(', ')}; not ${unknown.join(', ')}.`)
    return given ? names.filter(name => given.includes(name)) : null
  }
  const workers = number('workers', 2)
  const described = describeContestants(workers)
  const wanted =
    chosen('contestants', contestantNames) ??
    contestantNames.filter(name => name !== 'ours-workers' || values.workers !== undefined)
  const contestants = contestantNames.filter(
    name => name === 'bare' || (wanted.includes(name) && (values.peers || !described[name].isPeer)),
  )
  const works = chosen('works', workNames) ?? [...workNames]
  if (works.includes('fanout') && !contestants.includes('ours')) {
    if (values.works !== undefined) throw new Error('The fan-out is between ours and bare: let both take part.')
    works.splice(works.indexOf('fanout'), 1)
  }
  const isWhole = works.length === workNames.length && contestants.length >= contestantNames.length - 1
  return {
    isQuick,
    rounds: number('rounds', isQuick ? 2 : 5),
    seconds: number('seconds', isQuick ? 0.6 : 2),
    clients: number('clients', 32),
    sockets: number('sockets', isQuick ? 500 : 2000),
    workers,
    works,
    contestants,
    write: values.write ?? (isWhole && !isQuick),
    json: values.json,
    flags: (values.flags ?? '').split(' ').filter(part => part !== ''),
  }
}
