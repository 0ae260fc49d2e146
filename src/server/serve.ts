import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { openDatabase } from '../database/client.ts'
import { prepareDatabase } from './prepare.ts'

/** What was started: in this process, or in workers of it. */
export interface Started {
  /** Where it is reached, without a slash at the end. */
  readonly url: string
  /** The secretariat's very first token, to be shown once; null on every later start. */
  readonly firstToken: string | null
  /** Serves nobody new, finishes what is under way, and ends within 9 seconds. */
  stop(): Promise<void>
}

/**
 * Serves in this process.
 * @param isPrepared whether another process has brought the database up to date
 */
export async function serve(config: Config, log: Logger, isPrepared: boolean): Promise<Started> {
  const load = () => import('./service.ts')
  // Loading keeps this thread busy: a connection to PostgreSQL begun before would meet its time limit on a busy machine.
  if (config.DATABASE_URL) await load()
  const prepare = async () =>
    isPrepared
      ? { database: await openDatabase(config), firstToken: null }
      : prepareDatabase(config, log, () => new Date())
  // The embedded database is compiled on other threads: meanwhile this one loads.
  const [{ database, firstToken }, { startService }] = await Promise.all([prepare(), load()])
  try {
    const { url, stop } = await startService(config, { database, log })
    return { url, firstToken, stop: () => stop().finally(() => database.close()) }
  } catch (error) {
    await database.close()
    throw error
  }
}
