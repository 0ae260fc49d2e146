import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ExecutionResult, GraphQLFormattedError } from 'graphql'
import { z } from 'zod'
import type { Config } from '../config.ts'
import { Forbidden, InvalidInput, text, Unauthenticated } from '../errors.ts'
import { createContext, type Services } from '../graphql/context.ts'
import { PassingFault } from '../graphql/live-fault.ts'
import type { LiveHub, Results } from '../graphql/live-hub.ts'
import { negotiateLocale } from '../languages.ts'
import { identify } from './caller.ts'
import { type CloseReason, type Connection, type Connections, closeTexts } from './connections.ts'
import { openExchange } from './exchange.ts'
import type { FormatError } from './format-error.ts'
import type { Metrics } from './metrics.ts'
import { isForeignPage } from './origins.ts'
import type { Answer, Pipeline } from './pipeline.ts'
import { sendRefusal } from './refusal.ts'

const heartbeat = 12_000
/** A listener who takes nothing for so long is let go: it may come back with its last cursor. */
const stallLimit = 30_000

const record = z.record(z.string(), z.unknown()).nullish()
const shape = z.object({
  query: z.string().min(1),
  operationName: z.string().nullish(),
  variables: record,
  extensions: record,
})

type Params = z.infer<typeof shape>

/** The request as a POST's JSON or a GET's parameters have it. @throws InvalidInput */
function readParams(request: FastifyRequest): Params {
  const parsed = shape.safeParse(request.method === 'GET' ? fromQuery(request.query) : request.body)
  if (parsed.success) return parsed.data
  const field = parsed.error.issues[0]?.path.join('.') || 'body'
  throw new InvalidInput(
    text(
      `"${field}" is missing or not what it should be: send JSON with "query" and, if needed, "variables" and "operationName".`,
      `“${field}”缺失或格式不符：请发送含 “query” 的 JSON，并视需要附上 “variables” 与 “operationName”。`,
    ),
  )
}

function fromQuery(query: unknown): unknown {
  const json = (value: unknown): unknown => {
    if (typeof value !== 'string' || value === '') return undefined
    try {
      return JSON.parse(value)
    } catch {
      return value
    }
  }
  const { variables, extensions, ...rest } = query as Record<string, unknown>
  return { ...rest, variables: json(variables), extensions: json(extensions) }
}

const foreign = () =>
  new Forbidden(text('Pages of this origin may not call. See CORS_ORIGINS.', '此来源的网页不得调用，见 CORS_ORIGINS。'))

/**
 * Serves GraphQL over Server-Sent Events, one stream for each operation (graphql-sse, "distinct connections").
 *
 * EventSource can send no header of its own, so Apollo's check against forged requests would shut browsers out. None is
 * needed for rights: they come by a bearer token, which browsers attach to nothing by themselves, GET only reads, and a
 * POST must be JSON, for which browsers ask first. Pages from elsewhere are refused all the same, as on the WebSocket.
 */
export function createEventStreams(options: {
  readonly config: Config
  readonly services: Services
  readonly pipeline: Pipeline
  readonly hub: LiveHub
  readonly connections: Connections
  readonly formatError: FormatError
  readonly metrics: Metrics
}): (request: FastifyRequest, reply: FastifyReply) => Promise<void> {
  const { config, services, pipeline, hub, connections, formatError, metrics } = options
  return async (request, reply) => {
    const locale = negotiateLocale(request.headers['accept-language'])
    const caller = { locale, requestId: request.id }
    let params: Params
    let actor: Connection['actor']
    try {
      if (request.method === 'GET' && isForeignPage(request.headers, config)) throw foreign()
      params = readParams(request)
      actor = await identify(services, request.headers.authorization)
    } catch (error) {
      return sendRefusal(request, reply, error, formatError)
    }
    const exchange = openExchange('sse', locale, request.id, request.method === 'GET')
    const { query, operationName, variables } = params
    const outcome = await pipeline.run(
      { query, ...(operationName && { operationName }), ...(variables && { variables }) },
      exchange,
      createContext(services, { actor, ...caller }),
    )
    let results: Answer | ExecutionResult | Results
    try {
      results =
        outcome.kind === 'answer' ? outcome.result : await hub.subscribe({ ...outcome.operation, actor, ...caller })
    } catch (error) {
      return sendRefusal(request, reply, error, formatError)
    }

    const stream = openStream(reply)
    if (!isLive(results)) {
      await stream.send('next', results)
      await stream.send('complete')
      return stream.end()
    }
    await follow(results, stream, actor, reason => formatError(new Unauthenticated(closeTexts[reason]), caller))
  }

  /** Sends the results until they end, or the connection is closed. */
  async function follow(
    results: Results,
    stream: EventStream,
    actor: Connection['actor'],
    explain: (reason: CloseReason) => GraphQLFormattedError,
  ): Promise<void> {
    // Whether the last words are said, or being said: nobody says them twice.
    let isEnding = false
    const connection: Connection = {
      actor,
      close: reason => {
        void results.return()
        // Words would wait behind what is not being read.
        if (stream.isStalled()) return stream.cut()
        if (isEnding) return
        isEnding = true
        if (reason !== 'restart') {
          void stream.send('next', { errors: [explain(reason)] })
          void stream.send('complete')
        }
        // After a restart without "complete", so that clients connect again.
        stream.end()
      },
    }
    stream.onClose(() => void results.return())
    const leave = connections.add(connection)
    connections.closeIfRevoked(connection)
    metrics.streams.inc()
    try {
      for await (const result of results) {
        if (isEnding) break
        // Without data it is no event but the last word.
        isEnding = result.data === undefined
        // Pulled no faster than the listener takes: there is no queue to grow.
        await stream.send('next', result)
        if (!isEnding) metrics.delivered.sse++
      }
      await stream.send('complete')
    } catch (error) {
      // Also without "complete": clients come back and go on from their last cursor.
      if (!(error instanceof PassingFault)) throw error
    } finally {
      leave()
      metrics.streams.dec()
      stream.end()
    }
  }
}

function isLive(results: Answer | ExecutionResult | Results): results is Results {
  return Symbol.asyncIterator in results
}

interface EventStream {
  /** Resolves when the listener has taken it, or is gone. */
  send(event: 'next' | 'complete', data?: unknown): Promise<void>
  onClose(listener: () => void): void
  /** Whether the listener has yet to take what it was sent. */
  isStalled(): boolean
  /** Ends it, after what was sent; nothing is sent any more. */
  end(): void
  /** Ends it at once. */
  cut(): void
}

/** Takes the answer over from Fastify as a stream of events. */
function openStream(reply: FastifyReply): EventStream {
  reply.hijack()
  const { raw } = reply
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value)
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store, no-transform',
    'x-accel-buffering': 'no',
  })
  // Some browsers wait for the first byte.
  raw.write(':\n\n')
  const beat = setInterval(() => {
    if (!raw.writableNeedDrain) raw.write(':\n\n')
  }, heartbeat)
  raw.once('close', () => clearInterval(beat))
  raw.on('error', () => raw.destroy())
  return {
    send: async (event, data) => {
      if (raw.destroyed || raw.writableEnded) return
      if (raw.write(`event: ${event}\ndata:${data === undefined ? '' : ` ${JSON.stringify(data)}`}\n\n`)) return
      await new Promise<void>(resolve => {
        const done = () => {
          clearTimeout(timer)
          raw.off('drain', done).off('close', done)
          resolve()
        }
        const timer = setTimeout(() => raw.destroy(), stallLimit)
        raw.once('drain', done).once('close', done)
      })
    },
    onClose: listener => {
      if (raw.destroyed) listener()
      else raw.once('close', listener)
    },
    isStalled: () => raw.writableNeedDrain,
    end: () => {
      clearInterval(beat)
      raw.end()
    },
    cut: () => raw.destroy(),
  }
}
