import type { Dialect, LoadWork } from './works.ts'

/** Who is measured, in the order of the tables. */
export const contestantNames = [
  'bare',
  'flat',
  'ours',
  'ours-cached',
  'ours-workers',
  'apollo',
  'yoga',
  'mercurius',
  'postgraphile',
] as const
export type ContestantName = (typeof contestantNames)[number]

/** What is known of one before it is started. */
export interface Contestant {
  readonly title: string
  readonly dialect: Dialect
  /** The file that serves, as a process of its own with DATABASE_URL and PORT; null for the service as `npm start` has it. */
  readonly file: URL | null
  /** Settings of its own. */
  readonly env: Readonly<Record<string, string>>
  /** Whether it needs the packages of this folder's package.json. */
  readonly isPeer: boolean
}

/** Connections to the database that each contestant may have. */
export const poolSize = 10

const ours = { dialect: 'service', file: new URL('./projects/main.ts', import.meta.url), isPeer: false } as const
/** Two connections of the service read for all, beside its pool. */
const oursEnv = { DATABASE_POOL: `${poolSize - 2}`, LOG_LEVEL: 'warn' }
const peer = { dialect: 'plain', env: {}, isPeer: true } as const

/** @param workers processes of `ours-workers` */
export function describeContestants(workers: number): Record<ContestantName, Contestant> {
  return {
    bare: {
      title: 'bare: the yardstick',
      dialect: 'http',
      file: new URL('./bare-server.ts', import.meta.url),
      env: {},
      isPeer: false,
    },
    flat: {
      title: 'bare, flat rows, pipelined',
      dialect: 'http',
      file: new URL('./flat-server.ts', import.meta.url),
      env: {},
      isPeer: false,
    },
    ours: { ...ours, title: 'ours', env: { ...oursEnv, ANSWER_CACHE: '0' } },
    'ours-cached': { ...ours, title: 'ours, answers cached', env: { ...oursEnv, ANSWER_CACHE: '64' } },
    'ours-workers': {
      ...ours,
      title: `ours, ${workers} processes`,
      file: null,
      env: { ...oursEnv, ANSWER_CACHE: '0', WORKERS: `${workers}` },
    },
    apollo: { ...peer, title: 'Apollo Server, default', file: new URL('./peers/apollo.ts', import.meta.url) },
    yoga: { ...peer, title: 'GraphQL Yoga', file: new URL('./peers/yoga.ts', import.meta.url) },
    mercurius: { ...peer, title: 'Mercurius with JIT', file: new URL('./peers/mercurius.ts', import.meta.url) },
    postgraphile: {
      ...peer,
      title: 'PostGraphile',
      dialect: 'postgraphile',
      file: new URL('./peers/postgraphile.ts', import.meta.url),
    },
  }
}

/**
 * Whether a contestant does a work: flat rows are about reading, and the service as it is started by `npm start` has no
 * projects of the bench.
 */
export function takesPart(name: ContestantName, work: LoadWork): boolean {
  if (name === 'flat') return work !== 'update'
  return name !== 'ours-workers' || work !== 'dashboard'
}
