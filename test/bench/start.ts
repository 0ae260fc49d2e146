import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { residentMemory, startService } from './processes.ts'

/** How the service starts, and what it holds while nobody asks anything. */
export interface StartFigures {
  /** Milliseconds from the start of the process to ready, on an embedded database that has its data. */
  readonly embedded: readonly number[]
  /** The same on PostgreSQL. */
  readonly postgres: readonly number[]
  /** Megabytes resident on PostgreSQL a second after ready; empty where the system does not tell. */
  readonly memory: readonly number[]
}

/** Starts the service over and over, as an operator would. @param url a database that the service has been started on */
export async function measureStart(url: string, times: number): Promise<StartFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-embedded-'))
  const embedded: number[] = []
  const postgres: number[] = []
  const memory: number[] = []
  const environment = { DATABASE_URL: '', DATA_DIR: join(folder, 'data') }
  try {
    // The first start makes the database and loads the founding data.
    await (await startService(environment)).stop()
    for (let i = 0; i < times; i++) {
      const onEmbedded = await startService(environment)
      embedded.push(onEmbedded.milliseconds)
      await onEmbedded.stop()
      const onPostgres = await startService({ DATABASE_URL: url })
      postgres.push(onPostgres.milliseconds)
      await sleep(1_000)
      memory.push(residentMemory(onPostgres.pid) ?? Number.NaN)
      await onPostgres.stop()
    }
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  return { embedded, postgres, memory: memory.filter(value => !Number.isNaN(value)) }
}
