import { readdir } from 'node:fs/promises'
import { type Migration, Migrator } from 'kysely/migration'
import { type Database, type Db, openPostgres } from './client.ts'

const folder = new URL('../../migrations/', import.meta.url)

async function readMigrations(): Promise<Record<string, Migration>> {
  const files = (await readdir(folder)).filter(name => /^\d{4}-[a-z-]+\.ts$/.test(name)).sort()
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
 * Brings the database to the newest schema, under a lock that lets one process at a time do it.
 * Forward only; every migration runs in one transaction with the others. On PostgreSQL it has a connection of its own,
 * without the time limits of requests: an index of a big table may take minutes.
 * @returns the names of the migrations that ran; empty when there was nothing to do
 * @throws the error of the migration that failed, after which nothing is changed
 */
export async function migrate({ db, connectionString }: Pick<Database, 'db' | 'connectionString'>): Promise<string[]> {
  if (connectionString === null) return runPending(db)
  const own = openPostgres(connectionString, 1, true)
  try {
    return await runPending(own.db)
  } finally {
    await own.close()
  }
}
