import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { createPostgresDatabase, onPostgres } from '../support/database.ts'

const root = new URL('../../', import.meta.url)

/** The commands of the README's tour with the output that it prints below each. */
async function readTour(file: string): Promise<{ commands: string; output: string }[]> {
  const readme = await readFile(new URL(file, root), 'utf8')
  const steps = [...readme.matchAll(/```sh\n([\s\S]*?)```(?:\s*```(?:text|json)\n([\s\S]*?)```)?/g)]
  return steps.map(([, commands, output]) => ({ commands: commands!, output: (output ?? '').trim() }))
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || !address) throw new Error('No port.')
  return address.port
}

/** Starts the service as `npm start` does, on an empty database, and waits until it is ready. */
async function start(environment: Record<string, string>): Promise<{ child: ChildProcess; token: string }> {
  const child = spawn(process.execPath, ['src/main.ts'], {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: '', LOG_LEVEL: 'warn', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  const token = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      printed += chunk.toString()
      const found = /mva_\w+_[\w-]{43}/.exec(printed)?.[0]
      if (found && printed.includes('/graphiql')) resolve(found)
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.once('exit', () => reject(new Error(`The service ended: ${printed}`)))
  })
  return { child, token }
}

const folders: string[] = []
const children: ChildProcess[] = []
afterAll(async () => {
  for (const child of children)
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
  for (const folder of folders) await rm(folder, { recursive: true })
})

describe.each(['README.md', 'README.zh.md'])('the tour of %s', file => {
  it('works as printed', { timeout: 120_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'alliance-tour-'))
    folders.push(folder)
    const port = await freePort()
    const database: Record<string, string> = onPostgres() ? { DATABASE_URL: await createPostgresDatabase() } : {}
    const { child, token } = await start({ PORT: String(port), DATA_DIR: join(folder, 'data'), ...database })
    children.push(child)

    const steps = await readTour(file)
    expect(steps.length).toBeGreaterThan(5)
    const mark = '— end of step —'
    const script = steps.map(({ commands }) => `${commands}\necho '${mark}'`).join('\n')
    const shell = spawn('bash', ['-eu'], {
      cwd: root,
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        PATH: `${new URL('node_modules/.bin', root).pathname}:${process.env.PATH}`,
        HOME: folder,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    children.push(shell)
    let printed = ''
    let complaints = ''
    shell.stdout.on('data', (chunk: Buffer) => {
      printed += chunk.toString()
    })
    shell.stderr.on('data', (chunk: Buffer) => {
      complaints += chunk.toString()
    })
    shell.stdin.end(
      script
        .replaceAll('127.0.0.1:4000', `127.0.0.1:${port}`)
        .replace(/export SECRETARIAT=\S+/, `export SECRETARIAT=${token}`)
        .replaceAll('cli.ts listen', `cli.ts listen --url ws://127.0.0.1:${port}/graphql`)
        .replaceAll('listener.log', join(folder, 'listener.log')),
    )
    const [code] = await once(shell, 'close')
    expect({ code, complaints }, printed).toMatchObject({ code: 0 })
    const outputs = printed.split(mark).map(text => text.trim())
    expect(outputs.slice(0, -1)).toEqual(steps.map(({ output }) => output))
  })
})
