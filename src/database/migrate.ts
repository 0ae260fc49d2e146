import { readdir } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { sql } from 'kysely'
import { DEFAULT_MIGRATION_TABLE, type Migration, Migrator } from 'kysely/migration'
import { type Database, type Db, openPostgres } from './client.ts'

const folder = new URL('../../migrations/', import.meta.url)

async function listMigrations(): Promise<string[]> {
  return (await readdir(folder)).filter(name => /^\d{4}-[a-z-]+\.ts$/.test(name)).sort()
}

async function readMigrations(): Promise<Record<string, Migration>> {
  const files = await listMigrations()
  const modules = await Promise.all(files.map(name => import(new URL(name, folder).href) as Promise<Migration>))
  return Object.fromEntries(files.map((name, i) => [name.slice(0, -3), modules[i]!]))
}

const migratorOf = (db: Db) => new Migrator({ db: db.withoutPlugins(), provider: { getMigrations: readMigrations } })

/** The names of the migrations that the database still lacks. Changes nothing. */
export async function pendingMigrations(db: Db): Promise<string[]> {
  const known = await migratorOf(db).getMigrations()
  return known.filter(({ executedAt }) => executedAt === undefined).map(({ name }) => name)
}

async function runPending(db: Db): Promise<string[]> {
  const { error, results } = await migratorOf(db).migrateToLatest()
  if (error) {
    const failed = results?.find(result => result.status === 'Error')?.migrationName
    throw new Error(
      failed ? `Migration ${failed} failed; nothing was changed.` : 'The database could not be migrated.',
      {
        cause: error,
      },
    )
  }
  return results?.map(result => result.migrationName) ?? []
}

/**
 * Whether exactly the migrations that there are have run. Kysely's own look reads the whole catalog and loads every
 * migration: a quarter of a second of each start on the embedded database.
 */
async function isUpToDate(db: Db): Promise<boolean> {
  try {
    const { rows } = await sql<{ name: string }>`select name from ${sql.table(DEFAULT_MIGRATION_TABLE)}`.execute(db)
    const known = (await listMigrations()).map(file => file.slice(0, -3))
    return isDeepStrictEqual(rows.map(({ name }) => name).sort(), known)
  } catch {
    // An empty database has no such table. Whatever else it is, the migrator meets it again and says so.
    return false
  }
}

/**
 * Brings the database to the newest schema, under a lock that lets one process at a time do it.
 * Forward only; every migration runs in one transaction with the others. On PostgreSQL it has a connection of its own,
 * without the time limits of requests: an index of a big table may take minutes.
 * @returns the names of the migrations that ran; empty when there was nothing to do
 * @throws the error of the migration that failed, after which nothing is changed
 */
export async function migrate({ db, connectionString }: Pick<Database, 'db' | 'connectionString'>): Promise<string[]> {
  if (await isUpToDate(db)) return []
  if (connectionString === null) return runPending(db)
  const own = openPostgres(connectionString, 1, { patient: true, named: false })
  try {
    return await runPending(own.db)
  } finally {
    await own.close()
  }
}
