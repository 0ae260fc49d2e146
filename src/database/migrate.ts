import { readdir } from 'node:fs/promises'
import { type Migration, Migrator } from 'kysely/migration'
import type { Db } from './client.ts'

const folder = new URL('../../migrations/', import.meta.url)

async function readMigrations(): Promise<Record<string, Migration>> {
  const files = (await readdir(folder)).filter(name => /^\d{4}-[a-z-]+\.ts$/.test(name)).sort()
  const modules = await Promise.all(files.map(name => import(new URL(name, folder).href) as Promise<Migration>))
  return Object.fromEntries(files.map((name, i) => [name.slice(0, -3), modules[i]!]))
}

/**
 * Brings the database to the newest schema, under a lock that lets one process at a time do it.
 * Forward only; every migration runs in one transaction with the others.
 * @returns the names of the migrations that ran; empty when there was nothing to do
 * @throws the error of the migration that failed, after which nothing is changed
 */
export async function migrate(db: Db): Promise<string[]> {
  const migrator = new Migrator({ db: db.withoutPlugins(), provider: { getMigrations: readMigrations } })
  const { error, results } = await migrator.migrateToLatest()
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
