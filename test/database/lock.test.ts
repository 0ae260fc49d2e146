import { type ChildProcess, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DataDirectoryLockedError, lockDataDirectory } from '../../src/database/lock.ts'

const lockModule = join(import.meta.dirname, '../../src/database/lock.ts')

/** Locks or releases on request and reports what came of it. Says "ready" first, so that a race starts at once. */
const childSource = `
import { lockDataDirectory } from ${JSON.stringify(lockModule)}
let lock
process.on('message', ({ act, directory }) => {
  if (act === 'exit') process.exit(0)
  if (act === 'release') {
    lock.release()
    process.send({ outcome: 'released' })
    return
  }
  try {
    lock = lockDataDirectory(directory)
    process.send({ outcome: 'locked' })
  } catch (error) {
    process.send({ outcome: 'refused', name: error.name, pid: error.pid, message: error.message })
  }
})
process.send({ outcome: 'ready' })
`

interface Reply {
  outcome: 'ready' | 'locked' | 'refused' | 'released'
  name?: string
  pid?: number | null
  message?: string
}

let home: string
let directory: string
let program: string
let children: ChildProcess[]

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'lock-test-'))
  directory = join(home, 'deep', 'data')
  // Once: a child that starts reads it while the next is started.
  program = join(home, 'child.ts')
  writeFileSync(program, childSource)
  children = []
})

afterEach(async () => {
  await Promise.all(children.map(kill))
  rmSync(home, { recursive: true })
})

async function startChild(): Promise<ChildProcess> {
  const child = fork(program, { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  children.push(child)
  await nextReply(child)
  return child
}

async function nextReply(child: ChildProcess): Promise<Reply> {
  const ended = new AbortController()
  const exit = () => ended.abort(new Error(`the process ${child.pid} ended before it replied`))
  child.once('exit', exit)
  try {
    const [reply] = await once(child, 'message', { signal: ended.signal })
    return reply as Reply
  } finally {
    child.off('exit', exit)
  }
}

async function ask(child: ChildProcess, act: 'lock' | 'release'): Promise<Reply> {
  const reply = nextReply(child)
  child.send({ act, directory })
  return reply
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

async function findDeadPid(): Promise<number> {
  const child = await startChild()
  await kill(child)
  return child.pid!
}

function writeLock(holder: { pid: number; startedAt?: string | null; hostname?: string }, name = 'lock'): void {
  writeFileSync(join(directory, name), JSON.stringify({ startedAt: null, hostname: hostname(), ...holder }))
}

function refusal(): DataDirectoryLockedError {
  try {
    lockDataDirectory(directory)
  } catch (error) {
    if (error instanceof DataDirectoryLockedError) return error
    throw error
  }
  throw new Error('the directory was given a second time')
}

describe('two processes', () => {
  test('the second is refused and told who is first and what to do', async () => {
    const first = await startChild()
    const second = await startChild()
    expect(await ask(first, 'lock')).toEqual({ outcome: 'locked' })

    const reply = await ask(second, 'lock')

    expect(reply).toMatchObject({ outcome: 'refused', name: 'DataDirectoryLockedError', pid: first.pid })
    expect(reply.message).toContain(`in use by process ${first.pid}.`)
    expect(reply.message).toContain('DATA_DIR')
    expect(reply.message).toContain('DATABASE_URL')
  })

  test('the second comes in once the first has released', async () => {
    const first = await startChild()
    const second = await startChild()
    await ask(first, 'lock')
    await ask(first, 'release')

    expect(await ask(second, 'lock')).toEqual({ outcome: 'locked' })
    expect(refusal().pid).toBe(second.pid)
  })

  test('a process that exits leaves no lock behind', async () => {
    const first = await startChild()
    await ask(first, 'lock')
    const exit = once(first, 'exit')
    first.send({ act: 'exit' })
    await exit

    expect(readdirSync(directory)).toEqual([])
  })

  test('the lock of a killed process is taken over', async () => {
    const first = await startChild()
    const second = await startChild()
    await ask(first, 'lock')
    await kill(first)
    expect(existsSync(join(directory, 'lock'))).toBe(true)

    expect(await ask(second, 'lock')).toEqual({ outcome: 'locked' })
    expect(refusal().pid).toBe(second.pid)
    expect(readdirSync(directory)).toEqual(['lock'])
  })
})

describe('one process', () => {
  test('is refused a second lock on the same directory, until it releases the first', () => {
    const lock = lockDataDirectory(directory)
    expect(refusal().pid).toBe(process.pid)
    expect(refusal().message).toContain('which is this one')

    lock.release()
    lock.release()

    lockDataDirectory(directory).release()
    expect(readdirSync(directory)).toEqual([])
  })

  test('an earlier lock, released again, leaves the later one alone', () => {
    const earlier = lockDataDirectory(directory)
    earlier.release()
    const later = lockDataDirectory(directory)

    earlier.release()

    expect(existsSync(join(directory, 'lock'))).toBe(true)
    later.release()
  })

  test('a lock that is no longer ours is not removed', () => {
    const lock = lockDataDirectory(directory)
    writeLock({ pid: 1, hostname: 'elsewhere' })

    lock.release()

    expect(readFileSync(join(directory, 'lock'), 'utf8')).toContain('elsewhere')
  })

  test('the lock file names the process', () => {
    const lock = lockDataDirectory(directory)

    expect(JSON.parse(readFileSync(join(directory, 'lock'), 'utf8'))).toMatchObject({
      pid: process.pid,
      startedAt: process.platform === 'linux' ? expect.stringMatching(/^\d+$/) : null,
      hostname: hostname(),
    })
    lock.release()
  })
})

describe('a lock that was left behind', () => {
  beforeEach(() => lockDataDirectory(directory).release())

  test.runIf(process.platform === 'linux')('is taken over when its pid now belongs to another process', () => {
    writeLock({ pid: process.pid, startedAt: '1' })

    lockDataDirectory(directory).release()
  })

  test('is respected when its pid lives and its start is unknown', () => {
    writeLock({ pid: process.pid, startedAt: null })

    expect(refusal().pid).toBe(process.pid)
  })

  test('is respected when it comes from another host, and the message says how to remove it', async () => {
    const pid = await findDeadPid()
    writeLock({ pid, hostname: 'elsewhere' })

    const { message, pid: named } = refusal()

    expect(named).toBe(pid)
    expect(message).toContain('"elsewhere"')
    expect(message).toContain(`delete the file ${join(directory, 'lock')}`)
  })

  test.each(['', '{"pid":', 'null', '{"pid":-1,"startedAt":null,"hostname":"x"}', '{"pid":12}'])(
    'is respected when it does not say whose it is: %j',
    text => {
      writeFileSync(join(directory, 'lock'), text)

      const { message, pid } = refusal()

      expect(pid).toBeNull()
      expect(message).toContain(`delete the file ${join(directory, 'lock')}`)
      expect(readFileSync(join(directory, 'lock'), 'utf8')).toBe(text)
    },
  )

  test('is taken over even when earlier starters died while taking it over', async () => {
    const pid = await findDeadPid()
    const guardOf = (name: string) =>
      `lock.after-${createHash('sha256')
        .update(readFileSync(join(directory, name)))
        .digest('hex')
        .slice(0, 32)}`
    writeLock({ pid })
    const guard = guardOf('lock')
    writeLock({ pid, startedAt: 'first starter' }, guard)
    writeLock({ pid, startedAt: 'second starter' }, guardOf(guard))

    const lock = lockDataDirectory(directory)

    expect(readdirSync(directory)).toEqual(['lock'])
    lock.release()
  })
})

test('of eight processes that race for a dead one’s lock, exactly one wins, round after round', async () => {
  const racers = await Promise.all(Array.from({ length: 8 }, startChild))
  const pid = await findDeadPid()
  lockDataDirectory(directory).release()

  for (let round = 0; round < 25; round++) {
    writeLock({ pid, startedAt: `round ${round}` })

    const replies = await Promise.all(racers.map(racer => ask(racer, 'lock')))

    const winners = racers.filter((_, i) => replies[i]?.outcome === 'locked')
    expect(winners).toHaveLength(1)
    const refused = replies.filter(reply => reply.outcome === 'refused')
    expect(refused.map(reply => reply.pid)).toEqual(Array(7).fill(winners[0]?.pid))
    expect(readdirSync(directory)).toEqual(['lock'])
    await ask(winners[0]!, 'release')
  }
}, 30_000)
