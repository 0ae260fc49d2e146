import { PGlite } from '@electric-sql/pglite'
import { CamelCasePlugin, Kysely, PGliteDialect, PostgresDialect, sql, type Transaction } from 'kysely'
import pg from 'pg'
import type { Config } from '../config.ts'
import { lockDataDirectory } from './lock.ts'
import { NamedClient } from './named-client.ts'
import { createReader, setReader } from './reader.ts'
import type { DB } from './tables.ts'

/** A handle to run queries with: the database itself, or a transaction on it. */
export type Db = Kysely<DB>
/** A handle inside a transaction. */
export type Tx = Transaction<DB>

/** An open database. */
export interface Database {
  readonly db: Db
  /** Where several processes share it; null for the embedded database, which one process owns. */
  readonly connectionString: string | null
  close(): Promise<void>
}

const oid = { bytea: 17, int8: 20, date: 1082, interval: 1186 }

/**
 * The one place that evens out how the two drivers answer:
 * int8 as number (counts and positions stay far below 2^53; beyond it is an error, not a wrong number),
 * date as `YYYY-MM-DD`, interval as PostgreSQL's text, bytea as Buffer.
 */
const parsers: Record<number, (value: string) => unknown> = {
  [oid.int8]: value => {
    const number = Number(value)
    if (!Number.isSafeInteger(number)) throw new RangeError(`int8 ${value} is beyond 2^53`)
    return number
  },
  [oid.date]: value => value,
  [oid.interval]: value => value,
  [oid.bytea]: value => Buffer.from(value.slice(2), 'hex'),
}

function withHouseRules(dialect: PGliteDialect | PostgresDialect): Db {
  return new Kysely<DB>({ dialect, plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })] })
}

/** Settings of every connection to PostgreSQL, in milliseconds: nothing hangs for ever. */
const timeouts = { statement: 15_000, lock: 5_000, idleInTransaction: 10_000, connect: 2_000 }

/**
 * Opens PostgreSQL with a pool. Waiting for a connection ends after 2 s.
 * @param options.patient whether statements and locks may take as long as they need, as those of a migration may
 * @param options.named whether statements are named and so prepared once; not through PgBouncer's transaction mode
 */
export function openPostgres(
  connectionString: string,
  poolSize: number,
  { patient = false, named = true }: { readonly patient?: boolean; readonly named?: boolean } = {},
): Database {
  const limits = {
    statement_timeout: timeouts.statement,
    lock_timeout: timeouts.lock,
    idle_in_transaction_session_timeout: timeouts.idleInTransaction,
  }
  const settings: pg.ClientConfig = {
    connectionString,
    connectionTimeoutMillis: timeouts.connect,
    ...(patient ? {} : limits),
    keepAlive: true,
    types: {
      getTypeParser: (id: number, format?: 'text' | 'binary') => parsers[id] ?? pg.types.getTypeParser(id, format),
    } as pg.CustomTypesConfig,
  }
  const pool = new pg.Pool({ ...settings, max: poolSize, ...(named ? { Client: NamedClient } : {}) })
  // A broken connection is replaced by the pool, and the query that meets it reports it. The event itself must be heard
  // on the pool for idle connections and on each connection while it is lent out: unheard, it ends the process.
  pool.on('error', () => undefined)
  pool.on('connect', client => client.on('error', () => undefined))
  const db = withHouseRules(new PostgresDialect({ pool }))
  // Every value is a parameter, so that a plan made once for all is as good as one for each; it saves the planning.
  const generic = named ? { options: '-c plan_cache_mode=force_generic_plan' } : {}
  const reader = createReader({ ...settings, ...generic }, named)
  setReader(db, reader)
  return {
    db,
    connectionString,
    close: async () => {
      await Promise.all([reader.close(), db.destroy()])
    },
  }
}

/** Opens a PGlite that somebody else made, such as a test from a snapshot. */
export function openPglite(pglite: PGlite): Database {
  const db = withHouseRules(new PGliteDialect({ pglite }))
  return {
    db,
    connectionString: null,
    close: async () => {
      await db.destroy()
      if (!pglite.closed) await pglite.close()
    },
  }
}

/** What PGlite is started with: parsers as above, and 16 MB of buffers (resident memory 417 → 246 MB). */
export const pgliteOptions = {
  parsers,
  startParams: [...PGlite.defaultStartParams, '-c', 'shared_buffers=16MB'],
}

/**
 * Opens the database that the settings name.
 * @throws DataDirectoryLockedError when another process has the embedded one open
 */
export async function openDatabase(
  config: Pick<Config, 'DATABASE_URL' | 'DATABASE_POOL' | 'DATA_DIR' | 'PREPARED_STATEMENTS'>,
): Promise<Database> {
  if (config.DATABASE_URL) {
    const database = openPostgres(config.DATABASE_URL, config.DATABASE_POOL, { named: config.PREPARED_STATEMENTS })
    try {
      await sql`select 1`.execute(database.db)
    } catch (error) {
      await database.close()
      throw error
    }
    return database
  }
  const lock = lockDataDirectory(config.DATA_DIR)
  try {
    const database = openPglite(await PGlite.create({ dataDir: `${config.DATA_DIR}/postgres`, ...pgliteOptions }))
    return {
      ...database,
      close: async () => {
        await database.close()
        lock.release()
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}
