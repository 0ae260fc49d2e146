import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { openPglite, openPostgres, pgliteOptions } from '../../src/database/client.ts'
import { migrate } from '../../src/database/migrate.ts'
import { startPostgres } from './postgres.ts'

/** Makes what every test copies from: a migrated PGlite snapshot, and a migrated template in a real PostgreSQL. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'alliance-test-'))
  if (project.name === 'pglite') {
    const pglite = await PGlite.create({ ...pgliteOptions })
    const database = openPglite(pglite)
    await migrate(database)
    const snapshot = join(folder, 'snapshot.tar')
    await writeFile(snapshot, Buffer.from(await (await pglite.dumpDataDir('none')).arrayBuffer()))
    await database.close()
    project.provide('database', 'pglite')
    project.provide('pgliteSnapshot', snapshot)
    project.provide('postgresUrl', '')
    return () => rm(folder, { recursive: true })
  }

  const postgres = await startPostgres()
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  await client.query('drop database if exists alliance_template')
  await client.query('create database alliance_template')
  await client.end()
  const template = new URL(postgres.url)
  template.pathname = '/alliance_template'
  const database = openPostgres(template.href, 2)
  await migrate(database)
  await database.close()
  project.provide('database', 'postgres')
  project.provide('postgresUrl', postgres.url)
  project.provide('pgliteSnapshot', '')
  return async () => {
    await postgres.stop()
    await rm(folder, { recursive: true })
  }
}
