/**
 * A server process of the journal's tests: it writes and sequences, and its live hub delivers what happens.
 * Run by `fork` with the connection string, the number of transactions to write, and the cursors after which its
 * subscribers go on; speaks by messages.
 */
import { setImmediate } from 'node:timers/promises'
import { makeExecutableSchema } from '@graphql-tools/schema'
import { parse } from 'graphql'
import { anonymous } from '../../src/access/actor.ts'
import { createBearers } from '../../src/access/bearers.ts'
import { plainEntry } from '../../src/access/entry.ts'
import { openPostgres } from '../../src/database/client.ts'
import { liveField } from '../../src/graphql/live.ts'
import { createLiveHub } from '../../src/graphql/live-hub.ts'
import { startFeed } from '../../src/journal/feed.ts'
import { startSequencer } from '../../src/journal/sequencer.ts'
import { unexpected, write } from './story.ts'

/** What a subscriber was sent. */
export interface Heard {
  readonly seq: number
  readonly subject: string
  readonly cursor: string
}
/** What a worker says. */
export type Report =
  /** A commit that the database acknowledged. */
  | { readonly committed: readonly string[] }
  /** All is written. */
  | { readonly written: true }
  /** What one of its subscribers was sent next. */
  | { readonly subscriber: number; readonly heard: Heard }
/** What a worker is told: to end once all its subscribers have heard of an event. */
export interface Order {
  readonly endAfter: string
}

const [, , connectionString, transactions, ...cursors] = process.argv
const database = openPostgres(connectionString!, 5)
const { db } = database
const feed = await startFeed({ ...database, onError: unexpected, replayLimit: 1_000_000 })
const sequencer = startSequencer({ ...database, onError: unexpected, onSequenced: feed.poke })
const send = (report: Report) => process.send!(report)

const happened = liveField({
  types: ['member.profile'],
  payload: async (event, _args: { after?: string | null }) => ({ subject: event.subject }),
})
const hub = createLiveHub({
  schema: makeExecutableSchema({
    typeDefs: `
      type Query { nothing: Int }
      type Subscription { happened(after: String): Happening! }
      type Happening { cursor: String! subject: String! }`,
    resolvers: { Subscription: { happened } },
  }),
  services: { db, feed, bearers: createBearers(), entry: plainEntry, wake: sequencer.wake, now: () => new Date() },
  formatErrors: errors => errors,
  onError: unexpected,
})
const document = parse('subscription ($after: String) { happened(after: $after) { cursor subject } }')

/** Subscribes through the hub. Answers how to wait until a subject was heard. */
async function subscribe(subscriber: number, after: string): Promise<(subject: string) => Promise<void>> {
  const subjects = new Set<string>()
  let check: (() => void) | undefined
  const results = await hub.join(
    { document, variables: { after }, actor: anonymous, locale: 'en' },
    {
      send: ({ frame, seq }) => {
        const { data } = JSON.parse(frame('1').toString()).payload as {
          data: { happened: { cursor: string; subject: string } }
        }
        subjects.add(data.happened.subject)
        send({ subscriber, heard: { seq, ...data.happened } })
        check?.()
      },
    },
  )
  if (!(Symbol.asyncIterator in results)) throw new Error(results.errors?.[0]?.message)
  void results.next().then(({ value }) => {
    if (value) throw new Error(value.errors?.[0]?.message)
  })
  return subject =>
    new Promise(resolve => {
      check = () => {
        if (subjects.has(subject)) resolve()
      }
      check()
    })
}

async function writeAll(): Promise<void> {
  for (let i = 0; i < Number(transactions); i++) {
    const roll = Math.random()
    if (roll < 0.2)
      await db
        .transaction()
        .execute(async tx => {
          await write(tx, {})
          throw new Error('rolled back on purpose')
        })
        .catch((error: Error) => {
          if (error.message !== 'rolled back on purpose') throw error
        })
    else {
      const subjects = await write(db, ...Array.from({ length: roll < 0.4 ? 3 : 1 }, () => ({})))
      sequencer.wake()
      send({ committed: subjects })
    }
    await setImmediate()
  }
}

const subscribers = await Promise.all(cursors.map((after, i) => subscribe(i, after)))
process.on('message', async (order: Order) => {
  await Promise.all(subscribers.map(until => until(order.endAfter)))
  hub.stop()
  await sequencer.stop()
  await feed.stop()
  await database.close()
  process.disconnect()
})
await Promise.all([writeAll(), writeAll()])
send({ written: true })
