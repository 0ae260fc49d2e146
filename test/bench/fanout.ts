/**
 * The listeners: thousands of WebSockets of plain `ws` in a process of their own, which tell when the first and the last
 * of them heard an event. Takes commands from its parent, one at a time.
 */
import WebSocket from 'ws'
import { clock } from './processes.ts'

/** What a listener subscribes to. */
export interface Operation {
  readonly query: string
  readonly variables?: Readonly<Record<string, unknown>>
}

/** Opens listeners; resolves when all are connected. */
export interface OpenCommand {
  readonly do: 'open'
  /** Under which they are counted. May be opened in several goes. */
  readonly contestant: string
  readonly url: string
  readonly count: number
  /** What they subscribe to by graphql-transport-ws, one after the other; null to only listen. */
  readonly operations: readonly Operation[] | null
}

/** Waits for one event to reach all listeners. The parent hears 'armed' first, so that it can publish. */
export interface AwaitCommand {
  readonly do: 'await'
  readonly contestant: string
  /** Milliseconds after which those that have not heard it are given up. */
  readonly patience: number
}

/** How an event arrived; times in milliseconds of `clock`. */
export interface Arrival {
  readonly first: number
  readonly last: number
  readonly count: number
  /** The text that the first listener received. */
  readonly frame: string
  /** What was wrong with a delivery, if anything was. */
  readonly fault: string | null
}

interface Watch {
  readonly hear: (data: Buffer) => void
}

const watches = new Map<string, Watch>()
const counts = new Map<string, number>()
/** How many sockets shake hands at a time. */
const batch = 50

function openListener({ url, operations, contestant }: OpenCommand, index: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, operations === null ? [] : ['graphql-transport-ws'], { perMessageDeflate: false })
    let isReady = operations === null
    socket.on('error', reject)
    socket.on('close', (code, reason) => {
      console.error(`A socket of ${contestant} was closed: ${code} ${reason}`)
      process.exit(1)
    })
    socket.on('open', () => {
      if (operations === null) resolve()
      else socket.send('{"type":"connection_init"}')
    })
    socket.on('message', (data: Buffer) => {
      if (isReady) return watches.get(contestant)?.hear(data)
      if (JSON.parse(data.toString('utf8')).type !== 'connection_ack')
        return reject(new Error(`An unexpected message: ${data}`))
      isReady = true
      const payload = operations?.[index % operations.length]
      socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload }))
      resolve()
    })
  })
}

async function open(command: OpenCommand): Promise<string> {
  for (let opened = 0; opened < command.count; opened += batch) {
    const size = Math.min(batch, command.count - opened)
    await Promise.all(Array.from({ length: size }, (_, i) => openListener(command, opened + i)))
  }
  counts.set(command.contestant, (counts.get(command.contestant) ?? 0) + command.count)
  return 'open'
}

function awaitEvent({ contestant, patience }: AwaitCommand): Promise<Arrival> {
  const wanted = counts.get(contestant) ?? 0
  return new Promise(resolve => {
    let first = 0
    let last = 0
    let count = 0
    let sample: Buffer | null = null
    let fault: string | null = null
    const finish = () => {
      clearTimeout(timer)
      watches.delete(contestant)
      resolve({ first, last, count, frame: sample?.toString('utf8') ?? '', fault })
    }
    const timer = setTimeout(finish, patience)
    watches.set(contestant, {
      hear: data => {
        count++
        if (sample === null) {
          first = clock()
          sample = data
        } else if (sample.length !== data.length) fault ??= `a frame of another length: ${data.toString('utf8')}`
        if (count < wanted) return
        last = clock()
        finish()
      },
    })
    process.send?.('armed')
  })
}

process.on('message', (command: OpenCommand | AwaitCommand) => {
  const work: Promise<unknown> = command.do === 'open' ? open(command) : awaitEvent(command)
  work.then(
    result => process.send?.(result),
    error => process.send?.({ failure: String(error) }),
  )
})
// Whoever started us is gone.
process.on('disconnect', () => process.exit())
process.send?.('ready')
