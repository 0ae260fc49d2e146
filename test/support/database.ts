import { randomBytes } from 'node:crypto'
import { PGlite } from '@electric-sql/pglite'
import pg from 'pg'
import { inject } from 'vitest'
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
