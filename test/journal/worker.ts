/**
 * A server process of the journal's tests: it writes and sequences, and follows the journal from its start.
 * Run by `fork` with the connection string and the number of transactions to write; speaks by messages.
 */
import { setImmediate } from 'node:timers/promises'
import { openPostgres } from '../../src/database/client.ts'
import { startFeed } from '../../src/journal/feed.ts'
import { readLog } from '../../src/journal/log.ts'
import { startSequencer } from '../../src/journal/sequencer.ts'
import { follow, unexpected, write } from './story.ts'

/** What a worker says. */
export type Report =
  /** A commit that the database acknowledged. */
  | { readonly committed: readonly string[] }
  /** All is written. */
  | { readonly written: true }
  /** The answer to `report`: all that its subscriber heard. */
  | { readonly heard: readonly { seq: number; subject: string }[] }
/** What a worker is told: to wait for an event, report and end. */
export interface Order {
  readonly reportAfter: string
}

const [, , connectionString, transactions] = process.argv
const database = openPostgres(connectionString!, 5)
const { db } = database
const { epoch } = await readLog(db, 0, 0)
const feed = await startFeed({ ...database, onError: unexpected, replayLimit: 1_000_000 })
const sequencer = startSequencer({ ...database, onError: unexpected, onSequenced: feed.poke })
const subscriber = follow(feed, { epoch, seq: 0 })
const send = (report: Report) => process.send!(report)

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

process.on('message', async (order: Order) => {
  await subscriber.until(order.reportAfter)
  send({ heard: subscriber.heard.map(({ seq, subject }) => ({ seq, subject })) })
  await subscriber.stop()
  await sequencer.stop()
  await feed.stop()
  await database.close()
  process.disconnect()
})
await Promise.all([writeAll(), writeAll()])
send({ written: true })
