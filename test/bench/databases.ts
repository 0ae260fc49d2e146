import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { startPostgres } from '../support/postgres.ts'
import type { ContestantName } from './contestants.ts'
import { postgraphileSql } from './peers/postgraphile-sql.ts'
import { startService } from './processes.ts'
import { seed } from './seed.ts'

/** What the contestants work on. */
export interface Databases {
  /** A token of the secretariat, in all of them. */
  readonly token: string
  /** Of PostgreSQL. */
  readonly version: string
  readonly urlOf: (name: ContestantName) => string
  readonly connections: ReadonlyMap<ContestantName, pg.Client>
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  // Databases are dropped at the end with whoever is connected.
  client.on('error', () => undefined)
  await client.connect()
  return client
}

/**
 * Makes a database for each contestant, so that none meets rows of another's, nor its news.
 * @param later hears how to undo what was made, to be called in the opposite order
 */
export async function makeDatabases(
  names: readonly ContestantName[],
  sizes: { readonly members: number; readonly projects: number },
  progress: (message: string) => void,
  later: (step: () => Promise<unknown>) => void,
): Promise<Databases> {
  progress('starting PostgreSQL')
  const postgres = await startPostgres()
  later(postgres.stop)
  const admin = await connect(postgres.url)
  later(() => admin.end())
  const suffix = randomBytes(4).toString('hex')
  const database = (name: string) => `bench_${name.replace('-', '_')}_${suffix}`
  const urlOf = (name: string) => Object.assign(new URL(postgres.url), { pathname: `/${database(name)}` }).href
  const create = async (name: string, template: string) => {
    await admin.query(`create database ${database(name)} template ${template}`)
    later(() => admin.query(`drop database if exists ${database(name)} with (force)`))
  }

  progress(
    `seeding ${sizes.members.toLocaleString('en-US')} members and ${sizes.projects.toLocaleString('en-US')} projects`,
  )
  await create('seed', 'template0')
  const token = await seed(urlOf('seed'), sizes.members, sizes.projects)
  // The service may add what it always has on its first start.
  await (await startService({ DATABASE_URL: urlOf('seed') })).stop()
  const connections = new Map<ContestantName, pg.Client>()
  for (const name of names) {
    await create(name, database('seed'))
    const connection = await connect(urlOf(name))
    connections.set(name, connection)
    later(() => connection.end())
    if (name === 'postgraphile') await connection.query(postgraphileSql)
    await connection.query('vacuum analyze')
  }
  const { rows } = await admin.query<{ server_version: string }>('show server_version')
  return { token, version: rows[0]!.server_version, urlOf, connections }
}
