import { LRUCache } from 'lru-cache'
import type { NewEvent } from '../journal/catalog.ts'
import type { Keeping } from '../reads/keeping.ts'
import { tagsOf } from '../reads/source.ts'
import type { Encoding } from './encodings.ts'

/** A whole answer as it was sent. */
export interface KeptAnswer {
  readonly body: Buffer
  readonly contentType: string
  /** How the body is compressed; null where it is as it was made. */
  readonly encoding: Encoding | null
  /** The value of `ETag`; null where none is sent. */
  readonly tag: string | null
  /** For the log and the figures. */
  readonly name: string | null
  readonly cost: number | null
}

/**
 * Whole answers, kept until something of what they are made of changes. The journal tells of changes on every process; of
 * what this process commits we hear before its caller does.
 */
export interface Answers {
  /** The answer to the same question (in Latin 1) by somebody who sees the same; undefined when there is none that still holds. */
  find(question: string): KeptAnswer | undefined
  /** To be called before anything of an answer is read. */
  begin(): Beginning
  /** Keeps an answer; what it is made of may have changed since it was begun, then it is not found again. */
  keep(question: string, answer: KeptAnswer, keeping: Keeping, begun: Beginning): void
  /** From now on what these events alter is not found any more, and everything else is. */
  note(events: readonly Pick<NewEvent, 'type' | 'subject' | 'detail'>[]): void
  dropAll(): void
  sizes(): { readonly answers: number; readonly bytes: number }
}

/** When an answer was begun. */
export interface Beginning {
  /** How many changes there had been. */
  readonly changes: number
  /** By the clock. */
  readonly at: number
}

interface Entry extends KeptAnswer {
  readonly tags: ReadonlySet<string>
  /** The stretch of the clock in which it holds. */
  readonly since: number
  readonly until: number
  /** So many changes have left it as it is. */
  checked: number
}

/** What an entry takes besides its texts, and what each of its tags does, in bytes: as measured, and a little more. */
const overhead = { entry: 800, tag: 200 }
/** So many tags are remembered as changed, and up to as many before them. */
const mostRemembered = 25_000

/**
 * Makes an empty store. Changes are noted, and an answer is held against those since it was made when it is asked for
 * the next time: so a change that touches many costs nothing by itself, and one that touches none nearly nothing.
 * @param options.bytes how much it holds; the least recently used make room
 * @param options.now the clock, in milliseconds since 1970
 * @param options.isDeaf whether this process is cut off from the journal, so that no kept answer can be trusted
 */
export function createAnswers(options: {
  readonly bytes: number
  readonly now: () => number
  readonly isDeaf: () => boolean
}): Answers {
  const { bytes, now, isDeaf } = options
  const kept = new LRUCache<string, Entry>({
    maxSize: bytes,
    maxEntrySize: Math.ceil(bytes / 10),
    sizeCalculation: ({ body, tags }, question) =>
      body.length + question.length + overhead.entry + overhead.tag * tags.size,
  })
  let changes = 0
  /** By which change each tag was touched last, of all after `knownSince`: the later ones, and those up to `recentSince`. */
  let recent = new Map<string, number>()
  let former = new Map<string, number>()
  let recentSince = 0
  let knownSince = 0

  function holds(entry: Entry): boolean {
    const { tags, since, until, checked } = entry
    const time = now()
    // Its time may be over, or the clock set back before it.
    if (time < since || time >= until || checked < knownSince) return false
    if (checked === changes) return true
    for (const tag of tags) if ((recent.get(tag) ?? former.get(tag) ?? 0) > checked) return false
    entry.checked = changes
    return true
  }

  return {
    find: question => {
      const entry = kept.get(question)
      if (!entry || isDeaf()) return undefined
      if (holds(entry)) return entry
      kept.delete(question)
      return undefined
    },
    begin: () => ({ changes, at: now() }),
    keep: (question, answer, { tags, until, isLost }, begun) => {
      if (isLost || until <= now()) return
      kept.set(question, { ...answer, tags, since: begun.at, until, checked: begun.changes })
    },
    note: events => {
      const tags = new Set(events.flatMap(event => tagsOf(event as NewEvent)))
      if (tags.size === 0) return
      changes++
      for (const tag of tags) recent.set(tag, changes)
      if (recent.size < mostRemembered) return
      former = recent
      recent = new Map()
      knownSince = recentSince
      recentSince = changes
    },
    dropAll: () => {
      kept.clear()
      recent.clear()
      former.clear()
      knownSince = recentSince = ++changes
    },
    sizes: () => ({ answers: kept.size, bytes: kept.calculatedSize }),
  }
}
