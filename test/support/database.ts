import { randomBytes } from 'node:crypto'
import { PGlite } from '@electric-sql/pglite'
import pg from 'pg'
import { inject, it } from 'vitest'
import { type Database, openPglite, openPostgres, pgliteOptions } from '../../src/database/client.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Which database this project of the suite runs on. */
    database: 'pglite' | 'postgres'
    /** PostgreSQL of the tests, with the migrated database `alliance_template`. */
    postgresUrl: string
    /** A migrated PGlite, dumped to a file. */
    pgliteSnapshot: string
  }
}

/** Whether this run of the suite is on PostgreSQL, for tests that need several processes. */
export const onPostgres = () => inject('database') === 'postgres'

type TestBody = () => Promise<void>

/** A test of what only exists with several processes or connections: it belongs to the suite on PostgreSQL alone. */
export function itOnPostgres(
  name: string,
  ...test: [body: TestBody] | [options: { timeout: number }, body: TestBody]
): void {
  if (onPostgres()) register(name, test)
}

/** A test of what only the embedded database has: it belongs to the suite on PGlite alone. */
export function itOnPglite(
  name: string,
  ...test: [body: TestBody] | [options: { timeout: number }, body: TestBody]
): void {
  if (!onPostgres()) register(name, test)
}

function register(name: string, test: [TestBody] | [{ timeout: number }, TestBody]): void {
  if (test.length === 1) it(name, test[0])
  else it(name, ...test)
}

/** The connection string of a fresh database, copied from the migrated template. */
export async function createPostgresDatabase(): Promise<string> {
  const url = new URL(inject('postgresUrl'))
  const name = `test_${randomBytes(8).toString('hex')}`
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  try {
    await client.query(`create database ${name} template alliance_template`)
  } finally {
    await client.end()
  }
  url.pathname = `/${name}`
  return url.href
}

/** A fresh migrated database, of the kind that this run of the suite is for. Empty but for the tables. */
export async function createDatabase(): Promise<Database> {
  if (onPostgres()) return openPostgres(await createPostgresDatabase(), 10)
  const { readFile } = await import('node:fs/promises')
  const snapshot = new Blob([await readFile(inject('pgliteSnapshot'))])
  return openPglite(await PGlite.create({ loadDataDir: snapshot, ...pgliteOptions }))
}
