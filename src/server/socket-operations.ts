import { type ExecutionArgs, type ExecutionResult, type GraphQLSchema, Kind, parse, visit } from 'graphql'
import type { SubscribePayload } from 'graphql-ws'
import { createContext, type Services } from '../graphql/context.ts'
import { findPassing, type PassingFault } from '../graphql/live-fault.ts'
import type { LiveHub, Results, Sink } from '../graphql/live-hub.ts'
import { readCursor } from '../journal/cursor.ts'
import { identifyAgain, TokenEnded } from './caller.ts'
import { type AcceptedSubscription, openExchange } from './exchange.ts'
import { type FormatError, ShownError } from './format-error.ts'
import { closeForNow, type Followed, flushed, type Line, transmit } from './line.ts'
import type { Answer, Pipeline } from './pipeline.ts'

/** A replay waits while more than this is in the buffer. */
const replayBuffer = 64 * 1024

/** What the protocol is handed: what came of the operation, with a document of the same type. */
export type Asked = ExecutionArgs & { readonly outcome: Answer | Results }

/** What operations on sockets need. */
export interface OperationOptions {
  readonly schema: GraphQLSchema
  readonly services: Services
  readonly pipeline: Pipeline
  readonly hub: LiveHub
  readonly formatError: FormatError
}

const someQuery = parse('{ __typename }')

/** Runs a query or mutation, begins a subscription, or says why not. */
export async function accept(
  line: Line,
  id: string,
  payload: SubscribePayload,
  options: OperationOptions,
): Promise<Asked | ShownError[]> {
  const { schema, services, pipeline, formatError } = options
  const requestId = `${line.id}.${++line.operations}`
  const refuse = (error: unknown) => [new ShownError(formatError(error, { locale: line.locale, requestId }))]
  try {
    line.actor = await identifyAgain(services, line.actor)
  } catch (error) {
    if (error instanceof TokenEnded) void line.close(error.reason)
    // A client that comes back to its subscriptions too early must not lose them.
    else if (findPassing(error) && /\bsubscription\b/.test(payload.query)) sendAway(line)
    return refuse(error)
  }
  const { locale, actor } = line
  const { query, operationName, variables } = payload
  const outcome = await pipeline.run(
    { query, ...(operationName && { operationName }), ...(variables && { variables }) },
    openExchange('websocket', locale, requestId),
    createContext(services, { actor, locale, requestId }),
  )
  if (outcome.kind === 'answer') {
    const { result } = outcome
    if (result.data === undefined) return (result.errors ?? []).map(error => new ShownError(error))
    return { schema, document: someQuery, outcome: result }
  }
  try {
    return await follow(line, id, requestId, outcome.operation, options)
  } catch (error) {
    if (findPassing(error)) sendAway(line)
    return refuse(error)
  }
}

async function follow(
  line: Line,
  id: string,
  requestId: string,
  operation: AcceptedSubscription,
  { schema, services, hub }: OperationOptions,
): Promise<Asked | ShownError[]> {
  const { locale, actor } = line
  const followed: Followed = { heard: startOf(operation, services.feed.position().seq), results: null }
  line.followed.set(id, followed)
  let results: Results | ExecutionResult | undefined
  try {
    results = await hub.join({ ...operation, actor, locale, requestId }, sinkOf(line, id, followed))
  } finally {
    if (!results || !(Symbol.asyncIterator in results)) line.followed.delete(id)
  }
  if (!(Symbol.asyncIterator in results)) {
    if (results.errors?.some(({ extensions }) => extensions.code === 'SERVICE_UNAVAILABLE')) sendAway(line)
    return results.errors as ShownError[]
  }
  followed.results = results
  // Who has gone meanwhile was ended without this one.
  if (line.socket.readyState !== line.socket.OPEN) void results.return()
  return { schema, document: operation.document, operationName: operation.operationName, outcome: results }
}

const sendAway = (line: Line) => closeForNow(line, 'Try again in a moment.')

/** Closes the socket for a fault that ended one of its subscriptions: its client comes back and goes on. */
export function interrupt(line: Line, id: string, fault: PassingFault): void {
  const followed = line.followed.get(id)
  if (followed) followed.heard = Math.max(followed.heard, readCursor(fault.cursor).seq)
  sendAway(line)
}

/** Where a subscription begins, or something before it: at a cursor that it names, else at the present. */
function startOf({ document, variables }: AcceptedSubscription, present: number): number {
  const given = Object.values(variables)
  visit(document, {
    enter: node => {
      if (node.kind === Kind.STRING) given.push(node.value)
    },
  })
  const places = given.map(value => {
    try {
      return typeof value === 'string' ? readCursor(value).seq : present
    } catch {
      return present
    }
  })
  return Math.min(present, ...places)
}

/** Where the events of one subscription go: the bytes are shared among all who hear the same. */
function sinkOf(line: Line, id: string, followed: Followed): Sink {
  const { socket, metrics } = line
  return {
    send: outcome => {
      if (!transmit(line, outcome.frame(id))) return
      followed.heard = outcome.seq
      metrics.delivered.websocket++
    },
    drained: async () => {
      while (socket.readyState === socket.OPEN && socket.bufferedAmount > replayBuffer) await flushed(line)
    },
  }
}
