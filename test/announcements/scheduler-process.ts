import { startScheduler } from '../../src/announcements/scheduler.ts'
import { openPostgres } from '../../src/database/client.ts'

/** A process of its own that publishes on time, until its standard input ends. */
const database = openPostgres(process.env.SCHEDULER_DATABASE!, 3)
const scheduler = startScheduler({ db: database.db, now: () => new Date(), wake: () => undefined }, error =>
  console.error(error),
)
console.log('ready')
process.stdin.resume().once('end', async () => {
  await scheduler.stop()
  await database.close()
})
