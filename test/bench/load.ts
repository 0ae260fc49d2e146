/**
 * The load: a fixed number of callers, each with one connection that is kept open and one request at a time. A process
 * of its own, so that it shares no event loop with a server. Takes jobs from its parent, one at a time.
 *
 * It must cost less than any server, so it has no promise per request and reads no more of an answer than it checks.
 */
import { connect, type Socket } from 'node:net'
import { type Dialect, type MemberTarget, updateRequest } from './works.ts'

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
  readonly contestant: string
  readonly dialect: Dialect
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

/** One answer; `parts` are the pieces of head and body as they came. */
interface Answer {
  readonly status: number
  readonly bodyLength: number
  readonly parts: readonly Buffer[]
}

/** One request and the check of its answer: null when it is right, else what is wrong with it. */
interface Call {
  readonly request: Buffer
  readonly check: (answer: Answer) => string | null
}

const textOf = ({ parts }: Answer) => Buffer.concat(parts).toString('utf8')
const show = (answer: Answer) => textOf(answer).slice(0, 1000)

/** A connection that answers one request after the other: `onAnswer` may send the next at once. */
async function openConnection(port: number, onAnswer: (answer: Answer) => void, onError: (error: Error) => void) {
  const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  let parts: Buffer[] = []
  let received = 0
  /** Bytes of the whole answer; 0 while its head is not there. */
  let expected = 0
  let status = 0
  let bodyLength = 0
  const begin = () => {
    parts = []
    received = 0
    expected = 0
  }
  const readHead = (): boolean => {
    const all = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    const headEnd = all.indexOf('\r\n\r\n')
    if (headEnd < 0) return false
    const head = all.toString('latin1', 0, headEnd)
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    if (length === undefined) {
      onError(new Error(`An answer without Content-Length: ${head}`))
      return false
    }
    status = Number(head.slice(9, 12))
    bodyLength = Number(length)
    expected = headEnd + 4 + bodyLength
    return true
  }
  socket.on('error', onError)
  socket.on('close', () => onError(new Error('The server closed the connection.')))
  socket.on('data', chunk => {
    parts.push(chunk)
    received += chunk.length
    if ((expected === 0 && !readHead()) || received < expected) return
    const answer = { status, bodyLength, parts }
    begin()
    onAnswer(answer)
  })
  return {
    send: (request: Buffer) => socket.write(request),
    close: () => {
      socket.removeAllListeners('close')
      socket.destroy()
    },
  }
}

function readCalls({ requests }: ReadCalls): () => () => Call {
  const calls = requests.map(({ text, bytes }) => ({
    request: Buffer.from(text),
    check: (answer: Answer) => {
      const isRight = answer.status === 200 && answer.bodyLength === bytes
      return isRight ? null : `expected 200 with ${bytes} bytes, not ${answer.bodyLength}: ${show(answer)}`
    },
  }))
  let next = 0
  return () => () => calls[next++ % calls.length]!
}

const versions = new Map<string, number>()

/** Each caller has members of its own, so that none meets a version that another made. */
function updateCalls({ contestant, dialect, token, targets }: UpdateCalls, clients: number): () => () => Call {
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
        request: Buffer.from(updateRequest(dialect, target, version, token)),
        check: answer => {
          const text = textOf(answer)
          const isRight = Number(/"version" ?: ?(\d+)/.exec(text)?.[1]) === version + 1 && !text.includes('CONFLICT')
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
  const latencies: number[] = []
  let allRequests = 0
  let errors = 0
  let firstError: string | null = null
  let begin = 0
  let end = 0

  const callers = await Promise.all(
    Array.from({ length: clients }, async () => {
      const nextCall = makeCaller()
      const done = Promise.withResolvers<void>()
      let sent = 0
      let call: Call
      const next = () => {
        sent = performance.now()
        if (sent >= end) return done.resolve()
        call = nextCall()
        connection.send(call.request)
      }
      const connection = await openConnection(
        port,
        answer => {
          const received = performance.now()
          const wrong = call.check(answer)
          allRequests++
          if (received >= begin && received < end) latencies.push(received - sent)
          if (wrong !== null) {
            errors++
            firstError ??= wrong
          }
          next()
        },
        done.reject,
      )
      return { connection, next, done: done.promise }
    }),
  )
  begin = performance.now() + job.warmup * 1000
  end = begin + job.seconds * 1000
  for (const { next } of callers) next()
  await Promise.all(callers.map(({ done }) => done))
  for (const { connection } of callers) connection.close()
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
