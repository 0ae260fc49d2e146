import { sql } from 'kysely'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { type Database, type Db, openDatabase } from '../database/client.ts'
import { migrate } from '../database/migrate.ts'

/** A database ready to be served. */
export interface Prepared {
  readonly database: Database
  /** The secretariat's very first token, to be shown once; null on every later start. */
  readonly firstToken: string | null
}

/** Any number that no other program on the same database uses for its lock. */
const startLock = 7_215_034_891

/**
 * Opens the database, brings its schema up to date and fills it on the first start.
 * Processes that start together do it one after the other.
 */
export async function prepareDatabase(config: Config, log: Logger, now: () => Date): Promise<Prepared> {
  const database = await openDatabase(config)
  try {
    const firstToken = await alone(database, async () => {
      for (const name of await migrate(database)) log.info({ migration: name }, 'migrated')
      if (!(await isFounded(database.db))) {
        // Only the first start needs it.
        const { loadFoundingData } = await import('../dataset/load.ts')
        log.info({ loaded: await loadFoundingData(database.db, now()) }, 'loaded the founding data')
      }
      // Loaded when the database is opening already.
      const { issueFirstToken } = await import('../access/tokens.ts')
      return issueFirstToken(database.db, now())
    })
    return { database, firstToken }
  } catch (error) {
    await database.close()
    throw error
  }
}

/** Whether the founding data was ever loaded. */
async function isFounded(db: Db): Promise<boolean> {
  return (await db.selectFrom('regions').select('id').limit(1).executeTakeFirst()) !== undefined
}

/** Runs `work` while no other process does: the embedded database has no other process. */
async function alone<T>({ db, connectionString }: Database, work: () => Promise<T>): Promise<T> {
  if (connectionString === null) return work()
  return db.connection().execute(async connection => {
    // Waiting for another process's first start may take longer than a lock is waited for otherwise.
    await sql`set lock_timeout = '120s'`.execute(connection)
    await sql`set statement_timeout = '120s'`.execute(connection)
    try {
      await sql`select pg_advisory_lock(${startLock})`.execute(connection)
      return await work()
    } finally {
      await sql`select pg_advisory_unlock(${startLock})`.execute(connection)
      await sql`reset lock_timeout`.execute(connection)
      await sql`reset statement_timeout`.execute(connection)
    }
  })
}
