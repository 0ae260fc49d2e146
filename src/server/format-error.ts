import { randomUUID } from 'node:crypto'
import { GraphQLError, type GraphQLFormattedError, Kind } from 'graphql'
import type { Logger } from 'pino'
import { isUnavailable } from '../database/unavailable.ts'
import { PublicError, type Text, TooCostly, text, Unavailable } from '../errors.ts'
import type { Locale } from '../languages.ts'
import { brokenText, limits } from './limits.ts'

/** An error as a caller may see it, where GraphQL.js and its protocols want one of its own class. */
export class ShownError extends GraphQLError {
  readonly #shown: GraphQLFormattedError

  constructor(shown: GraphQLFormattedError) {
    super(shown.message, { extensions: shown.extensions ?? {} })
    this.#shown = shown
  }

  override toJSON(): GraphQLFormattedError {
    return this.#shown
  }
}

/** Shows an error to a caller; what it may not see is masked and logged. */
export type FormatError = (error: unknown, caller: { locale: Locale; requestId: string }) => GraphQLFormattedError

/** The wording in the caller's language. */
export function inLanguage(text: Text, locale: Locale): string {
  return locale === 'en' ? text.en : text.zh
}

/** The errors from this one down to its cause. */
function* chain(error: unknown): Generator<Error> {
  let seen = 0
  for (let next = error; next instanceof Error && seen < 10; seen++) {
    yield next
    next = next instanceof GraphQLError ? (next.originalError ?? next.cause) : next.cause
  }
}

const unavailable = new Unavailable(
  text(
    'The service is too busy or its database is out of reach. Try again in a moment.',
    '服务繁忙或数据库暂时无法访问，请稍后重试。',
  ),
)

/** Where in the variables a value was refused, as GraphQL.js says it: `input.names[0]` of `$input`. */
function variablePath(error: GraphQLError): string | null {
  const node = error.nodes?.[0]
  if (node?.kind !== 'VariableDefinition') return null
  const inner = error.originalError?.message ?? ''
  const before = error.message.endsWith(inner)
    ? error.message.slice(0, error.message.length - inner.length)
    : error.message
  return / at "([^"]+)"[;:.]? ?$/.exec(before)?.[1] ?? node.variable.name.value
}

const valueKinds: readonly string[] = [
  Kind.VARIABLE,
  Kind.NULL,
  Kind.INT,
  Kind.FLOAT,
  Kind.STRING,
  Kind.BOOLEAN,
  Kind.ENUM,
  Kind.LIST,
  Kind.OBJECT,
]

/**
 * GraphQL.js's complaint about the value of an argument that validation could not see, such as null for a variable with
 * a default: it points at the value, where errors of resolvers and of serialisation point at the field.
 */
function badArgument(error: unknown): GraphQLError | null {
  const cause = [...chain(error)].at(-1)
  const kind = cause instanceof GraphQLError ? cause.nodes?.[0]?.kind : undefined
  return kind && valueKinds.includes(kind) ? (cause as GraphQLError) : null
}

/** GraphQL.js's and Apollo's own complaints about a request, which name nothing that the caller didn't send. */
const passed = new Set([
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'BAD_USER_INPUT',
  'BAD_REQUEST',
  'OPERATION_RESOLUTION_FAILURE',
  'PERSISTED_QUERY_NOT_SUPPORTED',
])

/** Where the error stands in the request and the answer. */
function place(error: unknown): Pick<GraphQLFormattedError, 'locations' | 'path'> {
  if (!(error instanceof GraphQLError)) return {}
  const { locations, path } = error.toJSON()
  return { ...(locations && { locations }), ...(path && { path }) }
}

function shown(error: unknown, cause: PublicError, locale: Locale): GraphQLFormattedError {
  const { http: _, ...extensions } = cause.extensions as Record<string, unknown>
  const variable = error instanceof GraphQLError ? variablePath(error) : null
  const message = inLanguage(cause.text, locale)
  if (variable === null) return { message, ...place(error), extensions }
  const prefix = locale === 'en' ? `Variable "$${variable}": ` : `变量“$${variable}”：`
  return { message: prefix + message, ...place(error), extensions: { ...extensions, variable } }
}

/** The error of the parser at the limit of tokens: it says so in words alone. */
function tokenLimit(error: GraphQLError): TooCostly | null {
  if (!/Document contains more tha[nt] \d+ tokens/.test(error.message)) return null
  return new TooCostly(
    text(
      `The document has more than ${limits.tokens} tokens, the most that is allowed. Split the request.`,
      `文档超过 ${limits.tokens} 个词元的上限，请拆分请求。`,
    ),
    { limit: limits.tokens, kind: 'tokens' },
  )
}

/** How the parser words an escape such as `\\ud800`, half of a surrogate pair. */
const brokenEscape = /Invalid Unicode escape sequence/

const headings: Readonly<Record<string, string>> = {
  GRAPHQL_PARSE_FAILED: '文档无法解析',
  GRAPHQL_VALIDATION_FAILED: '文档不符合接口定义（见 /schema.graphql）',
  BAD_USER_INPUT: '输入有误',
  OPERATION_RESOLUTION_FAILURE: '无法确定要执行的操作',
}

/** Makes the one formatter of all doors. */
export function createErrorFormatter(log: Logger): FormatError {
  return (error, { locale, requestId }) => {
    for (const cause of chain(error)) if (cause instanceof PublicError) return shown(error, cause, locale)
    if (error instanceof GraphQLError) {
      const code = error.extensions.code
      const limit = tokenLimit(error)
      if (limit) return shown(error, limit, locale)
      const argument = code === undefined ? badArgument(error) : null
      if (argument)
        return {
          message: locale === 'en' ? argument.message : `${headings.BAD_USER_INPUT}：${argument.message}`,
          ...place(error),
          extensions: { code: 'BAD_USER_INPUT' },
        }
      const isCallers = typeof code === 'string' ? passed.has(code) : error.originalError === undefined
      if (isCallers) {
        const { http: _, stacktrace: __, ...extensions } = error.extensions
        if (brokenEscape.test(error.message)) return shown(error, brokenText('\0')!, locale)
        const known = code ?? 'GRAPHQL_VALIDATION_FAILED'
        // GraphQL.js speaks English alone: in Chinese we say before its words what they are about.
        const message = locale === 'en' ? error.message : `${headings[String(known)] ?? '请求有误'}：${error.message}`
        return { message, ...place(error), extensions: { ...extensions, code: known } }
      }
    }
    const causes = [...chain(error)]
    const root = causes.at(-1) ?? error
    if (causes.some(isUnavailable)) {
      log.warn({ requestId, err: root }, 'the database could not answer')
      return shown(error, unavailable, locale)
    }
    const id = randomUUID()
    log.error({ requestId, errorId: id, err: root }, 'an operation failed')
    return {
      message: inLanguage(
        text(
          `Something went wrong on our side. If it stays so, tell us this number: ${id}.`,
          `服务内部出错。如持续出现，请告知我们此编号：${id}。`,
        ),
        locale,
      ),
      ...place(error),
      extensions: { code: 'INTERNAL_SERVER_ERROR', id },
    }
  }
}
