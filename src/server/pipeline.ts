import { ApolloServer, type ApolloServerPlugin, type GraphQLRequest } from '@apollo/server'
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled'
import { GraphQLError, type GraphQLFormattedError, type GraphQLSchema } from 'graphql'
import type { Logger } from 'pino'
import { type Actor, actorReference } from '../access/actor.ts'
import type { Config } from '../config.ts'
import type { Context } from '../graphql/context.ts'
import { createPlanner, type Planner } from '../graphql/planner.ts'
import type { Reference } from '../reads/reference.ts'
import { countCost } from './cost.ts'
import { type AcceptedSubscription, currentExchange, type Exchange, withExchange } from './exchange.ts'
import type { FormatError } from './format-error.ts'
import { findBrokenText, limitRules, limits, tooCostly } from './limits.ts'
import type { Metrics } from './metrics.ts'

/** What came of an operation: its answer, or a subscription that the door now follows. */
export type Outcome =
  | { readonly kind: 'answer'; readonly result: Answer }
  | { readonly kind: 'live'; readonly operation: AcceptedSubscription }

/** An answer as it is sent, its errors shown as the caller may see them. */
export interface Answer {
  readonly data?: Readonly<Record<string, unknown>> | null
  readonly errors?: readonly GraphQLFormattedError[]
  readonly extensions?: Readonly<Record<string, unknown>>
}

/** The one way of an operation, whatever door it came through: parse, validate, limits, cost, run, show errors, log. */
export interface Pipeline {
  /** For the HTTP door, which leaves the reading of requests to Apollo. Run it within `withExchange`. */
  readonly apollo: ApolloServer<Context>
  /** Runs a query or mutation; checks a subscription. Never throws. */
  run(
    request: Pick<GraphQLRequest, 'query' | 'operationName' | 'variables'>,
    exchange: Exchange,
    context: Context,
  ): Promise<Outcome>
}

const codesOf = (errors: readonly GraphQLFormattedError[] | undefined): string[] =>
  (errors ?? []).map(error => String(error.extensions?.code ?? 'UNKNOWN'))

/** The status for a request of which nothing ran. Refusals become 200 again for callers that accept plain JSON only. */
function refusalStatus(codes: readonly string[]): number {
  if (codes.includes('SERVICE_UNAVAILABLE')) return 503
  if (codes.includes('INTERNAL_SERVER_ERROR')) return 500
  if (codes.includes('UNAUTHENTICATED')) return 401
  return 400
}

/** The codes of a document or of variables that are not as they should be. */
const badDocument = new Set([
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'BAD_USER_INPUT',
  'TOO_COSTLY',
  'OPERATION_RESOLUTION_FAILURE',
])

function limitsPlugin(config: Pick<Config, 'MAX_COST'>, planner: Planner): ApolloServerPlugin<Context> {
  return {
    async requestDidStart() {
      return {
        async didResolveOperation({ schema, document, operation, request }) {
          // Without one the name is unknown: GraphQL.js says so.
          if (!operation) return
          const exchange = currentExchange()
          const variables = request.variables ?? {}
          exchange.operationName = operation.name?.value ?? null
          exchange.cost = countCost(schema, document, operation, variables)
          if (exchange.cost > config.MAX_COST) throw tooCostly(exchange.cost, config.MAX_COST)
          if (operation.operation === 'mutation' && exchange.readOnly)
            throw new GraphQLError('GET requests only read. Send mutations by POST.', {
              extensions: { code: 'BAD_REQUEST' },
            })
          if (operation.operation !== 'subscription') return
          if (exchange.door === 'http')
            throw new GraphQLError(
              'Subscriptions run over WebSocket (graphql-transport-ws) or with "Accept: text/event-stream".',
              {
                extensions: { code: 'BAD_REQUEST' },
              },
            )
          exchange.live = { document, operationName: request.operationName ?? null, variables, cost: exchange.cost }
        },
        async responseForOperation({ response, document, operation, request, contextValue }) {
          const exchange = currentExchange()
          const data = exchange.live
            ? null
            : await planner.answer(document, operation, request.variables ?? {}, contextValue, exchange.keeping)
          if (data === undefined) return null
          return { http: response.http, body: { kind: 'single', singleResult: { data } } }
        },
      }
    },
  }
}

/** What is noted of every operation. */
export interface Account {
  readonly exchange: Exchange
  readonly actor: Actor
  readonly type: string
  readonly name: string | null
  /** Of the errors. */
  readonly codes: readonly string[]
  readonly milliseconds: number
  /** Whether the answer was kept from an earlier one. */
  readonly isKept?: boolean
}

/** Notes an operation in the figures and in the log. */
export type Accounting = (account: Account) => void

/** Makes what notes operations, whatever door they came by. */
export function createAccounting(log: Logger, metrics: Metrics): Accounting {
  return ({ exchange, actor, type, name, codes, milliseconds, isKept = false }) => {
    const { door, requestId, cost } = exchange
    metrics.operation({ door, type, name, outcome: codes[0] ?? 'OK' }, milliseconds / 1000)
    if (!log.isLevelEnabled('info')) return
    log.info(
      {
        requestId,
        door,
        operation: type,
        name: name?.slice(0, 100),
        ms: Math.round(milliseconds * 10) / 10,
        cost,
        actor: { kind: actor.kind, ref: actorReference(actor) },
        ...(isKept && { kept: true }),
        ...(codes.length > 0 && { codes }),
      },
      exchange.live ? 'subscribed' : 'operation',
    )
  }
}

function answerPlugin(config: Pick<Config, 'MAX_COST'>, account: Accounting): ApolloServerPlugin<Context> {
  return {
    async requestDidStart() {
      const started = performance.now()
      return {
        async willSendResponse({ response, operation, operationName, contextValue }) {
          const exchange = currentExchange()
          if (response.body.kind !== 'single') return
          const result = response.body.singleResult
          const codes = codesOf(result.errors)
          if (exchange.cost !== null)
            result.extensions = { ...result.extensions, cost: { cost: exchange.cost, limit: config.MAX_COST } }
          const nothing = Object.values(result.data ?? {}).every(value => value === null)
          if (result.data === undefined) {
            exchange.refused = codes.every(code => badDocument.has(code))
            if (response.http.status === undefined || response.http.status === 500)
              response.http.status = refusalStatus(codes)
          } else if (nothing && codes.includes('SERVICE_UNAVAILABLE')) {
            // Nothing of the answer is there, so it is not an answer: a balancer may try elsewhere.
            result.data = null
            response.http.status = 503
          }
          if (response.http.status === 503) response.http.headers.set('retry-after', '1')
          account({
            exchange,
            actor: contextValue.request.actor,
            type: operation?.operation ?? 'none',
            // Names of documents that don't run are the callers' inventions.
            name: result.data === undefined ? null : (operationName ?? null),
            codes,
            milliseconds: performance.now() - started,
          })
        },
      }
    },
  }
}

/** Makes the pipeline, started. Documents are parsed and validated once: Apollo keeps up to 30 MB of them. */
export async function startPipeline(options: {
  readonly schema: GraphQLSchema
  readonly config: Pick<Config, 'MAX_COST'>
  readonly formatError: FormatError
  readonly log: Logger
  readonly account: Accounting
  readonly reference: Reference | null
}): Promise<Pipeline> {
  const { schema, config, formatError, log, account } = options
  const apollo = new ApolloServer<Context>({
    schema,
    introspection: true,
    csrfPrevention: true,
    allowBatchedHttpRequests: false,
    persistedQueries: false,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    parseOptions: { maxTokens: limits.tokens },
    validationRules: [...limitRules],
    formatError: (_, error) => formatError(error, currentExchange()),
    logger: {
      debug: message => log.debug(message),
      info: message => log.info(message),
      warn: message => log.warn(message),
      error: message => log.error(message),
    },
    plugins: [
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      ApolloServerPluginSchemaReportingDisabled(),
      limitsPlugin(
        config,
        createPlanner(schema, error => log.warn({ err: error }, 'a plan failed'), options.reference),
      ),
      answerPlugin(config, account),
    ],
  })
  await apollo.start()
  return {
    apollo,
    run: (request, exchange, contextValue) =>
      withExchange(exchange, async (): Promise<Outcome> => {
        const broken = findBrokenText([request.query, request.operationName, request.variables])
        if (broken) return { kind: 'answer', result: { errors: [formatError(broken, exchange)] } }
        try {
          const { body } = await apollo.executeOperation(request, { contextValue })
          if (exchange.live) return { kind: 'live', operation: exchange.live }
          if (body.kind === 'single') return { kind: 'answer', result: body.singleResult as Answer }
          throw new Error('Incremental delivery is not part of the schema.')
        } catch (error) {
          return { kind: 'answer', result: { errors: [formatError(error, exchange)] } }
        }
      }),
  }
}
