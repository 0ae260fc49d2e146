import { createHash } from 'node:crypto'
import { fastifyApolloHandler } from '@as-integrations/fastify'
import type { FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import { type Actor, visibilityKey } from '../access/actor.ts'
import { type Context, createContext, type Services } from '../graphql/context.ts'
import { negotiateLocale } from '../languages.ts'
import { startKeeping } from '../reads/keeping.ts'
import type { Answers, KeptAnswer } from './answers.ts'
import { identify } from './caller.ts'
import { type Encoding, encode, encodingOf, shortestToCompress } from './encodings.ts'
import { currentExchange, type Exchange, openExchange, withExchange } from './exchange.ts'
import type { Metrics } from './metrics.ts'
import type { Accounting, Pipeline } from './pipeline.ts'
import { asGraphqlRefusal } from './refusal.ts'

/** The longest question whose answer is kept, in bytes. */
const longestQuestion = 20_000

/** Whether a GET can't have been sent by a page that may not read the answer, as Apollo's CSRF prevention wants it. */
const isPreflighted = ({ headers }: FastifyRequest) =>
  Boolean(headers['apollo-require-preflight'] || headers['x-apollo-operation-name'])

/**
 * What was asked, byte for byte: equal for the same document, variables and form of answer; null for what is not kept.
 * It is not read yet: what is equal to a question that was answered is as good as that was.
 */
function questionOf(request: FastifyRequest): string | null {
  const { method, url, headers, body } = request
  const { accept = '', 'content-type': contentType = '' } = headers
  let written = ''
  if (method === 'POST' && Buffer.isBuffer(body) && body.length <= longestQuestion) written = body.toString('latin1')
  else if (method !== 'GET' || !isPreflighted(request)) return null
  const question = `${method} ${url}\n${accept}\n${contentType}\n${written}`
  return question.length > longestQuestion ? null : question
}

/** The value of `ETag`: a weak one, since the bytes differ with the encoding. */
function tagOf(contentType: string, body: Buffer): string {
  const hash = createHash('sha256').update(`${contentType}\n`).update(body)
  return `W/"${hash.digest('base64url').slice(0, 27)}"`
}

/** Sends a kept answer; to a GET that has it already, that it has. */
function send(request: FastifyRequest, reply: FastifyReply, answer: KeptAnswer, actor: Actor): Buffer | string {
  const { body, contentType, encoding, tag } = answer
  reply.header('content-type', contentType)
  if (tag) {
    // Caches ask every time whether it still holds: we know at once when it does not.
    reply.header('etag', tag).header('cache-control', `${actor.kind === 'ANONYMOUS' ? 'public' : 'private'}, no-cache`)
    // Caches may have made a strong one of it.
    const opaque = tag.replace('W/', '')
    const known = request.headers['if-none-match']?.split(',').map(one => one.trim().replace(/^W\//, ''))
    if (known?.some(one => one === opaque || one === '*')) {
      reply.code(304)
      return ''
    }
  }
  if (encoding) reply.header('content-encoding', encoding)
  return body
}

/** An answer just made, as it is sent and kept. */
async function packed(
  { method }: FastifyRequest,
  reply: FastifyReply,
  body: Buffer,
  accepted: Encoding | null,
  { operationName: name, cost }: Exchange,
): Promise<KeptAnswer> {
  const contentType = String(reply.getHeader('content-type'))
  const tag = method === 'GET' ? tagOf(contentType, body) : null
  const encoding = body.length < shortestToCompress ? null : accepted
  return { body: await encode(body, encoding), contentType, encoding, tag, name, cost }
}

/** Makes what answers GraphQL over HTTP: with an answer that was kept, else by Apollo. */
export function createGraphqlDoor(options: {
  readonly services: Services
  readonly pipeline: Pipeline
  readonly account: Accounting
  readonly metrics: Metrics
  /** Null where nothing is kept. */
  readonly answers: Answers | null
  /** Reads a body that came as bytes into its place. @throws InvalidInput */
  readonly read: (request: FastifyRequest) => void
}): RouteHandlerMethod {
  const { services, pipeline, account, metrics, answers, read } = options
  const callers = new WeakMap<Exchange, Promise<Actor>>()

  const byApollo = fastifyApolloHandler<Context>(pipeline.apollo, {
    context: async request => {
      const exchange = currentExchange()
      const { locale, requestId } = exchange
      try {
        const actor = await (callers.get(exchange) ?? identify(services, request.headers.authorization))
        return createContext(services, { actor, locale, requestId })
      } catch (error) {
        throw asGraphqlRefusal(error)
      }
    },
  })

  /** Who asks; null where Apollo is to tell what is wrong with the token. */
  async function callerOf(request: FastifyRequest, exchange: Exchange): Promise<Actor | null> {
    const caller = identify(services, request.headers.authorization)
    callers.set(exchange, caller)
    try {
      return await caller
    } catch {
      return null
    }
  }

  return async function (request, reply) {
    const began = performance.now()
    const exchange = openExchange('http', negotiateLocale(request.headers['accept-language']), request.id)
    const asked = answers && questionOf(request)
    const actor = asked && (await callerOf(request, exchange))
    if (!answers || !asked || !actor) return byOrdinaryWay.call(this, request, reply, exchange)

    const accepted = encodingOf(request)
    const question = `${exchange.locale} ${accepted} ${visibilityKey(actor, false)}\n${asked}`
    const kept = answers.find(question)
    if (kept) {
      const { name, cost } = kept
      exchange.cost = cost
      metrics.answers.kept++
      const milliseconds = performance.now() - began
      account({ exchange, actor, type: 'query', name, codes: [], milliseconds, isKept: true })
      return send(request, reply, kept, actor)
    }
    const keeping = startKeeping()
    exchange.keeping = keeping
    const begun = answers.begin()
    const body = await byOrdinaryWay.call(this, request, reply, exchange)
    const isKept = keeping.isWhole && !keeping.isLost && reply.statusCode === 200 && typeof body === 'string'
    metrics.answers[isKept ? 'made' : 'passed']++
    if (!isKept) return body
    const answer = await packed(request, reply, Buffer.from(body), accepted, exchange)
    answers.keep(question, answer, keeping, begun)
    return send(request, reply, answer, actor)
  }

  async function byOrdinaryWay(
    this: ThisParameterType<RouteHandlerMethod>,
    request: FastifyRequest,
    reply: FastifyReply,
    exchange: Exchange,
  ): Promise<unknown> {
    read(request)
    const body = await withExchange(exchange, () => byApollo.call(this, request, reply))
    // GraphQL over HTTP: a well-formed request meets 200 in plain JSON, whatever becomes of its document.
    const isPlainJson = /^application\/json/.test(String(reply.getHeader('content-type')))
    if (exchange.refused && reply.statusCode === 400 && isPlainJson) reply.code(200)
    return body
  }
}
