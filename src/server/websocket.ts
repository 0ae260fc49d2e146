import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { type ExecutionArgs, type GraphQLSchema, parse } from 'graphql'
import { type ConnectionInitMessage, handleProtocols, makeServer } from 'graphql-ws'
import type { Logger } from 'pino'
import { type WebSocket, WebSocketServer } from 'ws'
import { anonymous } from '../access/actor.ts'
import type { Config } from '../config.ts'
import { PublicError, TooCostly, text } from '../errors.ts'
import { createContext, type Services } from '../graphql/context.ts'
import { type LiveHub, nextFrame, type Results, type Sink } from '../graphql/live-hub.ts'
import { writeCursor } from '../journal/cursor.ts'
import { negotiateLocale } from '../languages.ts'
import { identify, identifyAgain, readRequestId } from './caller.ts'
import type { Connections } from './connections.ts'
import { openExchange } from './exchange.ts'
import { type FormatError, ShownError } from './format-error.ts'
import { bodyLimit, graphqlPath } from './http.ts'
import { closeCodes, closeLine, endLine, type Line, transmit } from './line.ts'
import type { Metrics } from './metrics.ts'
import type { Answer, Pipeline } from './pipeline.ts'

/** How full a socket's buffer may get before it is closed as too slow. */
const bufferLimit = 1024 * 1024
/** A replay waits while more than this is in the buffer. */
const replayBuffer = 64 * 1024
const pingInterval = 12_000
type Extra = { readonly line: Line }
type Asked = ExecutionArgs & { readonly outcome: Answer | Results }

const someQuery = parse('{ __typename }')

interface Options {
  readonly server: Server
  readonly schema: GraphQLSchema
  readonly config: Config
  readonly services: Services
  readonly pipeline: Pipeline
  readonly hub: LiveHub
  readonly connections: Connections
  readonly formatError: FormatError
  readonly metrics: Metrics
  readonly log: Logger
  readonly isStopping: () => boolean
}

/** Opens the WebSocket door (graphql-transport-ws) on the HTTP server. */
export function openWebSocketDoor(options: Options): void {
  const { server, config, isStopping } = options
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: bodyLimit,
    perMessageDeflate: false,
    handleProtocols: protocols => handleProtocols(protocols),
  })
  const protocol = createProtocol(options)
  server.on('upgrade', (request, stream, head) => {
    stream.on('error', error => options.log.debug({ err: error }, 'an upgrade broke off'))
    if (request.url?.split('?', 1)[0]?.replace(/\/$/, '') !== graphqlPath) return refuseUpgrade(stream, '404 Not Found')
    if (isStopping()) return refuseUpgrade(stream, '503 Service Unavailable')
    if (!isOriginAllowed(request, config)) return refuseUpgrade(stream, '403 Forbidden')
    sockets.handleUpgrade(request, stream, head, socket => serve(socket, request, protocol, options))
  })
}

function refuseUpgrade(stream: Duplex, status: string): void {
  stream.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}

/** Programs send no Origin; browsers always do, and only those pages may that CORS allows, and our own. */
function isOriginAllowed({ headers }: IncomingMessage, config: Config): boolean {
  const { origin } = headers
  const host = (config.TRUST_PROXY && headers['x-forwarded-host']) || headers.host
  if (origin === undefined || config.CORS_ORIGINS.includes(origin)) return true
  return URL.canParse(origin) && new URL(origin).host === host
}

function createProtocol(options: Options) {
  const { schema, config, services, pipeline, hub, connections, formatError, metrics, log } = options
  return makeServer<ConnectionInitMessage['payload'], Extra>({
    connectionInitWaitTimeout: 3_000,
    onConnect: async ({ extra: { line }, connectionParams }) => {
      const { authorization, Authorization, acceptLanguage } = connectionParams ?? {}
      line.locale = negotiateLocale(
        typeof acceptLanguage === 'string' ? acceptLanguage : line.headers['accept-language'],
      )
      const given = authorization ?? Authorization ?? line.headers.authorization
      try {
        line.actor = await identify(services, given === undefined || given === null ? undefined : String(given))
      } catch (error) {
        const shown = formatError(error, { locale: line.locale, requestId: line.id })
        // Out of reach is no reason to give up: 1013 is "try again later".
        closeLine(
          line,
          error instanceof PublicError ? closeCodes.unauthorized : closeCodes.tryLater,
          shown.message,
          metrics,
        )
        // graphql-ws would close again with its own words; the first close stands.
        return false
      }
      return !connections.closeIfRevoked(line)
    },
    onSubscribe: async (protocol, id, payload): Promise<Asked | ShownError[]> => {
      const { line } = protocol.extra
      const requestId = `${line.id}.${++line.operations}`
      const refuse = (error: unknown) => [new ShownError(formatError(error, { locale: line.locale, requestId }))]
      if (Object.keys(protocol.subscriptions).length > config.MAX_SUBSCRIPTIONS)
        return refuse(tooMany(config.MAX_SUBSCRIPTIONS))
      try {
        line.actor = await identifyAgain(services, line.actor)
      } catch (error) {
        if (error instanceof PublicError) line.close('revoked')
        return refuse(error)
      }
      const { locale, actor } = line
      const exchange = openExchange('websocket', locale, requestId)
      const context = createContext(services, { actor, locale, requestId })
      const { query, operationName, variables } = payload
      const run = pipeline.run(
        { query, ...(operationName && { operationName }), ...(variables && { variables }) },
        exchange,
        context,
      )
      line.running.add(run)
      const outcome = await run.finally(() => line.running.delete(run))
      if (outcome.kind === 'answer') {
        const { result } = outcome
        if (result.data === undefined) return (result.errors ?? []).map(error => new ShownError(error))
        return { schema, document: someQuery, outcome: result }
      }
      const results = await hub.join({ ...outcome.operation, actor, locale, requestId }, sinkOf(line, id, options))
      if (!(Symbol.asyncIterator in results)) return results.errors as ShownError[]
      const { document, operationName: name } = outcome.operation
      return { schema, document, operationName: name, outcome: results }
    },
    execute: args => (args as Asked).outcome as never,
    subscribe: args => (args as Asked).outcome as never,
    // What the pipeline and the hub answer is ready to be sent.
    onNext: (_, __, ___, ____, result) => result as never,
    onComplete: ({ extra }, id) => {
      extra.line.heard.delete(id)
    },
    onError: (_, __, ___, errors) => {
      if (errors.some(error => !(error instanceof ShownError)))
        log.debug({ errors }, 'the protocol refused an operation')
    },
  })
}

const tooMany = (most: number) =>
  new TooCostly(
    text(
      `This connection has ${most} operations under way, the most that it may have. Complete some first, or open another connection.`,
      `此连接上已有 ${most} 个进行中的操作，已达上限。请先结束一些，或另建连接。`,
    ),
    { kind: 'subscriptions', limit: most },
  )

/** Where the events of one subscription go: the text is shared among all who hear the same. */
function sinkOf(line: Line, id: string, options: Options): Sink {
  const { socket } = line
  return {
    send: (serialised, seq) => {
      if (socket.readyState !== socket.OPEN) return
      line.heard.set(id, seq)
      transmit(line, nextFrame(id, serialised))
      options.metrics.delivered.inc({ door: 'websocket' })
      if (socket.bufferedAmount <= bufferLimit) return
      // Everything up to here is on its way before the close frame, so from here the listener can go on.
      const heard = Math.min(...line.heard.values())
      const cursor = writeCursor({ epoch: options.services.feed.position().epoch, seq: heard })
      closeLine(line, closeCodes.tryLater, `Too slow. Resume after: ${cursor}`, options.metrics)
    },
    drained: async () => {
      while (socket.readyState === socket.OPEN && socket.bufferedAmount > replayBuffer) await line.flushed
    },
  }
}

function serve(
  socket: WebSocket,
  request: IncomingMessage,
  protocol: ReturnType<typeof createProtocol>,
  options: Options,
): void {
  const { connections, metrics, log } = options
  const line: Line = {
    socket,
    id: readRequestId(request.headers),
    headers: request.headers,
    locale: negotiateLocale(request.headers['accept-language']),
    actor: anonymous,
    operations: 0,
    running: new Set(),
    heard: new Map(),
    flushed: Promise.resolve(),
    close: reason => endLine(line, reason, metrics),
  }
  const leave = connections.add(line)
  metrics.sockets.inc()
  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      send: data => (socket.readyState === socket.OPEN ? transmit(line, data) : undefined),
      close: (code = 1000, reason = '') => closeLine(line, code, reason, metrics),
      onMessage: handle => {
        socket.on('message', async data => {
          try {
            await handle(String(data))
          } catch (error) {
            log.warn({ requestId: line.id, err: error }, 'a message on a socket failed')
            closeLine(line, closeCodes.internal, 'This message could not be handled.', metrics)
          }
        })
      },
    },
    { line },
  )
  let isAlive = true
  socket.on('pong', () => {
    isAlive = true
  })
  const pinging = setInterval(() => {
    if (!isAlive) return socket.terminate()
    isAlive = false
    socket.ping()
  }, pingInterval)
  socket.on('error', error => log.debug({ requestId: line.id, err: error }, 'a socket failed'))
  socket.once('close', (code, reason) => {
    clearInterval(pinging)
    leave()
    metrics.sockets.dec()
    Promise.resolve(closed(code, String(reason))).catch(error =>
      log.error({ requestId: line.id, err: error }, 'a socket could not be cleared away'),
    )
  })
}
