import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { readToken } from '../src/access/secret.ts'
import { lockDataDirectory } from '../src/database/lock.ts'
import { writeId } from '../src/ids.ts'
import { createPostgresDatabase, itOnPglite, itOnPostgres } from './support/database.ts'

const cli = new URL('../src/cli.ts', import.meta.url).pathname

let folder: string
let settings: Record<string, string>
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'alliance-cli-'))
  settings = { DATA_DIR: join(folder, 'data') }
})
afterAll(() => rm(folder, { recursive: true }))

/** Runs a command as the operator does, on the embedded database of this file. */
function run(args: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [cli, ...args], {
    env: { PATH: process.env.PATH, ...settings, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { out: '', err: '' }
  child.stdout.on('data', chunk => (output.out += chunk))
  child.stderr.on('data', chunk => (output.err += chunk))
  return new Promise<{ code: number | null; out: string; err: string }>(resolve =>
    child.on('close', code => resolve({ code, ...output })),
  )
}

/** What a command tells that failed for a reason which the operator can mend: one line. */
const oneLine = (message: string) => ({
  code: 1,
  out: '',
  err: expect.stringMatching(new RegExp(`^[^\\n]*${message}[^\\n]*\\n$`)),
})

describe('the commands of the operator', { timeout: 120_000 }, () => {
  itOnPglite('bring up a database, fill it, and take it out and in again', async () => {
    // What only looks does not migrate.
    for (const args of [['doctor'], ['export', 'members'], ['import', 'members', cli, '--dry-run']])
      expect(await run(args)).toEqual(oneLine('The database lacks 0001-journal, .*alliance -- migrate'))
    expect(await run(['migrate'])).toMatchObject({ code: 0, out: expect.stringContaining('Ran 0001-journal') })
    expect(await run(['migrate'])).toMatchObject({ code: 0, out: 'The database is up to date.\n' })
    expect(await run(['load'])).toMatchObject({ code: 0, out: expect.stringContaining('115 members') })

    const file = join(folder, 'members.csv')
    expect(await run(['export', 'members', '--output', file])).toEqual({ code: 0, out: '', err: '' })
    const again = await run(['import', 'members', file])
    expect(again).toMatchObject({ code: 0, err: '' })
    expect(again.out).toContain('115 rows (utf-8): 0 created, 0 changed, 115 unchanged, 0 refused.')

    await writeFile(file, 'kind,name_zh_hans,external_references\nCOMPANY,云谷命令行公司,cli:1\nFIRM,云谷,cli:2\n')
    const report = join(folder, 'report.csv')
    const mixed = await run(['import', 'members', file, '--keep-good', '--report', report])
    expect(mixed).toMatchObject({
      code: 1,
      out: expect.stringContaining('1 created, 0 changed, 0 unchanged, 1 refused'),
    })
    expect(await readFile(report, 'utf8')).toContain('3,refused,')

    const member = /^line 2: created \S+ (company_\w+)/m.exec(mixed.out)![1]!
    const person = ['--name', '小云', '--email', 'yun@example.org']
    const staff = await run(['token', 'create', 'secretariat', ...person, '--expires', soon()])
    const officer = await run(['token', 'create', 'officer', ...person, '--member', member, '--role', 'VIEWER'])
    const portal = ['--name', '云谷门户', '--contact', 'x', '--purpose', 'x', '--scope', 'DIRECTORY_FOLLOW']
    const key = await run(['token', 'create', 'portal', ...portal, '--member', member])
    for (const { code, out, err } of [staff, officer, key]) {
      expect({ code, err }).toEqual({ code: 0, err: '' })
      expect(out).toMatch(/^mva_[0-9a-z]{26}_\S{43}\n$/)
    }
    const id = writeId('Token', readToken(officer.out.trim())!.tokenId)
    expect(await run(['token', 'revoke', id, '--reason', '离任'])).toEqual({
      code: 0,
      out: 'The token of 小云 is revoked.\n',
      err: '',
    })
    const wrong = ['--member', member.replace('company', 'city')]
    expect(await run(['token', 'create', 'officer', ...person, ...wrong])).toEqual(oneLine('no such member'))
    expect(await run(['token', 'revoke', member, '--reason', 'x'])).toEqual(oneLine('is the id of a Company'))

    // What was made waits for a server to place it in the journal.
    const examined = await run(['doctor'])
    expect(examined).toMatchObject({ code: 1, out: expect.stringContaining('ok  the journal has 0 events') })
    expect(examined.out).toMatch(/^BAD \d+ events wait since /m)
  })

  itOnPglite('tell in one line what the operator can mend', async () => {
    const lock = lockDataDirectory(settings.DATA_DIR!)
    expect(await run(['doctor'])).toEqual(oneLine(`in use by process ${process.pid}`))
    lock.release()
    const file = join(folder, 'nowhere.csv')
    await run(['migrate'])
    expect(await run(['import', 'members', file])).toEqual(oneLine("nowhere.csv can't be read: there is no such file"))
    const bad = await run(['migrate'], { DATABASE_POOL: 'many' })
    expect(bad).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^The settings can't be used:\n {2}DATABASE_POOL: /),
    })
    expect(bad.err).not.toContain(' at ')
    const nobody = { DATABASE_URL: 'postgres://alliance:secret@127.0.0.1:1/alliance' }
    expect(await run(['doctor'], nobody)).toEqual(oneLine("database of DATABASE_URL can't be reached"))
  })

  itOnPglite('refuse a moment that does not exist, and a count of none', async () => {
    const person = ['--name', 'x', '--email', 'x@example.org']
    const moment = await run(['token', 'create', 'secretariat', ...person, '--expires', '2026-11-31T00:00:00Z'])
    expect(moment).toMatchObject({ code: 1, err: expect.stringContaining('Write an existing moment') })
    expect(await run(['listen', '--count', '0'])).toMatchObject({ code: 1, err: expect.stringContaining('from 1') })
  })

  itOnPglite('list the settings, without the password of the database', async () => {
    const shown = await run(['settings'], { DATABASE_URL: 'postgres://alliance:secret@127.0.0.1/alliance' })
    expect(shown.out).toMatch(/^DATABASE_URL +\(set\)/m)
    expect(shown.out).not.toContain('secret')
  })

  itOnPglite('explain themselves', async () => {
    const commands = ['', 'token', 'token create', 'token create secretariat', 'token create officer']
    commands.push('token create portal', 'token revoke', 'migrate', 'load', 'import members', 'export members')
    commands.push('doctor', 'listen', 'settings')
    const told = await Promise.all(commands.map(command => run([...command.split(' ').filter(Boolean), '--help'])))
    expect(told.map(({ code, out }, i) => code === 0 && out.includes(`Usage: alliance ${commands[i]}`.trim()))).toEqual(
      commands.map(() => true),
    )
  })

  itOnPostgres('work on PostgreSQL too', async () => {
    const environment = { DATABASE_URL: await createPostgresDatabase() }
    expect(await run(['migrate'], environment)).toMatchObject({ code: 0, out: 'The database is up to date.\n' })
    expect(await run(['doctor'], environment)).toMatchObject({ code: 0 })
    const missing = { DATABASE_URL: environment.DATABASE_URL.replace(/test_\w+/, 'nowhere') }
    expect(await run(['doctor'], missing)).toEqual(oneLine('refuses the connection'))
  })
})

/** A moment within the life that a token can have. */
const soon = () => new Date(Date.now() + 86_400_000).toISOString()
