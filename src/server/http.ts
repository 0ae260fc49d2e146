import compress from '@fastify/compress'
import cors from '@fastify/cors'
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { GraphQLError } from 'graphql'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { InvalidInput, TooCostly, text } from '../errors.ts'
import type { Services } from '../graphql/context.ts'
import type { Answers } from './answers.ts'
import { readRequestId } from './caller.ts'
import { brotliOptions, encodings, shortestToCompress } from './encodings.ts'
import type { FormatError } from './format-error.ts'
import { createGraphqlDoor } from './graphql-door.ts'
import { brokenText, findBrokenText } from './limits.ts'
import type { Metrics } from './metrics.ts'
import type { Accounting, Pipeline } from './pipeline.ts'
import { sendRefusal } from './refusal.ts'

/** The most that a request's body, or a message on a socket, may have: 100 KB. */
export const bodyLimit = 100 * 1024

/** Where all three doors of GraphQL are. */
export const graphqlPath = '/graphql'

const tooLarge = () =>
  Object.assign(
    new TooCostly(
      text(
        'The request is larger than 100 KB. Send less at once, or import from a file.',
        '请求超过 100 KB。请分次提交，或使用文件导入。',
      ),
      { kind: 'body', limit: bodyLimit },
    ),
    { statusCode: 413 },
  )

/**
 * What keeps browsers from taking an answer of the API for something else, and caches from keeping one that was not made
 * for that. Pages have more to be told.
 */
const apiHeaders = {
  'cache-control': 'no-store',
  vary: 'accept, accept-language, authorization, origin, accept-encoding',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

const badJson = () => new InvalidInput(text('The body is no JSON in UTF-8.', '请求体不是 UTF-8 编码的 JSON。'))

/**
 * Leaves JSON bodies as the bytes that came: a question that was answered before is known by them.
 * @returns what reads such a body into its place. It throws InvalidInput for bytes that are no UTF-8, which would
 * otherwise become U+FFFD and be kept as if they were meant, for what is no JSON, and for texts that can't be kept.
 */
function createReader(app: FastifyInstance): (request: FastifyRequest) => void {
  const types = ['application/json', 'application/graphql-response+json']
  app.addContentTypeParser(types, { parseAs: 'buffer' }, (_, body, done) => done(null, body))
  const parse = app.getDefaultJsonParser('error', 'error')
  const utf8 = new TextDecoder('utf-8', { fatal: true })
  return request => {
    if (Buffer.isBuffer(request.body)) {
      let written: string
      try {
        written = utf8.decode(request.body)
      } catch {
        throw badJson()
      }
      let isBad = false
      parse(request, written, (error, value) => {
        isBad = Boolean(error)
        request.body = value
      })
      if (isBad) throw badJson()
      const broken = brokenText(written) ?? (written.includes('\\u') ? findBrokenText(request.body) : null)
      if (broken) throw broken
    }
    const broken = findBrokenText(request.query)
    if (broken) throw broken
  }
}

function onError(formatError: FormatError) {
  return (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
    if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
      const refusal = tooLarge()
      return sendRefusal(request, reply.code(413), refusal, formatError)
    }
    // What Fastify itself says of a request names nothing that the caller didn't send.
    const isCallers = error.code?.startsWith('FST_') && (error.statusCode ?? 500) < 500
    const refusal = isCallers
      ? Object.assign(new GraphQLError(error.message, { extensions: { code: 'BAD_REQUEST' } }), {
          statusCode: error.statusCode,
        })
      : error
    return sendRefusal(request, reply, refusal, formatError)
  }
}

/** Makes the HTTP server with everything that holds for all of its paths; `events` serves those who accept an event stream. */
export async function createHttpServer(options: {
  readonly config: Config
  readonly services: Services
  readonly pipeline: Pipeline
  readonly formatError: FormatError
  readonly log: Logger
  readonly account: Accounting
  readonly metrics: Metrics
  /** Null where nothing is kept. */
  readonly answers: Answers | null
  readonly events: (request: FastifyRequest, reply: FastifyReply) => Promise<void>
}): Promise<FastifyInstance> {
  const { config, formatError, log, events } = options
  const app = Fastify({
    bodyLimit,
    trustProxy: config.TRUST_PROXY,
    requestTimeout: 30_000,
    genReqId: request => readRequestId(request.headers),
    // Our own access log, below.
    logger: false,
    routerOptions: { ignoreTrailingSlash: true },
  })
  const read = createReader(app)
  app.setErrorHandler(onError(formatError))
  app.addHook('onResponse', (request, reply, done) => {
    const level = reply.statusCode >= 400 ? 'info' : 'debug'
    if (log.isLevelEnabled(level))
      log[level](
        {
          requestId: request.id,
          method: request.method,
          path: request.url.split('?', 1)[0]?.slice(0, 200),
          status: reply.statusCode,
          ms: Math.round(reply.elapsedTime * 10) / 10,
        },
        'request',
      )
    done()
  })
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    done()
  })
  if (config.CORS_ORIGINS.length > 0)
    await app.register(cors, {
      origin: config.CORS_ORIGINS,
      methods: ['GET', 'POST'],
      allowedHeaders: [
        'accept-language',
        'apollo-require-preflight',
        'authorization',
        'content-type',
        'if-none-match',
        'x-apollo-operation-name',
        'x-request-id',
      ],
      exposedHeaders: ['etag', 'retry-after', 'www-authenticate', 'x-request-id'],
      maxAge: 600,
    })
  await app.register(compress, { threshold: shortestToCompress, encodings, brotliOptions })

  const answer = createGraphqlDoor({ ...options, read })
  app.route({
    method: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    url: graphqlPath,
    // HEAD would run the query for nothing.
    exposeHeadRoute: false,
    onRequest: (_, reply, done) => {
      reply.headers(apiHeaders)
      done()
    },
    handler: async function (request, reply) {
      if (!isForEvents(request)) return answer.call(this, request, reply)
      read(request)
      return events(request, reply)
    },
  })
  return app
}

/** Whether a request wants Server-Sent Events. */
function isForEvents(request: FastifyRequest): boolean {
  const { method, headers } = request
  return (method === 'GET' || method === 'POST') && /(^|,)\s*text\/event-stream\s*(;|,|$)/i.test(headers.accept ?? '')
}
