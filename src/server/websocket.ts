import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { type ConnectionInitMessage, handleProtocols, makeServer } from 'graphql-ws'
import type { Logger } from 'pino'
import { type WebSocket, WebSocketServer } from 'ws'
import { anonymous } from '../access/actor.ts'
import type { Config } from '../config.ts'
import { PublicError, TooCostly, text, Unavailable } from '../errors.ts'
import { PassingFault } from '../graphql/live-fault.ts'
import { negotiateLocale } from '../languages.ts'
import { identify, readRequestId } from './caller.ts'
import { type Connections, closeTexts } from './connections.ts'
import { ShownError } from './format-error.ts'
import { bodyLimit, graphqlPath } from './http.ts'
import {
  closeCodes,
  closeLine,
  createPulse,
  endLine,
  endSubscriptions,
  type Line,
  mayWrite,
  type Pulse,
  transmit,
} from './line.ts'
import type { Metrics } from './metrics.ts'
import { isForeignPage } from './origins.ts'
import { type Asked, accept, interrupt, type OperationOptions } from './socket-operations.ts'
import { createTurns, type Turns } from './turns.ts'

type Extra = { readonly line: Line }

interface Options extends OperationOptions {
  readonly server: Server
  readonly config: Config
  readonly connections: Connections
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
    // Ours looks at the buffer first.
    autoPong: false,
    handleProtocols: protocols => handleProtocols(protocols),
  })
  const protocol = createProtocol(options)
  const pulse = createPulse()
  // Made out here, since it stays with the stream and would keep the request there.
  const onBroken = (error: Error) => options.log.debug({ err: error }, 'an upgrade broke off')
  server.on('upgrade', (request, stream, head) => {
    stream.on('error', onBroken)
    if (request.url?.split('?', 1)[0]?.replace(/\/$/, '') !== graphqlPath) return refuseUpgrade(stream, '404 Not Found')
    if (isStopping()) return refuseUpgrade(stream, '503 Service Unavailable')
    if (isForeignPage(request.headers, config)) return refuseUpgrade(stream, '403 Forbidden')
    sockets.handleUpgrade(request, stream, head, socket => serve(socket, request, protocol, pulse, options))
  })
}

function refuseUpgrade(stream: Duplex, status: string): void {
  stream.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}

function createProtocol(options: Options) {
  const { services, connections, formatError, log } = options
  return makeServer<ConnectionInitMessage['payload'], Extra>({
    connectionInitWaitTimeout: 3_000,
    onConnect: async ({ extra: { line }, connectionParams }) => {
      const { authorization, Authorization, acceptLanguage } = connectionParams ?? {}
      if (typeof acceptLanguage === 'string') line.locale = negotiateLocale(acceptLanguage)
      const given = authorization ?? Authorization ?? line.authorization
      line.authorization = undefined
      try {
        line.actor = await identify(services, given === undefined || given === null ? undefined : String(given))
      } catch (error) {
        const shown = formatError(error, { locale: line.locale, requestId: line.id })
        // Out of reach is no reason to give up: 1013 is "try again later".
        closeLine(line, error instanceof PublicError ? closeCodes.unauthorized : closeCodes.tryLater, shown.message)
        // graphql-ws would close again with its own words; the first close stands.
        return false
      }
      line.isWelcome = !connections.closeIfRevoked(line)
      return line.isWelcome
    },
    onSubscribe: async ({ extra: { line } }, id, payload) => {
      const work = accept(line, id, payload, options)
      line.running.add(work)
      return work.finally(() => line.running.delete(work))
    },
    execute: args => (args as Asked).outcome as never,
    subscribe: args => (args as Asked).outcome as never,
    // What the pipeline and the hub answer is ready to be sent.
    onNext: (_, __, ___, ____, result) => result as never,
    onComplete: ({ extra }, id) => {
      extra.line.followed.delete(id)
    },
    onError: ({ extra: { line } }, id, _payload, errors) => {
      const fault = errors.find(({ originalError }) => originalError instanceof PassingFault)?.originalError
      // Told of an error, clients would not come back; cut off, they go on from where they were.
      if (fault instanceof PassingFault) return interrupt(line, id, fault)
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

/** Takes a message in. Calls `handle`, which is the protocol's, unless we refuse it ourselves. */
async function receive(
  line: Line,
  turns: Turns,
  data: string,
  handle: (data: string) => Promise<void>,
  { config, formatError }: Options,
): Promise<void> {
  const message = readMessage(data)
  // What is no message, or comes before its time, the protocol closes the socket for.
  if (!message || !line.isWelcome) return handle(data)
  if (message.type === 'complete') turns.complete(message.id)
  if (message.type !== 'subscribe') return handle(data)
  const { id } = message
  if (line.isDraining || turns.isFull(config.MAX_SUBSCRIPTIONS)) {
    const error = line.isDraining ? new Unavailable(closeTexts.restart) : tooMany(config.MAX_SUBSCRIPTIONS)
    const shown = formatError(error, { locale: line.locale, requestId: line.id })
    transmit(line, JSON.stringify({ id, type: 'error', payload: [shown] }))
    return
  }
  return turns.take(id, async () => {
    if (line.socket.readyState === line.socket.OPEN) await handle(data)
  })
}

/** The type and the id of a message about an operation. */
function readMessage(data: string): { type: string; id: string } | null {
  try {
    const { type, id } = JSON.parse(data)
    return typeof type === 'string' && typeof id === 'string' ? { type, id } : null
  } catch {
    return null
  }
}

function serve(
  socket: WebSocket,
  request: IncomingMessage,
  protocol: ReturnType<typeof createProtocol>,
  pulse: Pulse,
  options: Options,
): void {
  const { connections, metrics, services, log } = options
  const line: Line = {
    socket,
    id: readRequestId(request.headers),
    authorization: request.headers.authorization,
    metrics,
    feed: services.feed,
    locale: negotiateLocale(request.headers['accept-language']),
    actor: anonymous,
    operations: 0,
    isWelcome: false,
    isDraining: false,
    running: new Set(),
    followed: new Map(),
    close: reason => endLine(line, reason),
  }
  const turns = createTurns()
  const leave = connections.add(line)
  metrics.sockets.inc()
  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      send: data =>
        new Promise(resolve => {
          if (!transmit(line, data, resolve)) resolve()
        }),
      close: (code = 1000, reason = '') => closeLine(line, code, reason),
      // What a ping carries is not sent back, and strangers get no answer.
      onPing: () => {
        if (line.isWelcome) transmit(line, '{"type":"pong"}')
      },
      onMessage: handle => {
        socket.on('message', async data => {
          if (socket.readyState !== socket.OPEN) return
          try {
            await receive(line, turns, String(data), handle, options)
          } catch (error) {
            log.warn({ requestId: line.id, err: error }, 'a message on a socket failed')
            closeLine(line, closeCodes.internal, 'This message could not be handled.')
          }
        })
      },
    },
    { line },
  )
  socket.on('ping', data => {
    if (mayWrite(line)) socket.pong(data)
  })
  const stopWatching = pulse.watch(line)
  socket.on('error', error => log.debug({ requestId: line.id, err: error }, 'a socket failed'))
  socket.once('close', (code, reason) => {
    stopWatching()
    leave()
    metrics.sockets.dec()
    endSubscriptions(line)
    Promise.resolve(closed(code, String(reason))).catch(error =>
      log.error({ requestId: line.id, err: error }, 'a socket could not be cleared away'),
    )
  })
}
