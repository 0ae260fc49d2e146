import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { makeExecutableSchema } from '@graphql-tools/schema'
import type { GraphQLSchema } from 'graphql'
import { createClient } from 'graphql-ws'
import WebSocket from 'ws'
import { programRequest } from '../../src/access/request.ts'
import { issueSecretariatToken } from '../../src/access/tokens.ts'
import { type Config, readConfig } from '../../src/config.ts'
import type { Database } from '../../src/database/client.ts'
import { transact } from '../../src/database/transaction.ts'
import { InvalidInput, text, Unavailable } from '../../src/errors.ts'
import type { Context } from '../../src/graphql/context.ts'
import { liveField } from '../../src/graphql/live.ts'
import { scalars } from '../../src/graphql/scalars.ts'
import { appendEvents } from '../../src/journal/outbox.ts'
import { createLog } from '../../src/server/log.ts'
import { type Service, startService } from '../../src/server/service.ts'
import { createDatabase } from '../support/database.ts'

const typeDefs = /* GraphQL */ `
  scalar DateTime
  scalar Cursor
  type Query {
    hello(name: String): String
    caller: String
    boom: String
    odd: Int
    busy: String
    refused: String
    timed(at: DateTime!): String
    planned(input: Plan!): String
    slow(ms: Int!): String
    large(size: Int!): String
    things(first: Int, after: String, last: Int): ThingConnection!
    nodes(ids: [ID!]!): [Thing]!
  }
  input Plan {
    steps: [Step!]!
  }
  input Step {
    at: DateTime!
  }
  type ThingConnection {
    nodes: [Thing!]!
    edges: [ThingEdge!]!
    totalCount: Int!
  }
  type ThingEdge {
    cursor: String!
    node: Thing!
  }
  interface Thing {
    id: ID!
    self: Thing
    things(first: Int, last: Int): ThingConnection!
    tags: [Tag!]!
  }
  type City implements Thing {
    id: ID!
    self: Thing
    things(first: Int, last: Int): ThingConnection!
    tags: [Tag!]!
  }
  type Company implements Thing {
    id: ID!
    self: Thing
    things(first: Int, last: Int): ThingConnection!
    tags: [Tag!]!
  }
  type Tag {
    name: String!
  }
  type Mutation {
    act(ms: Int): String
  }
  type Subscription {
    happened(after: Cursor, padding: Int): Happening
    quiet(after: Cursor): Happening
    faltering: Happening
  }
  type Happening {
    cursor: Cursor!
    at: DateTime!
    subject: ID!
    padding: String!
  }
`

/** What the doors are tried with until they are tried with the real nouns: small, and able to fail in every way. */
export function toySchema(): GraphQLSchema {
  const sleep = (ms: number | null | undefined) => new Promise(resolve => setTimeout(resolve, ms ?? 0))
  return makeExecutableSchema({
    typeDefs,
    resolvers: {
      DateTime: scalars.DateTime,
      Cursor: scalars.Cursor,
      Thing: { __resolveType: () => 'City' },
      City: {
        self: (thing: unknown) => thing,
        things: () => ({ nodes: [], edges: [], totalCount: 0 }),
        tags: () => [],
      },
      Query: {
        hello: (_, { name }: { name?: string }) => `hello ${name ?? 'world'}`,
        caller: (_, __, { request }: Context) => request.actor.kind,
        boom: () => {
          throw new Error('password=hunter2 is in this message')
        },
        odd: () => 'secret',
        busy: () => {
          throw new Unavailable(text('busy', '忙'))
        },
        refused: () => {
          throw new InvalidInput(text('in English', '用中文'))
        },
        timed: (_, { at }: { at: Date }) => at.toISOString(),
        planned: () => 'planned',
        slow: (_, { ms }: { ms: number }) => sleep(ms).then(() => 'slow'),
        large: (_, { size }: { size: number }) => 'x'.repeat(size),
        things: () => ({ nodes: [], edges: [], totalCount: 0 }),
        nodes: (_, { ids }: { ids: string[] }) => ids.map(id => ({ id })),
      },
      Mutation: { act: (_, { ms }: { ms?: number }) => sleep(ms).then(() => 'acted') },
      Subscription: {
        happened: liveField<{ after?: string | null; padding?: number | null }, { subject: string; padding: string }>({
          types: ['portal.registered'],
          payload: async (event, { padding }) => ({ subject: event.subject, padding: 'x'.repeat(padding ?? 0) }),
        }),
        quiet: liveField({ types: ['member.registered'], payload: async () => null }),
        faltering: liveField({
          types: ['portal.registered'],
          payload: () => Promise.reject(new Unavailable(text('busy', '忙'))),
        }),
      },
    },
  })
}

/** A running service with what a test needs around it. */
export interface Running extends Service {
  readonly database: Database
  readonly socketUrl: string
  /** What was logged so far, a line each. */
  readonly logged: string[]
  /** A token of the secretariat. */
  token(expiresAt?: Date): Promise<{ tokenId: string; secret: string }>
  /** Makes something happen that `happened` tells of; answers its subject. */
  happen(): Promise<string>
  /** Stops the service and closes its database. */
  end(): Promise<void>
}

/** Starts a service on a fresh database, at a free port. */
export async function run(
  settings: Partial<Config> = {},
  overrides: { schema?: GraphQLSchema; now?: () => Date; database?: Database } = { schema: toySchema() },
): Promise<Running> {
  const database = overrides.database ?? (await createDatabase())
  const logged: string[] = []
  const config = { ...readConfig({ PORT: '0', SHUTDOWN_DELAY: '0' }), ...settings }
  const log = createLog(config, { write: line => logged.push(line) })
  const service = await startService(config, { ...overrides, database, log })
  const { services } = service
  return {
    ...service,
    database,
    logged,
    socketUrl: `${service.url.replace('http', 'ws')}/graphql`,
    token: expiresAt =>
      issueSecretariatToken(programRequest(services.db, services.now(), 'test', services.wake), {
        name: '测试',
        email: `${randomUUID()}@example.org`,
        ...(expiresAt && { expiresAt }),
      }),
    happen: async () => {
      const subject = randomUUID()
      const event = { type: 'portal.registered', subject, detail: {}, audience: 'PUBLIC' } as const
      const cause = { actor: 'test', onBehalfOf: null, requestId: null, at: services.now() }
      await transact(services.db, tx => appendEvents(tx, [event], cause))
      services.wake([event])
      return subject
    },
    end: async () => {
      await service.stop()
      await database.close()
    },
  }
}

/** The sum of a figure that /metrics shows; only of the series with this text in their labels, if given. */
export async function figure(running: Running, name: string, labels = ''): Promise<number> {
  const text = await (await fetch(`${running.url}/metrics`)).text()
  const lines = text.split('\n').filter(line => line.startsWith(name) && /^[ {]/.test(line.slice(name.length)))
  return lines
    .filter(line => line.includes(labels))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

/** Waits until so many subscriptions are followed. */
export async function subscribed(running: Running, count: number): Promise<void> {
  while ((await figure(running, 'alliance_subscriptions')) !== count) await new Promise(go => setTimeout(go, 10))
}

export interface Request {
  readonly query: string
  readonly variables?: Record<string, unknown>
  readonly operationName?: string
}

export interface Result {
  readonly data?: Record<string, unknown> | null
  readonly errors?: { message: string; path?: unknown[]; extensions: Record<string, unknown> }[]
  readonly extensions?: { cost?: { cost: number; limit: number } }
}

export const doors = ['http', 'websocket', 'sse'] as const
export type Door = (typeof doors)[number]

interface Manner {
  readonly token?: string
  readonly language?: string
}

function headersOf({ token, language }: Manner): Record<string, string> {
  return {
    'content-type': 'application/json',
    'accept-language': language ?? 'en',
    ...(token && { authorization: `Bearer ${token}` }),
  }
}

/** Sends one query or mutation through a door and answers its result. */
export async function ask(running: Running, door: Door, request: Request, manner: Manner = {}): Promise<Result> {
  const body = JSON.stringify(request)
  if (door === 'http') {
    const response = await fetch(`${running.url}/graphql`, { method: 'POST', headers: headersOf(manner), body })
    return (await response.json()) as Result
  }
  if (door === 'sse') {
    const headers = { ...headersOf(manner), accept: 'text/event-stream' }
    const response = await fetch(`${running.url}/graphql`, { method: 'POST', headers, body })
    const answer = await response.text()
    if (!response.ok) return JSON.parse(answer) as Result
    const next = /^event: next\ndata: (.*)$/m.exec(answer)
    return JSON.parse(next![1]!) as Result
  }
  const client = connect(running, manner)
  try {
    return await new Promise<Result>((resolve, reject) => {
      let result: Result | undefined
      client.subscribe(request, {
        next: value => {
          result = value as Result
        },
        error: error => (Array.isArray(error) ? resolve({ errors: error }) : reject(error)),
        complete: () => resolve(result!),
      })
    })
  } finally {
    await client.dispose()
  }
}

/** A client of graphql-ws. */
export function connect(running: Running, { token, language }: Manner = {}) {
  return createClient({
    url: running.socketUrl,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionParams: { acceptLanguage: language ?? 'en', ...(token && { authorization: `Bearer ${token}` }) },
  })
}

/** A bare socket on which the protocol is spoken by hand; collects the messages. */
export async function openSocket(running: Running, options: WebSocket.ClientOptions = {}) {
  const socket = new WebSocket(running.socketUrl, 'graphql-transport-ws', options)
  const messages: { type: string; id?: string; payload?: unknown }[] = []
  const waiting: (() => void)[] = []
  socket.on('message', data => {
    messages.push(JSON.parse(String(data)))
    for (const wake of waiting.splice(0)) wake()
  })
  const closed = new Promise<{ code: number; reason: string }>(resolve =>
    socket.once('close', (code, reason) => resolve({ code, reason: String(reason) })),
  )
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  const next = async (type: string, count = 1): Promise<{ id?: string; payload?: unknown }> => {
    for (;;) {
      const found = messages.filter(message => message.type === type)
      if (found.length >= count) return found[count - 1]!
      await new Promise<void>(resolve => waiting.push(resolve))
    }
  }
  const wire = () => (socket as unknown as { _socket: Socket })._socket
  return {
    socket,
    messages,
    closed,
    next,
    send: (message: object) => socket.send(JSON.stringify(message)),
    stall: () => void wire().pause(),
    go: () => void wire().resume(),
  }
}

/** A socket on which connection_init is acknowledged. */
export async function openLine(running: Running, manner: Manner = {}) {
  const line = await openSocket(running)
  line.send({
    type: 'connection_init',
    payload: {
      acceptLanguage: manner.language ?? 'en',
      ...(manner.token && { authorization: `Bearer ${manner.token}` }),
    },
  })
  await line.next('connection_ack')
  return line
}

export const subscription = (id: string, query = 'subscription { happened { cursor subject } }', variables = {}) => ({
  id,
  type: 'subscribe',
  payload: { query, variables },
})
