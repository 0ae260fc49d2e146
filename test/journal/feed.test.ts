import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../src/database/client.ts'
import { InvalidInput, ResyncRequired, Unavailable } from '../../src/errors.ts'
import { newUuid } from '../../src/ids.ts'
import type { JournalEvent } from '../../src/journal/catalog.ts'
import { writeCursor } from '../../src/journal/cursor.ts'
import { type Feed, startFeed } from '../../src/journal/feed.ts'
import { type Sequencer, startSequencer } from '../../src/journal/sequencer.ts'
import { createDatabase, itOnPostgres } from '../support/database.ts'
import { follow, openAgain, readWholeLog, unexpected, upTo, write } from './story.ts'

let database: Database
let sequencer: Sequencer
let feeds: Feed[]
beforeEach(async () => {
  database = await createDatabase()
  feeds = []
  sequencer = startSequencer({
    ...database,
    onError: unexpected,
    onSequenced: () => {
      for (const feed of feeds) feed.poke()
    },
  })
})
afterEach(async () => {
  await sequencer.stop()
  await Promise.all(feeds.map(feed => feed.stop()))
  await database.close()
})

async function start(options: Partial<Parameters<typeof startFeed>[0]> = {}): Promise<Feed> {
  const feed = await startFeed({ ...database, onError: unexpected, replayLimit: 1_000, ...options })
  feeds.push(feed)
  return feed
}

/** Commits events and has them sequenced. */
async function happen(count: number): Promise<string[]> {
  const subjects = await write(database.db, ...upTo(count).map(() => ({})))
  sequencer.wake()
  await sequencer.idle()
  return subjects
}

const subjects = (events: readonly { subject: string }[]) => events.map(event => event.subject)

describe('a feed', () => {
  it('gives every reader every event, once and in order, whatever its pace', async () => {
    const feed = await start()
    const before = feed.position()
    const readers = [follow(feed), follow(feed, before, 1), follow(feed, before, 7)]
    const written: string[] = []
    for (const count of [1, 3, 40, 2]) {
      written.push(...(await happen(count)))
      readers.push(follow(feed, before, count))
    }
    await Promise.all(readers.map(reader => reader.until(written.at(-1)!)))
    for (const reader of readers) {
      expect(subjects(reader.heard)).toEqual(written)
      expect(reader.heard.map(event => event.seq)).toEqual(upTo(46))
      await reader.stop()
    }
  })

  it('hands events over as they were written', async () => {
    const feed = await start()
    const reader = follow(feed)
    const member = newUuid()
    const [subject] = await write(database.db, {
      type: 'announcement.changed',
      detail: { version: 2, change: 'EDITED' },
      audience: 'MEMBERS',
      audienceMembers: [member],
    })
    sequencer.wake()
    await reader.until(subject!)
    expect(reader.heard).toEqual([
      {
        seq: 1,
        type: 'announcement.changed',
        subject: subject!,
        detail: { version: 2, change: 'EDITED' },
        audience: 'MEMBERS',
        audienceMembers: [member],
        actor: 'test',
        onBehalfOf: null,
        requestId: null,
        at: expect.any(Date),
      } satisfies JournalEvent,
    ])
    await reader.stop()
  })

  it('tells this process of events before any reader hears of them, and survives a listener that throws', async () => {
    const errors: unknown[] = []
    const feed = await start({ onError: error => errors.push(error) })
    const order: string[] = []
    feed.onEvents(() => {
      throw new Error('a broken listener')
    })
    const leave = feed.onEvents(events => order.push(`process ${subjects(events)}`))
    const reader = follow(feed)
    const [one] = await happen(1)
    await reader.until(one!)
    order.push(`reader ${one}`)
    expect(order).toEqual([`process ${one}`, `reader ${one}`])
    expect(String(errors[0])).toContain('a broken listener')
    leave()
    const [two] = await happen(1)
    await reader.until(two!)
    expect(order).toHaveLength(2)
    await reader.stop()
  })

  it('keeps the last events in memory and takes older ones from the log', async () => {
    const feed = await start({ capacity: 10 })
    const before = feed.position()
    const written: string[] = []
    for (let i = 0; i < 4; i++) written.push(...(await happen(300)))
    const reader = follow(feed, before)
    await reader.until(written.at(-1)!)
    expect(subjects(reader.heard)).toEqual(written)
    await reader.stop()
  })

  it('needs no hint: the poll finds what nobody told it of', async () => {
    const feed = await start({ connectionString: null })
    feeds.pop()
    const reader = follow(feed)
    const written = await happen(2)
    await reader.until(written[1]!)
    expect(subjects(reader.heard)).toEqual(written)
    await reader.stop()
    await feed.stop()
  })

  it('leaves nothing behind for a reader that goes', async () => {
    const feed = await start()
    const stopping = new AbortController()
    const waiting = feed.changed(feed.position(), stopping.signal)
    stopping.abort()
    await waiting
    await expect(feed.changed(feed.position(), AbortSignal.abort())).resolves.toBeUndefined()
  })

  it('tells waiting readers that it stops', async () => {
    const feed = await start()
    const reader = follow(feed)
    await feed.stop()
    expect(await reader.done).toBeInstanceOf(Unavailable)
  })
})

describe('a cursor, after a restart', () => {
  it('leads to exactly what was missed', async () => {
    const first = await start()
    await happen(5)
    const reader = follow(first)
    const [seen] = await happen(1)
    await reader.until(seen!)
    const cursor = writeCursor({ epoch: first.position().epoch, seq: reader.heard.at(-1)!.seq })
    await first.stop()

    const missed = await happen(7)
    const second = await start()
    const again = follow(second, await second.resume(cursor))
    const [next] = await happen(1)
    await again.until(next!)
    expect(subjects(again.heard)).toEqual([...missed, next])
    await again.stop()
  })

  it('may come from a process that is ahead of this one', async () => {
    const feed = await start({ connectionString: null })
    feeds.pop()
    await happen(3)
    const position = await feed.resume(writeCursor({ epoch: feed.position().epoch, seq: 3 }))
    const reader = follow(feed, position)
    const [next] = await happen(1)
    await reader.until(next!)
    expect(subjects(reader.heard)).toEqual([next])
    await reader.stop()
    await feed.stop()
  })

  it('is refused when nothing can be replayed from it', async () => {
    const feed = await start({ replayLimit: 5 })
    await happen(8)
    const { epoch } = feed.position()
    await feed.changed({ epoch, seq: 7 })
    const resume = (seq: number, of = epoch) => feed.resume(writeCursor({ epoch: of, seq }))
    await expect(resume(3)).resolves.toEqual({ epoch, seq: 3 })
    await expect(resume(8)).resolves.toEqual({ epoch, seq: 8 })
    await expect(resume(2)).rejects.toThrow(ResyncRequired)
    await expect(resume(2)).rejects.toThrow('too far behind')
    await expect(resume(9)).rejects.toThrow('ahead of the journal')
    await expect(resume(8, newUuid())).rejects.toThrow('replaced')
    await expect(feed.resume('rubbish')).rejects.toThrow(InvalidInput)
    for (const bad of [resume(2), resume(9), resume(8, newUuid())])
      await expect(bad).rejects.toMatchObject({
        code: 'RESYNC_REQUIRED',
        text: { en: expect.stringContaining('asOf'), zh: expect.stringContaining('asOf') },
      })
  })

  it('is refused when the log no longer reaches back to it', async () => {
    const feed = await start()
    const start0 = feed.position()
    await happen(5)
    await database.db.deleteFrom('eventLog').where('seq', '<', 4).execute()
    const fresh = await start()
    await expect(fresh.read(start0, 10)).rejects.toThrow(ResyncRequired)
    expect((await fresh.read({ ...start0, seq: 3 }, 10)).map(event => event.seq)).toEqual([4, 5])
  })
})

describe('when the database was replaced', () => {
  it('every reader is told, and the lost places get a new epoch', async () => {
    const feed = await start()
    let resets = 0
    feed.onReset(() => resets++)
    await happen(10)
    const { epoch } = feed.position()
    // The feed must have known the places that are lost.
    await feed.changed({ epoch, seq: 9 })
    const waiting = follow(feed)
    await database.db.transaction().execute(async tx => {
      await tx.deleteFrom('eventLog').where('seq', '>', 6).execute()
      await tx.updateTable('journalHead').set({ seq: 6 }).execute()
    })
    feed.poke()
    expect(await waiting.done).toBeInstanceOf(ResyncRequired)
    expect(resets).toBe(1)
    expect(feed.position()).toEqual({ epoch: expect.not.stringMatching(epoch), seq: 6 })

    await happen(10)
    // The place exists again, but it is another event's.
    await expect(feed.resume(writeCursor({ epoch, seq: 9 }))).rejects.toThrow(ResyncRequired)
    await expect(feed.read({ epoch, seq: 9 }, 10)).rejects.toThrow(ResyncRequired)
    await expect(feed.changed({ epoch, seq: 9 })).rejects.toThrow(ResyncRequired)
    const now = await feed.resume(writeCursor({ epoch: feed.position().epoch, seq: 9 }))
    await feed.changed({ ...now, seq: 10 })
    expect((await feed.read(now, 2)).map(event => event.seq)).toEqual([10, 11])
  })

  it('by one with another epoch, every reader is told', async () => {
    const feed = await start()
    await happen(3)
    const waiting = follow(feed)
    const epoch = newUuid()
    await database.db.updateTable('journalHead').set({ epoch }).execute()
    expect(await waiting.done).toBeInstanceOf(ResyncRequired)
    expect(feed.position()).toEqual({ epoch, seq: 3 })
  })

  it('by one with a hole, nobody is led over it', async () => {
    const feed = await start({ connectionString: null })
    feeds.pop()
    const waiting = follow(feed)
    await happen(4)
    await database.db.deleteFrom('eventLog').where('seq', '=', 2).execute()
    feed.poke()
    expect(await waiting.done).toBeInstanceOf(ResyncRequired)
    expect(waiting.heard).toEqual([])
    await feed.stop()
  })
})

itOnPostgres('another process is told by a notification, sooner than its poll', async () => {
  const other = openAgain(database.connectionString!)
  const feed = await startFeed({ ...other, onError: unexpected, replayLimit: 1_000 })
  const reader = follow(feed)
  // The first may come before it listens.
  const [first] = await happen(1)
  await reader.until(first!)
  const times: number[] = []
  for (let i = 0; i < 5; i++) {
    const began = performance.now()
    const [subject] = await happen(1)
    await reader.until(subject!)
    times.push(performance.now() - began)
  }
  times.sort((a, b) => a - b)
  expect(times[2]).toBeLessThan(500)
  await reader.stop()
  await feed.stop()
  await other.close()
})

itOnPostgres('a cut listening connection loses nothing, and is made again', async () => {
  const errors: unknown[] = []
  const other = openAgain(database.connectionString!)
  const feed = await startFeed({ ...other, onError: error => errors.push(error), replayLimit: 1_000 })
  const reader = follow(feed)
  const written: string[] = []
  const cut = () =>
    sql<{ cut: boolean }>`select pg_terminate_backend(pid) as cut from pg_stat_activity
      where datname = current_database() and application_name = 'alliance_journal listener'`.execute(database.db)
  for (let cuts = 0; cuts < 3; ) {
    cuts += (await cut()).rows.length
    written.push(...(await happen(1)))
  }
  await reader.until(written.at(-1)!)
  expect(subjects(reader.heard)).toEqual(written)
  expect(errors.length).toBeGreaterThanOrEqual(3)
  await reader.stop()
  await feed.stop()
  await other.close()
  expect(subjects(await readWholeLog(database.db))).toEqual(written)
})
