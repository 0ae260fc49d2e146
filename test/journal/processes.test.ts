import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect } from 'vitest'
import { openPostgres } from '../../src/database/client.ts'
import { startFeed } from '../../src/journal/feed.ts'
import { startSequencer } from '../../src/journal/sequencer.ts'
import { createPostgresDatabase, itOnPostgres } from '../support/database.ts'
import { follow, readWholeLog, unexpected, upTo, write } from './story.ts'
import type { Order, Report } from './worker.ts'

const program = fileURLToPath(new URL('worker.ts', import.meta.url))
const children = new Set<ChildProcess>()
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
})

/** Starts a process that writes, sequences and follows. */
function startProcess(url: string, transactions: number) {
  const child = fork(program, [url, `${transactions}`], { execArgv: [] })
  children.add(child)
  const acknowledged: string[] = []
  let heard: { seq: number; subject: string }[] = []
  const written = Promise.withResolvers<void>()
  const commits = new Map<number, () => void>()
  const exit = once(child, 'exit').finally(() => {
    children.delete(child)
    written.reject(new Error('The process ended before it had written all.'))
  })
  written.promise.catch(() => undefined)
  child.on('message', (report: Report) => {
    if ('written' in report) written.resolve()
    else if ('heard' in report) heard = [...report.heard]
    else {
      acknowledged.push(...report.committed)
      for (const [count, reached] of commits) if (acknowledged.length >= count) reached()
    }
  })
  return {
    acknowledged,
    written: written.promise,
    /** Resolves when so many of its events are acknowledged. */
    acknowledges: (count: number) => new Promise<void>(resolve => commits.set(count, resolve)),
    kill: async () => {
      child.kill('SIGKILL')
      await exit
    },
    /** What its subscriber heard until this event; the process ends then. */
    report: async (reportAfter: string) => {
      child.send({ reportAfter } satisfies Order)
      const [code] = await exit
      expect(code).toBe(0)
      return heard
    },
  }
}

describe('several processes, one of them killed amid its work', () => {
  itOnPostgres(
    'lose nothing, and their subscribers hear the log and nothing but the log',
    { timeout: 60_000 },
    async () => {
      const url = await createPostgresDatabase()
      const database = openPostgres(url, 4)
      const feed = await startFeed({ ...database, onError: unexpected, replayLimit: 1_000_000 })
      const sequencer = startSequencer({ ...database, onError: unexpected, onSequenced: feed.poke })
      const here = follow(feed)

      const survivors = [startProcess(url, 300), startProcess(url, 300)]
      const victim = startProcess(url, 1_000_000)
      await victim.acknowledges(200)
      await victim.kill()
      await Promise.all(survivors.map(survivor => survivor.written))
      // The last event: by a process that did not see the others' work.
      const [last] = await write(database.db, {})
      sequencer.wake()
      await here.until(last!)
      const reports = await Promise.all(survivors.map(survivor => survivor.report(last!)))
      await sequencer.idle()

      const log = await readWholeLog(database.db)
      expect(log.map(event => event.seq)).toEqual(upTo(log.length))
      const subjects = log.map(event => event.subject)
      expect(new Set(subjects).size).toBe(subjects.length)
      expect(await database.db.selectFrom('outbox').select('id').execute()).toEqual([])
      const inLog = new Set(subjects)
      const acknowledged = [victim, ...survivors].flatMap(process => process.acknowledged)
      expect(acknowledged.filter(subject => !inLog.has(subject))).toEqual([])
      // Whatever was committed besides is what the victim had no time to say.
      const said = new Set([...acknowledged, last])
      expect(subjects.filter(subject => !said.has(subject)).length).toBeLessThan(10)

      const heardHere = here.heard.map(({ seq, subject }) => ({ seq, subject }))
      for (const heard of [heardHere, ...reports]) expect(heard).toEqual(log.slice(0, heard.length))
      for (const heard of [heardHere, ...reports])
        expect(heard.at(-1)!.seq).toBeGreaterThanOrEqual(log.find(event => event.subject === last)!.seq)

      await here.stop()
      await sequencer.stop()
      await feed.stop()
      await database.close()
    },
  )
})
