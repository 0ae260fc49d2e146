/**
 * The load: a fixed number of callers, each with one connection that is kept open and one request at a time. A process
 * of its own, so that it shares no event loop with a server. Takes jobs from its parent, one at a time.
 */
import { connect, type Socket } from 'node:net'
import { type Contestant, type MemberTarget, updateRequest } from './works.ts'

/** One measurement. */
export interface Job {
  readonly port: number
  readonly clients: number
  /** Seconds before anything counts. */
  readonly warmup: number
  readonly seconds: number
  readonly calls: ReadCalls | UpdateCalls
}

/** Requests that may be repeated in any order, each with the length in bytes that its answer must have. */
interface ReadCalls {
  readonly kind: 'read'
  readonly requests: readonly { readonly text: string; readonly bytes: number }[]
}

/** Members to change over and over; the load keeps their versions from job to job. */
interface UpdateCalls {
  readonly kind: 'update'
  readonly contestant: Contestant
  readonly token: string
  readonly targets: readonly MemberTarget[]
}

/** What came of a job; times in milliseconds. */
export interface Measurement {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  /** Answers that counted, and all with those of the warm-up. */
  readonly requests: number
  readonly allRequests: number
  readonly errors: number
  readonly firstError: string | null
}

interface Answer {
  readonly status: number
  readonly body: Buffer
}

/** One request and the check of its answer: null when it is right, else what is wrong with it. */
interface Call {
  readonly text: string
  readonly check: (answer: Answer) => string | null
}

const show = ({ status, body }: Answer) => `${status} ${body.toString('utf8').slice(0, 500)}`

/** A connection that answers one request after the other. */
async function openConnection(port: number) {
  const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let parts: Buffer[] = []
  let waiting: PromiseWithResolvers<Answer> | undefined
  const fail = (error: Error) => waiting?.reject(error)
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('The server closed the connection.')))
  socket.on('data', chunk => {
    parts.push(chunk)
    const all = parts.length === 1 ? chunk : Buffer.concat(parts)
    const headEnd = all.indexOf('\r\n\r\n')
    if (headEnd < 0) return
    const head = all.toString('latin1', 0, headEnd)
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    if (length === undefined) return fail(new Error(`An answer without Content-Length: ${head}`))
    if (all.length < headEnd + 4 + Number(length)) return
    parts = []
    waiting?.resolve({ status: Number(head.slice(9, 12)), body: all.subarray(headEnd + 4) })
  })
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return {
    ask: (text: string): Promise<Answer> => {
      waiting = Promise.withResolvers()
      socket.write(text)
      return waiting.promise
    },
    close: () => socket.destroy(),
  }
}

function readCalls({ requests }: ReadCalls): () => () => Call {
  const calls = requests.map(({ text, bytes }) => ({
    text,
    check: (answer: Answer) => {
      const isRight = answer.status === 200 && answer.body.length === bytes
      return isRight ? null : `expected 200 with ${bytes} bytes, not ${answer.body.length}: ${show(answer)}`
    },
  }))
  let next = 0
  return () => () => calls[next++ % calls.length]!
}

const versions = new Map<string, number>()

/** Each caller has members of its own, so that none meets a version that another made. */
function updateCalls({ contestant, token, targets }: UpdateCalls, clients: number): () => () => Call {
  let client = 0
  return () => {
    const own = targets.filter((_, i) => i % clients === client)
    client++
    let next = 0
    return () => {
      const target = own[next++ % own.length]!
      const key = `${contestant} ${target.uuid}`
      const version = versions.get(key) ?? 1
      return {
        text: updateRequest(contestant, target, version, token),
        check: answer => {
          const body = answer.body.toString('utf8')
          const isRight =
            body.includes('"userErrors":[]') && Number(/"version" ?: ?(\d+)/.exec(body)?.[1]) === version + 1
          if (answer.status !== 200 || !isRight) return `expected version ${version + 1}: ${show(answer)}`
          versions.set(key, version + 1)
          return null
        },
      }
    }
  }
}

async function measure(job: Job): Promise<Measurement> {
  const { port, clients, calls } = job
  const makeCaller = calls.kind === 'read' ? readCalls(calls) : updateCalls(calls, clients)
  const connections = await Promise.all(Array.from({ length: clients }, () => openConnection(port)))
  const latencies: number[] = []
  let allRequests = 0
  let errors = 0
  let firstError: string | null = null
  const begin = performance.now() + job.warmup * 1000
  const end = begin + job.seconds * 1000

  await Promise.all(
    connections.map(async connection => {
      const nextCall = makeCaller()
      for (;;) {
        const sent = performance.now()
        if (sent >= end) return
        const call = nextCall()
        const wrong = call.check(await connection.ask(call.text))
        const received = performance.now()
        allRequests++
        if (received >= begin && received < end) latencies.push(received - sent)
        if (wrong === null) continue
        errors++
        firstError ??= wrong
      }
    }),
  )
  for (const connection of connections) connection.close()
  latencies.sort((a, b) => a - b)
  const at = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0
  const requests = latencies.length
  return { perSecond: requests / job.seconds, p50: at(0.5), p99: at(0.99), requests, allRequests, errors, firstError }
}

process.on('message', (job: Job) => {
  measure(job).then(
    measurement => process.send?.(measurement),
    error => process.send?.({ failure: String(error) }),
  )
})
// Whoever started us is gone.
process.on('disconnect', () => process.exit())
process.send?.('ready')
