import type { Db } from '../database/client.ts'
import { ResyncRequired, text, Unavailable } from '../errors.ts'
import type { JournalEvent } from './catalog.ts'
import { coalesce } from './coalesce.ts'
import { type Position, readCursor } from './cursor.ts'
import { startListener } from './listener.ts'
import { readLog, renewEpoch } from './log.ts'
import { channel } from './sequencer.ts'

/** The journal as this process follows it: readers pull, each at its own pace, so that none has a queue. */
export interface Feed {
  /** The last event known here. */
  position(): Position
  /**
   * The position of a cursor from which everything can still be replayed.
   * @throws InvalidInput when it is no cursor
   * @throws ResyncRequired when it is of another history, ahead of the log, or too far behind
   */
  resume(cursor: string): Promise<Position>
  /**
   * The events after a position, in order and without a hole, at most `limit`; none when it is the last.
   * @throws ResyncRequired when the log was replaced since, or no longer reaches back so far
   */
  read(after: Position, limit: number): Promise<readonly JournalEvent[]>
  /**
   * Resolves when there is something to read after a position, or the signal is aborted.
   * @throws ResyncRequired when the log was replaced
   * @throws Unavailable when the feed stops
   */
  changed(after: Position, signal?: AbortSignal): Promise<void>
  /**
   * Hands every event to this process, once and in order, before any reader hears of it.
   * @returns ends it
   */
  onEvents(listener: (events: readonly JournalEvent[]) => void): () => void
  /**
   * Tells that the log was replaced: whatever was kept of it may be wrong.
   * @returns ends it
   */
  onReset(listener: () => void): () => void
  /** Whether so long nothing was known of the log that what was kept by its news can't be trusted. */
  isDeaf(): boolean
  /** Hints that there may be something new, up to this place if it is known. */
  poke(head?: number): void
  stop(): Promise<void>
}

/** How long news may take when no hint arrives, in milliseconds. */
const pollInterval = 1_000
/** How long nothing may be known of the log before what was kept by its news is trusted no more, in milliseconds. */
const deafAfter = 3_000
/** How many events one statement reads. */
const batch = 1_000

const resync = (en: string, zh: string) =>
  new ResyncRequired(
    text(
      `${en} Load the data again together with asOf, then follow from that cursor.`,
      `${zh}请重新载入数据并同时查询 asOf，然后从该游标继续接收。`,
    ),
  )
const replaced = () =>
  resync('The journal was replaced since, as by a restored backup.', '日志此后已被替换（例如恢复了备份）。')
const tooOld = () =>
  resync('The cursor is too far behind: what came after it is no longer replayed.', '游标过旧：其后的内容已不再重放。')

const stopping = () =>
  new Unavailable(
    text(
      'The server is stopping. Connect again and go on from your last cursor.',
      '服务器正在停止。请重新连接，并从最后的游标继续接收。',
    ),
  )

/**
 * Starts to follow the journal.
 * @param options.connectionString of the database when processes share it: we listen to their hints
 * @param options.capacity how many events are kept in memory
 * @param options.replayLimit how many events a cursor may be behind
 * @param options.onError called with what went wrong; it is tried again within a second
 * @throws Error when the journal can't be read
 */
export async function startFeed(options: {
  readonly db: Db
  readonly connectionString: string | null
  readonly onError: (error: unknown) => void
  readonly capacity?: number
  readonly replayLimit: number
}): Promise<Feed> {
  const { db, connectionString, onError, capacity = 10_000, replayLimit } = options
  const eventListeners = new Set<(events: readonly JournalEvent[]) => void>()
  const resetListeners = new Set<() => void>()
  const waiting = new Set<{ wake(): void; fail(error: Error): void }>()
  let stopped = false
  let heardAt = performance.now()

  const { epoch, head } = await readLog(db, 0, 0)
  let known: Position = { epoch, seq: head }
  // Those who were cut off by a restart come back all at once, a few events behind.
  const recent = await readLog(db, Math.max(0, head - Math.min(batch, capacity)), batch)
  /** The last events, in order and without a hole, up to `known`. */
  let memory = recent.hasHole || recent.epoch !== epoch ? [] : recent.events.filter(event => event.seq <= head)

  function tell<T>(listeners: Iterable<(news: T) => void>, news: T): void {
    for (const listener of [...listeners]) {
      try {
        listener(news)
      } catch (error) {
        onError(error)
      }
    }
  }

  function accept(events: readonly JournalEvent[]): void {
    memory.push(...events)
    // Not one by one: cutting the front moves all the rest.
    if (memory.length > capacity + batch) memory = memory.slice(-capacity)
    known = { epoch: known.epoch, seq: events.at(-1)!.seq }
    tell(eventListeners, events)
    const readers = [...waiting]
    waiting.clear()
    for (const reader of readers) reader.wake()
  }

  function fail(error: () => Error): void {
    const readers = [...waiting]
    waiting.clear()
    for (const reader of readers) reader.fail(error())
  }

  /** Begins anew, with the log as it is now. */
  async function reset(wentBack: boolean): Promise<void> {
    if (wentBack) await renewEpoch(db, known.epoch)
    const now = await readLog(db, 0, 0)
    known = { epoch: now.epoch, seq: now.head }
    memory = []
    tell(resetListeners, undefined)
    fail(replaced)
  }

  /** How far the hints since the last look at the log reach: the same news comes from the sequencer and by NOTIFY. */
  let hinted = 0

  const refresh = coalesce(async () => {
    if (hinted <= known.seq) return
    hinted = 0
    try {
      for (;;) {
        const askedAt = performance.now()
        const slice = await readLog(db, known.seq, batch)
        const wentBack = slice.epoch === known.epoch && slice.head < known.seq
        if (wentBack || slice.epoch !== known.epoch || slice.hasHole) return await reset(wentBack)
        if (slice.events.length > 0) accept(slice.events)
        if (known.seq < slice.head) continue
        // Only now is all known that had happened when we asked.
        heardAt = askedAt
        return
      }
    } catch (error) {
      onError(error)
    }
  })
  const poke = (head = Number.POSITIVE_INFINITY) => {
    if (stopped) return
    hinted = Math.max(hinted, head)
    refresh.request()
  }
  const timer = setInterval(poke, pollInterval)
  const listener =
    connectionString === null ? null : startListener({ connectionString, channel, onHint: poke, onError })

  return {
    position: () => known,
    isDeaf: () => performance.now() - heardAt > deafAfter,
    resume: async cursor => {
      const position = readCursor(cursor)
      let latest = known
      if (position.epoch !== known.epoch || position.seq > known.seq) {
        // Another process may have known more than we do as yet.
        const now = await readLog(db, 0, 0)
        latest = { epoch: now.epoch, seq: now.head }
        poke()
      }
      if (position.epoch !== latest.epoch) throw replaced()
      if (position.seq > latest.seq)
        throw resync(
          'The cursor is ahead of the journal, as after a restored backup.',
          '游标超前于日志（例如恢复了备份）。',
        )
      if (latest.seq - position.seq > replayLimit) throw tooOld()
      return position
    },
    read: async (after, limit) => {
      if (after.epoch !== known.epoch) throw replaced()
      if (after.seq >= known.seq) return []
      const offset = after.seq + 1 - (memory[0]?.seq ?? Number.POSITIVE_INFINITY)
      if (offset >= 0) return memory.slice(offset, offset + limit)
      // No further than what is known, so that nobody hears of an event before this process does.
      const slice = await readLog(db, after.seq, Math.min(limit, known.seq - after.seq))
      if (slice.epoch !== after.epoch || slice.head < after.seq) throw replaced()
      if (slice.hasHole) throw tooOld()
      return slice.events
    },
    changed: (after, signal) =>
      new Promise((resolve, reject) => {
        if (after.epoch !== known.epoch) return reject(replaced())
        if (stopped) return reject(stopping())
        if (signal?.aborted || after.seq < known.seq) return resolve()
        const done = () => {
          signal?.removeEventListener('abort', done)
          waiting.delete(reader)
          resolve()
        }
        const reader = {
          wake: () => (after.seq < known.seq ? done() : waiting.add(reader)),
          fail: (error: Error) => {
            signal?.removeEventListener('abort', done)
            reject(error)
          },
        }
        waiting.add(reader)
        signal?.addEventListener('abort', done)
      }),
    onEvents: listen => {
      eventListeners.add(listen)
      return () => eventListeners.delete(listen)
    },
    onReset: listen => {
      resetListeners.add(listen)
      return () => resetListeners.delete(listen)
    },
    poke,
    stop: async () => {
      stopped = true
      clearInterval(timer)
      await Promise.all([listener?.stop(), refresh.settled()])
      fail(stopping)
    },
  }
}
