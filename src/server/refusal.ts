import { HeaderMap } from '@apollo/server'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { GraphQLError } from 'graphql'
import { isUnavailable } from '../database/unavailable.ts'
import { PublicError } from '../errors.ts'
import { negotiateLocale } from '../languages.ts'
import type { FormatError } from './format-error.ts'

/** The HTTP status and headers that go with an error that refuses a whole request. */
function refusalHead(error: unknown): { status: number; headers: Record<string, string> } {
  if (error instanceof Error && 'statusCode' in error && Number(error.statusCode) < 500)
    return { status: Number(error.statusCode), headers: {} }
  if (error instanceof PublicError) {
    switch (error.code) {
      case 'UNAUTHENTICATED':
        return { status: 401, headers: { 'www-authenticate': 'Bearer realm="alliance", error="invalid_token"' } }
      case 'FORBIDDEN':
        return { status: 403, headers: {} }
      case 'NOT_FOUND':
        return { status: 404, headers: {} }
      case 'SERVICE_UNAVAILABLE':
        return { status: 503, headers: { 'retry-after': '1' } }
      case 'BAD_USER_INPUT':
      case 'TOO_COSTLY':
      case 'RESYNC_REQUIRED':
        return { status: 400, headers: {} }
    }
  }
  if (isUnavailable(error)) return { status: 503, headers: { 'retry-after': '1' } }
  return { status: 500, headers: {} }
}

/** The error as Apollo takes it, with its HTTP status. */
export function asGraphqlRefusal(error: unknown): GraphQLError {
  const { status, headers } = refusalHead(error)
  const cause = error instanceof Error ? error : new Error(String(error))
  return new GraphQLError(cause.message, {
    originalError: cause,
    extensions: {
      ...(error instanceof PublicError && error.extensions),
      http: { status, headers: new HeaderMap(Object.entries(headers)) },
    },
  })
}

const plainJson = 'application/json; charset=utf-8'
const graphqlJson = 'application/graphql-response+json; charset=utf-8'

/** Answers a whole request with one error, shaped as every GraphQL answer. */
export function sendRefusal(request: FastifyRequest, reply: FastifyReply, error: unknown, formatError: FormatError) {
  const { status, headers } = refusalHead(error)
  const locale = negotiateLocale(request.headers['accept-language'])
  const shown = formatError(error, { locale, requestId: request.id })
  const type = request.headers.accept?.includes('application/graphql-response+json') ? graphqlJson : plainJson
  return reply
    .code(status)
    .headers(headers)
    .type(type)
    .send(JSON.stringify({ errors: [shown] }))
}
