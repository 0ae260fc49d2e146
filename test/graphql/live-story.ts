import { makeExecutableSchema } from '@graphql-tools/schema'
import { type DocumentNode, type ExecutionResult, type GraphQLError, parse } from 'graphql'
import { type Actor, anonymous, type Officer, type PortalKey, type Staff } from '../../src/access/actor.ts'
import { createBearers } from '../../src/access/bearers.ts'
import { plainEntry } from '../../src/access/entry.ts'
import { officerPermissions, secretariatPermissions } from '../../src/access/permissions.ts'
import type { Db } from '../../src/database/client.ts'
import { InvalidInput, text } from '../../src/errors.ts'
import type { Context, Services } from '../../src/graphql/context.ts'
import { liveField } from '../../src/graphql/live.ts'
import type { Outcome } from '../../src/graphql/live-frames.ts'
import { createLiveHub, type LiveHub, type Results } from '../../src/graphql/live-hub.ts'
import type { LiveRequest } from '../../src/graphql/live-operation.ts'
import type { SignedIn } from '../../src/graphql/live-rights.ts'
import { enforcePermissions } from '../../src/graphql/permissions.ts'
import { newUuid } from '../../src/ids.ts'
import type { NewEvent } from '../../src/journal/catalog.ts'
import { type Position, writeCursor } from '../../src/journal/cursor.ts'
import { type Feed, startFeed } from '../../src/journal/feed.ts'
import { type Sequencer, startSequencer } from '../../src/journal/sequencer.ts'
import { unexpected, write } from '../journal/story.ts'
import { createDatabase } from '../support/database.ts'

const sdl = `
  directive @public on FIELD_DEFINITION | OBJECT
  directive @requires(permission: Permission!) on FIELD_DEFINITION | OBJECT
  enum Permission { DIRECTORY_FOLLOW CONTACTS_READ }
  scalar Cursor
  scalar DateTime
  type Query { nothing: Int @public }
  type Subscription {
    "Tells of profiles of members."
    profile(after: Cursor, only: String, plus: Int, mark: String): Profile! @public
    "Tells of memberships, to those who may follow."
    membership(after: Cursor): Profile! @requires(permission: DIRECTORY_FOLLOW)
  }
  type Profile @public {
    cursor: Cursor!
    at: DateTime!
    subject: String!
    "That of the event, and what the root field was asked to add."
    version: Int!
    "What the root field was asked to mark it with."
    mark: String
    listener: String!
    said(word: String = "hello"): String!
    contacts: String @requires(permission: CONTACTS_READ)
    breaks: String
    "Null when the database is out of reach, as any field may be."
    region: String
    "Of the account itself, but nobody declared that."
    undeclared: String
    receipt: AnnouncementReceipt
  }
  "What depends on the account."
  type AnnouncementReceipt @public {
    account: String
  }
`

/** Sees to it that an event's context is used for that event only. */
const contexts = new WeakMap<Context, number>()

/** A hub on a schema of its own, with its journal. */
export interface LiveStory {
  readonly db: Db
  readonly feed: Feed
  readonly hub: LiveHub
  /** Another hub on the same journal, such as another process has. It must be stopped. */
  startHub(): LiveHub
  readonly sequencer: Sequencer
  /** How often each was done. A refresh looks up the rights of any number of tokens. */
  readonly counts: { payloads: number; executions: number; refreshes: number }
  /** How often each meets a database out of reach, the next times that it is done. */
  readonly outages: { check: number; payload: number; region: number; refresh: number }
  /** What `refresh` answers, by token; those who are not named here stay as they are. */
  readonly rights: Map<string, Actor | null>
  /** What the hub could tell no caller. */
  readonly errors: unknown[]
  now: Date
  /** Commits events, has them sequenced and known. Answers their subjects. */
  happen(...events: Partial<NewEvent>[]): Promise<string[]>
  close(): Promise<void>
}

/** Events with this version make the payload fail. */
export const failing = 13
/** Events with this version are for nobody. */
export const nobody = 99

interface ProfileArgs {
  readonly after?: string | null
  readonly only?: string | null
  readonly plus?: number | null
  readonly mark?: string | null
}

const unmarked = { mark: null }

/** @param patience how long the database may fail before subscriptions end, in milliseconds */
export async function startLive(patience = 10_000): Promise<LiveStory> {
  const database = await createDatabase()
  const { db } = database
  const feed = await startFeed({ ...database, onError: unexpected, replayLimit: 10_000 })
  const sequencer = startSequencer({ ...database, onError: unexpected, onSequenced: feed.poke })
  const counts = { payloads: 0, executions: 0, refreshes: 0 }
  const rights = new Map<string, Actor | null>()
  const errors: unknown[] = []
  const outages = { check: 0, payload: 0, region: 0, refresh: 0 }
  const reachDatabase = (work: keyof typeof outages) => {
    if (outages[work]-- > 0)
      throw Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:5432'), { code: 'ECONNREFUSED' })
    outages[work] = 0
  }

  const profile = liveField({
    types: ['member.profile', 'member.contacts', 'member.membership'],
    check: ({ only }: ProfileArgs) => {
      reachDatabase('check')
      if (only === '') throw new InvalidInput(text('"only" is empty.', '“only”为空。'))
    },
    payload: async (event, { only, plus, mark }, context) => {
      counts.payloads++
      if (contexts.has(context)) throw new Error('This context served another event.')
      contexts.set(context, event.seq)
      reachDatabase('payload')
      const { version } = event.detail as { version: number }
      if (version === nobody || (only && only !== event.subject)) return null
      if (version === failing) throw new Error('a secret of the database')
      // What nobody marked is the same for all, as a row that was read once is.
      return { subject: event.subject, version: version + (plus ?? 0), marked: mark == null ? unmarked : { mark } }
    },
  })
  const membership = liveField({
    types: ['member.membership'],
    payload: async (event, _args: { after?: string | null }) => ({ subject: event.subject, version: 1 }),
  })
  const Profile = {
    at: ({ at }: { at: Date }) => at.toISOString(),
    mark: ({ marked }: { marked: { mark: string | null } }) => marked.mark,
    listener: (_: unknown, __: unknown, { request }: Context) => {
      counts.executions++
      return request.actor.kind
    },
    said: (_: unknown, { word }: { word: string }, { locale }: Context) => `${word} in ${locale}`,
    contacts: () => 'secret@example.org',
    breaks: () => {
      throw new Error('a secret of a resolver')
    },
    region: () => {
      reachDatabase('region')
      return '成都'
    },
    undeclared: (_: unknown, __: unknown, { request: { actor } }: Context) => 'accountId' in actor && actor.accountId,
    receipt: () => ({}),
  }
  const AnnouncementReceipt = {
    account: (_: unknown, __: unknown, { request: { actor } }: Context) => 'accountId' in actor && actor.accountId,
  }
  const resolvers = {
    Query: { nothing: () => null },
    Subscription: { profile, membership },
    Profile,
    AnnouncementReceipt,
  }
  const schema = enforcePermissions(makeExecutableSchema({ typeDefs: sdl, resolvers }))

  const story: Pick<LiveStory, 'now'> = { now: new Date() }
  const services: Services = {
    db,
    feed,
    bearers: createBearers(),
    entry: plainEntry,
    wake: sequencer.wake,
    now: () => story.now,
  }
  const startHub = () =>
    createLiveHub({
      schema,
      services,
      formatErrors: found => found.map(mask),
      onError: error => errors.push(error),
      patience,
      refresh: async tokenIds => {
        counts.refreshes++
        reachDatabase('refresh')
        return new Map(
          tokenIds.map(tokenId => [tokenId, rights.has(tokenId) ? rights.get(tokenId)! : issued.get(tokenId)!]),
        )
      },
    })
  const hub = startHub()
  return Object.assign(story, {
    db,
    feed,
    hub,
    startHub,
    sequencer,
    counts,
    outages,
    rights,
    errors,
    happen: async (...events: Partial<NewEvent>[]) => {
      const subjects = await write(db, ...events)
      const before = feed.position()
      sequencer.wake()
      await sequencer.idle()
      if (feed.position().seq < before.seq + events.length) await feed.changed(before)
      return subjects
    },
    close: async () => {
      hub.stop()
      await sequencer.stop()
      await feed.stop()
      await database.close()
    },
  })
}

function mask(error: GraphQLError): GraphQLError {
  if (typeof error.extensions.code === 'string' || !error.originalError) return error
  return Object.assign(error, { message: 'masked' })
}

const documents = new Map<string, DocumentNode>()

/** An operation as the server hands it to the hub: with the same document for the same text. */
export function operation(query: string, options: Partial<LiveRequest> = {}): LiveRequest {
  const document = documents.get(query) ?? parse(query)
  documents.set(query, document)
  return { document, actor: anonymous, locale: 'en', ...options }
}

/** A subscription whose results are sent to a sink. */
export interface Joined {
  /** The results, as they were sent. */
  readonly results: { data?: Record<string, Record<string, unknown>>; errors?: { message: string }[] }[]
  /** The places of the events that they tell of. */
  readonly places: number[]
  /** Resolves when so many results came. */
  gets(count: number): Promise<void>
  /** Resolves with what the subscription ended with; undefined when without error. */
  readonly ending: Promise<ExecutionResult | undefined>
  leave(): Promise<unknown>
}

/** Joins, and fails when the operation is refused. `onSend` is called when a result was sent. */
export async function join(
  hub: LiveHub,
  asked: LiveRequest,
  drained?: () => Promise<void>,
  onSend?: (outcome: Outcome) => void,
): Promise<Joined> {
  const results: Joined['results'] = []
  const places: number[] = []
  let reached: (() => void) | undefined
  const stream = await hub.join(asked, {
    send: outcome => {
      results.push(JSON.parse(outcome.frame('1').toString()).payload)
      places.push(outcome.seq)
      reached?.()
      onSend?.(outcome)
    },
    ...(drained && { drained }),
  })
  if (!(Symbol.asyncIterator in stream)) throw new Error(stream.errors?.[0]?.message)
  return {
    results,
    places,
    gets: count =>
      new Promise(resolve => {
        reached = () => {
          if (results.length >= count) resolve()
        }
        reached()
      }),
    ending: stream.next().then(({ value }) => value ?? undefined),
    leave: () => stream.return(),
  }
}

/** Subscribes, and fails when the operation is refused. */
export async function subscribe(hub: LiveHub, asked: LiveRequest): Promise<Results> {
  const stream = await hub.subscribe(asked)
  if (!(Symbol.asyncIterator in stream)) throw new Error(stream.errors?.[0]?.message)
  return stream
}

/** The next results of a subscription. */
export async function take(results: Results, count: number): Promise<ExecutionResult[]> {
  const taken: ExecutionResult[] = []
  while (taken.length < count) {
    const { done, value } = await results.next()
    if (done) break
    taken.push(value)
  }
  return taken
}

/** Results as plain JSON. */
export const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

export const cursorAt = ({ epoch }: Position, seq: number) => writeCursor({ epoch, seq })

/** The bearers of all tokens, as they were at first. */
const issued = new Map<string, Actor>()

function issue<Kind extends SignedIn>(actor: Kind): Kind {
  if (!issued.has(actor.tokenId)) issued.set(actor.tokenId, actor)
  return actor
}

const signedIn = () => ({ tokenId: newUuid(), expiresAt: new Date(Date.now() + 3_600_000), name: 'someone' })

export const officer = (memberId: string, changes: Partial<Officer> = {}): Officer =>
  issue({
    ...signedIn(),
    kind: 'OFFICER',
    accountId: newUuid(),
    memberId,
    memberStatus: 'ADMITTED',
    role: 'LIAISON',
    permissions: officerPermissions('LIAISON', 'ADMITTED'),
    ...changes,
  })

export const staff = (): Staff =>
  issue({ ...signedIn(), kind: 'SECRETARIAT', accountId: newUuid(), permissions: secretariatPermissions })

export const portal = (changes: Partial<PortalKey> = {}): PortalKey =>
  issue({
    ...signedIn(),
    kind: 'PORTAL',
    portalId: newUuid(),
    permissions: new Set(['DIRECTORY_FOLLOW']),
    ...changes,
  })
