import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GraphQLSchema } from 'graphql'
import type { Logger } from 'pino'
import { createBearers } from '../access/bearers.ts'
import type { Entry } from '../access/entry.ts'
import type { MembershipStatus } from '../access/permissions.ts'
import { isScheduling, startScheduler } from '../announcements/scheduler.ts'
import type { Config } from '../config.ts'
import type { Database } from '../database/client.ts'
import { keepShares } from '../database/shares.ts'
import { isUnavailable } from '../database/unavailable.ts'
import type { Services } from '../graphql/context.ts'
import { createLiveHub } from '../graphql/live-hub.ts'
import { isEvent, type JournalEvent } from '../journal/catalog.ts'
import { startFeed } from '../journal/feed.ts'
import { createNews } from '../journal/news.ts'
import { startSequencer } from '../journal/sequencer.ts'
import { isMailWritten } from '../mail/deliverer.ts'
import { endsOffice } from '../membership/policy.ts'
import { createReference } from '../reads/reference.ts'
import { createAnswers } from './answers.ts'
import { identifyAgain, TokenEnded } from './caller.ts'
import { type Connection, type Connections, watchConnections } from './connections.ts'
import { createErrorFormatter, ShownError } from './format-error.ts'
import { createHttpServer } from './http.ts'
import { createMetrics } from './metrics.ts'
import { createPages } from './pages.ts'
import { createAccounting, startPipeline } from './pipeline.ts'
import { startPost } from './post.ts'
import { buildSchema } from './schema.ts'
import { createEventStreams } from './sse.ts'
import { openWebSocketDoor } from './websocket.ts'

/** A running service. */
export interface Service {
  /** Where it is reached, without a slash at the end. */
  readonly url: string
  readonly services: Services
  /** Becomes unready, serves nobody new, finishes what is under way, closes sockets with 1012, and ends within 9 seconds. */
  stop(): Promise<void>
}

/** What a service is started with, besides its settings. */
interface Given {
  /** A migrated database, which is left open at the end. */
  readonly database: Database
  readonly log: Logger
  /** In tests the time, and a schema in the place of the real one. */
  readonly now?: () => Date
  readonly schema?: GraphQLSchema
}

/** How long requests under way may take once the service stops, with the time in which it is unready only. */
const finishWithin = 7_000

/** Works to be undone in the opposite order, each of them whatever becomes of the others. */
function createUndoing(log: Logger) {
  const undoing: [what: string, undo: () => unknown][] = []
  return {
    later: (what: string, undo: () => unknown) => undoing.push([what, undo]),
    run: async () => {
      for (const [what, undo] of undoing.splice(0).reverse())
        try {
          await undo()
        } catch (error) {
          log.error({ err: error }, `${what} did not stop as it should`)
        }
    },
  }
}

/** Starts all of the service that stands before the database. */
export async function startService(config: Config, given: Given): Promise<Service> {
  const undoing = createUndoing(given.log)
  try {
    return await start(config, given, undoing)
  } catch (error) {
    await undoing.run()
    throw error
  }
}

async function start(config: Config, given: Given, undoing: ReturnType<typeof createUndoing>): Promise<Service> {
  const { log, now = () => new Date() } = given
  const { db, connectionString } = given.database
  const onError = (what: string) => (error: unknown) =>
    log[isUnavailable(error) ? 'warn' : 'error']({ err: error }, `${what} met an error`)

  const feed = await startFeed({ db, connectionString, replayLimit: config.REPLAY_LIMIT, onError: onError('the feed') })
  undoing.later('the feed', () => feed.stop())
  const sequencer = startSequencer({ db, connectionString, onSequenced: feed.poke, onError: onError('the sequencer') })
  undoing.later('the sequencer', () => sequencer.stop())
  const news = createNews(onError('what follows a commit'))
  const bearers = createBearers()
  news.onCommitted(sequencer.wake)
  news.onCommitted(bearers.forget)
  feed.onEvents(bearers.forget)
  feed.onReset(bearers.forgetAll)
  const answers =
    config.ANSWER_CACHE === 0
      ? null
      : createAnswers({ bytes: config.ANSWER_CACHE * 2 ** 20, now: () => now().getTime(), isDeaf: feed.isDeaf })
  if (answers) {
    news.onCommitted(answers.note)
    feed.onEvents(answers.note)
    feed.onReset(answers.dropAll)
  }
  const reference = createReference(db, feed.isDeaf)
  news.onCommitted(reference.forget)
  feed.onEvents(reference.forget)
  feed.onReset(reference.forgetAll)
  const { OIDC_ISSUER: issuer, OIDC_CLIENT_ID: clientId } = config
  const entry: Entry = {
    // Loaded where it is needed: it would be a good part of each start.
    provider: issuer && clientId ? (await import('../access/oidc.ts')).createProvider({ issuer, clientId }) : null,
    sessionLife: config.SESSION_HOURS * 3_600_000,
    sendsMail: config.SMTP_URL !== undefined,
  }
  const services: Services = { db, feed, bearers, wake: news.tell, now, entry }

  const schema = given.schema ?? buildSchema()
  const formatError = createErrorFormatter(log)
  const hub = createLiveHub({
    schema,
    services,
    formatErrors: (errors, { locale, requestId }) =>
      errors.map(error => new ShownError(formatError(error, { locale, requestId: requestId ?? 'live' }))),
    onError: onError('the live hub'),
  })
  undoing.later('the live hub', () => hub.stop())
  undoing.later('the shares of values', keepShares(services.db, onError('the shares of values')))
  const scheduler = startScheduler(services, onError('the scheduler'))
  undoing.later('the scheduler', () => scheduler.stop())
  const stopRescheduling = feed.onEvents(events => {
    if (events.some(isScheduling)) scheduler.wake()
  })
  undoing.later('the rescheduling', stopRescheduling)
  const deliverer = startPost(config, services, log, onError('the mail'))
  news.onCommitted(events => isMailWritten(events) && deliverer.wake())
  undoing.later('the mail', () => deliverer.stop())
  undoing.later(
    'the news of mails',
    feed.onEvents(events => isMailWritten(events) && deliverer.wake()),
  )

  const metrics = createMetrics(services, hub, answers, config.WORKERS > 1)
  const account = createAccounting(log, metrics)
  const pipeline = await startPipeline({ schema, config, formatError, log, account, reference })
  undoing.later('Apollo Server', () => pipeline.apollo.stop())
  const connections = watchConnections(now)
  const stopHearing = feed.onEvents(events => closeEnded(events, connections, services, onError('a connection')))
  const stopHearingResets = feed.onReset(() => recheck(connections, () => true, services, onError('a connection')))
  undoing.later('the connections', () => {
    stopHearing()
    stopHearingResets()
  })

  let isStopping = false
  const events = createEventStreams({ config, services, pipeline, hub, connections, formatError, metrics })
  const app = await createHttpServer({
    config,
    services,
    pipeline,
    formatError,
    log,
    account,
    metrics,
    answers,
    events,
  })
  await app.register(createPages(services, metrics, () => isStopping))
  openWebSocketDoor({
    server: app.server,
    schema,
    config,
    services,
    pipeline,
    hub,
    connections,
    formatError,
    metrics,
    log,
    isStopping: () => isStopping,
  })
  undoing.later('the HTTP server', async () => {
    isStopping = true
    // Balancers look at /readyz before they send no more: until then everybody is served as ever.
    if (app.server.listening) await sleep(config.SHUTDOWN_DELAY)
    const limit = setTimeout(() => app.server.closeAllConnections(), finishWithin - config.SHUTDOWN_DELAY)
    // Closing first: no new connection comes in while the old ones are seen off.
    await Promise.all([app.close(), connections.drain()])
    clearTimeout(limit)
  })
  await app.listen({ port: config.PORT, host: config.HOST })
  const { port } = app.server.address() as AddressInfo
  const host = ['0.0.0.0', '::', '127.0.0.1'].includes(config.HOST) ? 'localhost' : config.HOST
  let stopped: Promise<void> | undefined
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    services,
    stop: () => {
      stopped ??= undoing.run()
      return stopped
    },
  }
}

/** Closes connections whose token has ended, by the news of the journal: on every process, soon after the commit. */
function closeEnded(
  events: readonly JournalEvent[],
  connections: Connections,
  services: Services,
  onError: (error: unknown) => void,
): void {
  const changed = events.filter(event => isEvent(event, 'member.membership'))
  for (const { subject, detail } of changed) {
    const isMeant = ({ actor }: Connection) => actor.kind === 'OFFICER' && actor.memberId === subject
    // Before its tokens, which are revoked with it: that the member left says more.
    if (endsOffice(detail.to as MembershipStatus))
      for (const connection of connections.all()) {
        if (isMeant(connection)) void connection.close('changed')
      }
    else recheck(connections, isMeant, services, onError)
  }
  for (const { type, subject } of events) if (type === 'token.revoked') connections.revoke(subject)
  for (const { detail } of events.filter(event => isEvent(event, 'officer.changed'))) {
    const isMeant = ({ actor }: Connection) =>
      actor.kind === 'OFFICER' && actor.accountId === detail.accountId && actor.memberId === detail.memberId
    recheck(connections, isMeant, services, onError)
  }
}

/** Looks again at those whose rights may have ended. */
function recheck(
  connections: Connections,
  isMeant: (connection: Connection) => boolean,
  services: Services,
  onError: (error: unknown) => void,
): void {
  for (const connection of connections.all())
    if (isMeant(connection))
      identifyAgain(services, connection.actor).then(
        actor => {
          connection.actor = actor
        },
        error => {
          if (error instanceof TokenEnded) void connection.close(error.reason)
          else onError(error)
        },
      )
}
