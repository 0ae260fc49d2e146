import { createHash, randomUUID } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'

/** A held lock. It is also released when the process exits; a killed process leaves it behind, to be taken over. */
export interface DataDirectoryLock {
  /** Gives the directory free, if it is still ours. Later calls do nothing. */
  release(): void
}

/** The embedded database's directory is held by another process, or by one that cannot be checked. */
export class DataDirectoryLockedError extends Error {
  /** The process that holds the directory; null when its lock file cannot be read. */
  readonly pid: number | null

  constructor(message: string, pid: number | null) {
    super(message)
    this.name = 'DataDirectoryLockedError'
    this.pid = pid
  }
}

/** One lock file as it was read. The text tells two locks apart, since each has its own nonce. */
interface Claim {
  path: string
  text: string
  /** null when the file does not say whose it is. */
  holder: Holder | null
}

interface Holder {
  pid: number
  startedAt: string | null
  hostname: string
}

/** How long another starter may take over before we give up. It needs a few milliseconds. */
const TAKEOVER_PATIENCE_MS = 5_000

/**
 * Takes the directory of the embedded database for this process, creating it when it is missing. PGlite has no lock
 * of its own: two openers lose data silently.
 *
 * The lock of a dead process is taken over, that of a live one never. A process is known by its pid and its start
 * time, which is as far as one can see from inside one PID namespace: containers that share a directory must have
 * different host names, as they have unless told otherwise.
 *
 * @throws {DataDirectoryLockedError} when a live process (this one too) holds the directory, or when it cannot be
 * known whether the holder lives
 */
export function lockDataDirectory(directory: string): DataDirectoryLock {
  const home = resolve(directory)
  mkdirSync(home, { recursive: true, mode: 0o700 })
  const path = join(home, 'lock')
  const text = writeOwnText()
  const draft = join(home, `lock.${randomUUID()}`)
  try {
    writeDurably(draft, text)
    take(path, draft)
  } finally {
    rmSync(draft, { force: true })
  }
  removeLeftovers(home)

  let held = true
  const release = () => {
    if (!held) return
    held = false
    process.off('exit', release)
    if (read(path)?.text === text) rmSync(path)
  }
  process.on('exit', release)
  return { release }
}

/** Takes the lock, waiting while another starter is about to replace the lock of a dead process. */
function take(path: string, draft: string): void {
  const deadline = Date.now() + TAKEOVER_PATIENCE_MS
  for (;;) {
    const holder = claim(path, draft)
    if (!holder) return
    // Whoever holds only a guard may yet lose, so it is not the one to name: look again.
    if (holder.path === path || Date.now() > deadline) throw explain(holder)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
  }
}

/**
 * Puts the draft at the path, atomically and with its full content. Answers undefined on success, else the claim that
 * stands in the way.
 *
 * A dead process's file may be replaced only by the holder of its guard, a lock of the same kind named after that very
 * file's content, so two starters cannot both replace it. Inside the guard the file is read again: an earlier starter
 * may have finished in between. A guard left by a crash is a dead process's lock and is taken over in the same way.
 */
function claim(path: string, draft: string): Claim | undefined {
  for (;;) {
    if (link(draft, path)) return undefined
    const found = read(path)
    if (!found) continue
    if (!isAbandoned(found)) return found
    const guard = join(
      dirname(path),
      `lock.after-${createHash('sha256').update(found.text).digest('hex').slice(0, 32)}`,
    )
    const inTheWay = claim(guard, draft)
    if (inTheWay) return inTheWay
    try {
      if (read(path)?.text === found.text) {
        // A copy, since rename does nothing between two names of one file, and the guard is a name of the draft.
        const copy = join(dirname(path), `lock.${randomUUID()}`)
        writeDurably(copy, readFileSync(draft, 'utf8'))
        renameSync(copy, path)
        return undefined
      }
    } finally {
      rmSync(guard, { force: true })
    }
  }
}

/**
 * Whether the claim's process is certainly gone.
 *
 * A file that does not say whose it is counts as held. No step of ours can leave one: a lock appears under its name
 * only after its full content is on the disk, so neither a crash nor a power cut makes it empty. Something else wrote
 * to it, perhaps while its process runs on, and nothing in it could prove otherwise.
 */
function isAbandoned({ holder }: Claim): boolean {
  if (!holder || holder.hostname !== hostname()) return false
  if (!canBeSignalled(holder.pid)) return true
  const now = readProcess(holder.pid)
  // A zombie has closed its files. It may stay for ever under a container's first process, which reaps nothing.
  if (now?.state === 'Z' || now?.state === 'X') return true
  return now !== null && holder.startedAt !== null && now.startedAt !== holder.startedAt
}

function canBeSignalled(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return false
    if (hasCode(error, 'EPERM')) return true
    throw error
  }
}

/** A process's state and start (in clock ticks since boot), or null where there is no /proc or it hides the process. */
function readProcess(pid: number): { state: string; startedAt: string } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // Field 2, the command's name, may hold spaces and parentheses; the fields after it cannot.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state, startedAt] = [fields[0], fields[19]]
    if (!state || !startedAt) throw new Error(`/proc/${pid}/stat has an unknown form: ${stat}`)
    return { state, startedAt }
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ESRCH') || hasCode(error, 'EACCES')) return null
    throw error
  }
}

function writeOwnText(): string {
  const startedAt = readProcess(process.pid)?.startedAt ?? null
  return `${JSON.stringify({ pid: process.pid, startedAt, hostname: hostname(), nonce: randomUUID() })}\n`
}

function writeDurably(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600)
  try {
    writeFileSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function link(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw error
  }
}

function read(path: string): Claim | undefined {
  try {
    const text = readFileSync(path, 'utf8')
    return { path, text, holder: parseHolder(text) }
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

function parseHolder(text: string): Holder | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
  const { pid, startedAt, hostname } = (value ?? {}) as Record<string, unknown>
  // Zero and negative numbers mean process groups to kill().
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return null
  if (typeof hostname !== 'string' || (startedAt !== null && typeof startedAt !== 'string')) return null
  return { pid, startedAt, hostname }
}

/**
 * Removes what crashed starters left. Only the holder of the lock does this: a guard protects the file of a dead
 * process, and with a live process in the lock there is none left to protect.
 */
function removeLeftovers(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (!name.startsWith('lock.')) continue
    const found = read(join(directory, name))
    if (found && isAbandoned(found)) rmSync(found.path, { force: true })
  }
}

function explain({ path, holder }: Claim): DataDirectoryLockedError {
  const directory = dirname(path)
  const byHand = `make sure that no process uses the directory, then delete the file ${path}`
  if (!holder) {
    const message = `The data directory ${directory} is locked, but its file "${basename(path)}" does not say by whom: `
    return new DataDirectoryLockedError(`${message}${byHand}.`, null)
  }
  if (holder.hostname !== hostname()) {
    const message =
      `The data directory ${directory} is locked by process ${holder.pid} of the host "${holder.hostname}", ` +
      `which cannot be checked from here (this is "${hostname()}"). If that host or container is gone, `
    return new DataDirectoryLockedError(`${message}${byHand}.`, holder.pid)
  }
  const who = holder.pid === process.pid ? `${holder.pid}, which is this one` : `${holder.pid}`
  const message =
    `The data directory ${directory} is in use by process ${who}. The embedded database serves one process only: ` +
    'stop that process, or set DATA_DIR to another directory, or run several processes on PostgreSQL by setting ' +
    'DATABASE_URL.'
  return new DataDirectoryLockedError(message, holder.pid)
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
