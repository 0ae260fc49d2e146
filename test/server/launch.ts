import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createPostgresDatabase, onPostgres } from '../support/database.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** The service as a process of its own. */
export type Launched = Awaited<ReturnType<typeof launch>>

/** Starts src/main.ts as a process of its own, on a database of its own unless one is given. */
export async function launch(environment: Record<string, string> = {}, args: string[] = []) {
  const folder = await mkdtemp(join(tmpdir(), 'alliance-main-'))
  const isOwn = onPostgres() && !('DATABASE_URL' in environment)
  const database = isOwn ? { DATABASE_URL: await createPostgresDatabase() } : {}
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env.PATH, PORT: '0', DATA_DIR: folder, ...database, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const told = createInterface(child.stderr)
  told.on('line', line => lines.push(line))
  let output = ''
  child.stdout.on('data', data => {
    output += data
  })
  const exited = once(child, 'exit').then(async ([code]) => {
    await rm(folder, { recursive: true, force: true })
    return code as number
  })
  const serving = (async () => {
    for (;;) {
      const url = lines.map(line => /^Serving (http:\S+)\/graphql/.exec(line)?.[1]).find(Boolean)
      if (url) return url
      await Promise.race([once(told, 'line'), exited.then(() => Promise.reject(new Error(lines.join('\n'))))])
    }
  })()
  return { child, exited, serving, folder, text: () => lines.join('\n'), output: () => output }
}

/** The status of /readyz over a connection of its own. */
export function readiness(url: string): Promise<number> {
  return new Promise((resolve, reject) =>
    get(`${url}/readyz`, { agent: false }, response => {
      response.resume()
      resolve(response.statusCode!)
    }).on('error', reject),
  )
}
