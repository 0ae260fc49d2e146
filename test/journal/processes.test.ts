import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect } from 'vitest'
import { openPostgres } from '../../src/database/client.ts'
import { writeCursor } from '../../src/journal/cursor.ts'
import { startFeed } from '../../src/journal/feed.ts'
import { startSequencer } from '../../src/journal/sequencer.ts'
import { createPostgresDatabase, itOnPostgres } from '../support/database.ts'
import { follow, readWholeLog, unexpected, upTo, write } from './story.ts'
import type { Heard, Order, Report } from './worker.ts'

const program = fileURLToPath(new URL('worker.ts', import.meta.url))
const children = new Set<ChildProcess>()
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
})

/** Starts a process that writes, sequences and has subscribers, each of which goes on after a cursor. */
function startProcess(url: string, transactions: number, cursors: readonly string[]) {
  const child = fork(program, [url, `${transactions}`, ...cursors], { execArgv: [] })
  children.add(child)
  const acknowledged: string[] = []
  const heard = cursors.map((): Heard[] => [])
  const written = Promise.withResolvers<void>()
  const waiting = new Set<() => void>()
  // All its messages have come by then.
  const closed = Promise.all([once(child, 'exit'), once(child, 'disconnect')]).finally(() => {
    children.delete(child)
    written.reject(new Error('The process ended before it had written all.'))
  })
  written.promise.catch(() => undefined)
  child.on('message', (report: Report) => {
    if ('written' in report) written.resolve()
    else if ('heard' in report) heard[report.subscriber]!.push(report.heard)
    else acknowledged.push(...report.committed)
    for (const check of waiting) check()
  })
  return {
    acknowledged,
    /** What its subscribers were sent. */
    heard,
    written: written.promise,
    /** Resolves when so many of its events are acknowledged, and each of its subscribers was sent as many. */
    reaches: (count: number) =>
      new Promise<void>(resolve =>
        waiting.add(() => {
          if ([acknowledged, ...heard].every(list => list.length >= count)) resolve()
        }),
      ),
    kill: async () => {
      child.kill('SIGKILL')
      await closed
    },
    /** Ends the process once all its subscribers were sent this event. */
    end: async (endAfter: string) => {
      child.send({ endAfter } satisfies Order)
      const [[code]] = await closed
      expect(code).toBe(0)
    },
  }
}

describe('several processes, one of them killed amid its work', () => {
  itOnPostgres(
    'lose nothing, and their subscribers are sent the log and nothing but the log',
    { timeout: 60_000 },
    async () => {
      const url = await createPostgresDatabase()
      const database = openPostgres(url, 4)
      const feed = await startFeed({ ...database, onError: unexpected, replayLimit: 1_000_000 })
      const sequencer = startSequencer({ ...database, onError: unexpected, onSequenced: feed.poke })
      const here = follow(feed)
      const start = writeCursor(feed.position())

      const survivors = upTo(2).map(() => startProcess(url, 300, [start, start]))
      const victim = startProcess(url, 1_000_000, [start, start])
      await victim.reaches(200)
      await victim.kill()
      // Those who were cut off come back to another process, each with the last cursor that it was sent.
      const heir = startProcess(
        url,
        20,
        victim.heard.map(heard => heard.at(-1)!.cursor),
      )
      const others = [...survivors, heir]
      await Promise.all(others.map(other => other.written))
      // The last event: by a process that did not see the others' work.
      const [last] = await write(database.db, {})
      sequencer.wake()
      await here.until(last!)
      await Promise.all(others.map(other => other.end(last!)))
      await sequencer.idle()

      const log = await readWholeLog(database.db)
      expect(log.map(event => event.seq)).toEqual(upTo(log.length))
      const subjects = log.map(event => event.subject)
      expect(new Set(subjects).size).toBe(subjects.length)
      expect(await database.db.selectFrom('outbox').select('id').execute()).toEqual([])
      const inLog = new Set(subjects)
      const acknowledged = [victim, ...others].flatMap(process => process.acknowledged)
      expect(acknowledged.filter(subject => !inLog.has(subject))).toEqual([])
      // Whatever was committed besides is what the victim had no time to say.
      const said = new Set([...acknowledged, last])
      expect(subjects.filter(subject => !said.has(subject)).length).toBeLessThan(10)

      const interrupted = victim.heard.map((heard, i) => [...heard, ...heir.heard[i]!])
      for (const heard of [here.heard, ...survivors.flatMap(survivor => survivor.heard), ...interrupted]) {
        expect(heard.map(({ seq, subject }) => ({ seq, subject }))).toEqual(log.slice(0, heard.length))
        expect(heard.length).toBeGreaterThanOrEqual(log.find(event => event.subject === last)!.seq)
      }

      await here.stop()
      await sequencer.stop()
      await feed.stop()
      await database.close()
    },
  )
})
