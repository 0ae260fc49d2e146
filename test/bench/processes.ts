import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** A process that this one started and will end. */
export interface Child {
  readonly pid: number
  stop(): Promise<void>
}

/** A child that answers messages. */
export interface Worker extends Child {
  /** Sends a message and answers the reply. @throws Error with what the child says went wrong */
  ask<Reply>(message: object): Promise<Reply>
  /** Answers the next message of the child. */
  hear<Message>(): Promise<Message>
}

/** Someone to be measured, and where it listens. */
export interface Runner {
  readonly child: Child
  readonly port: number
}

/** How long a process may take to begin, and to end. */
const patience = { start: 180_000, stop: 10_000 }

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** Milliseconds on the machine's monotonic clock, which all processes share. */
export function clock(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** The process and those that it started and they started; null where the system does not tell as Linux does. */
function family(pid: number): number[] | null {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
    return [pid, ...children.flatMap(child => family(Number(child)) ?? [])]
  } catch {
    return null
  }
}

function sumOf(pid: number, read: (pid: number) => number): number | null {
  try {
    return family(pid)?.reduce((sum, member) => sum + read(member), 0) ?? null
  } catch {
    return null
  }
}

/**
 * Microseconds of processor that a process and its children have used, by ticks of 10 ms; null where the system does
 * not tell as Linux does.
 */
export function processorTime(pid: number): number | null {
  return sumOf(pid, member => {
    // After the program's name, which may hold anything, the 12th and 13th field: time of its own and of the system for it.
    const fields = readFileSync(`/proc/${member}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) * 10_000
  })
}

/** Megabytes of memory that a process and its children hold; null where the system does not tell as Linux does. */
export function residentMemory(pid: number): number | null {
  return sumOf(pid, member => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${member}/status`, 'utf8'))?.[1]) / 1024)
}

/** A TCP port that nobody uses now. */
export async function findPort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  if (address === null || typeof address === 'string') throw new Error(`Not a TCP address: ${address}`)
  return address.port
}

function watch(
  child: ChildProcess,
  name: string,
  lastWords = () => '',
): { readonly failed: Promise<never>; stop(): Promise<void> } {
  let stopping = false
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      if (!stopping) reject(new Error(`The process of ${name} ended by itself (${signal ?? code}). ${lastWords()}`))
    })
  })
  failed.catch(() => undefined)
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  return {
    failed,
    stop: async () => {
      stopping = true
      process.off('exit', kill)
      if (child.exitCode !== null || child.signalCode !== null) return
      const exit = once(child, 'exit')
      child.kill('SIGTERM')
      const timer = setTimeout(kill, patience.stop)
      await exit
      clearTimeout(timer)
    },
  }
}

/** Starts a file as a process that answers messages, and waits until it says that it is ready. */
export async function startWorker(
  file: URL,
  env: Record<string, string> = {},
  nodeFlags: readonly string[] = [],
): Promise<Worker> {
  const child = fork(file, {
    env: { ...process.env, ...env },
    execArgv: [...nodeFlags],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const { failed, stop } = watch(child, basename(file.pathname))
  const hear = async <Message>(): Promise<Message> => {
    const [message] = await Promise.race([once(child, 'message'), failed])
    if (typeof message === 'object' && message !== null && 'failure' in message)
      throw new Error(String(message.failure))
    return message as Message
  }
  await hear()
  return {
    pid: child.pid!,
    stop,
    hear,
    ask: <Reply>(message: object) => {
      const reply = hear<Reply>()
      child.send(message)
      return reply
    },
  }
}

/** Starts the service as an operator would, and waits until it is ready. @param env its settings besides PORT */
export async function startService(
  env: Readonly<Record<string, string>>,
): Promise<Child & { readonly port: number; readonly milliseconds: number }> {
  const port = await findPort()
  const begun = clock()
  const child = spawn(process.execPath, [main], {
    env: { ...process.env, LOG_LEVEL: 'warn', ...env, PORT: `${port}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // Its greeting would mix with the report; what it says last matters only when it fails.
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', chunk => {
      said = (said + chunk).slice(-5_000)
    })
  const { failed, stop } = watch(child, 'the service', () => said)
  const isReady = () =>
    fetch(`http://127.0.0.1:${port}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    )
  while (!(await Promise.race([isReady(), failed]))) {
    if (clock() - begun > patience.start)
      throw new Error(`The service is not ready after ${patience.start / 1000} s. ${said}`)
    await sleep(5)
  }
  return { pid: child.pid!, stop, port, milliseconds: clock() - begun }
}
