import { sql } from 'kysely'
import { inject } from 'vitest'
import { type Db, openPostgres } from '../../src/database/client.ts'
import type { Alliance } from '../support/alliance.ts'
import { onPostgres } from '../support/database.ts'

/** The database of an alliance as the service reads it. */
export interface Reading {
  readonly db: Db
  /** Where it is; null on the embedded database. */
  readonly url: string | null
  close(): Promise<void>
}

/** Opens it anew on PostgreSQL: the handle of an alliance counts its statements and has no reader. */
export async function openReading(alliance: Alliance, options: { readonly named?: boolean } = {}): Promise<Reading> {
  if (!onPostgres()) return { db: alliance.db, url: null, close: async () => undefined }
  const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(alliance.db)
  const url = new URL(inject('postgresUrl'))
  url.pathname = `/${rows[0]!.name}`
  const { db, close } = openPostgres(url.href, 4, options)
  return { db, url: url.href, close }
}
