import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { EventType, NewEvent } from '../../src/journal/catalog.ts'
import { startKeeping } from '../../src/reads/keeping.ts'
import { changeTag, listTag, rowTag } from '../../src/reads/source.ts'
import { createAnswers } from '../../src/server/answers.ts'
import { encode } from '../../src/server/encodings.ts'
// The nouns that declare what their events alter.
import '../../src/members/reads.ts'
import '../../src/regions/reads.ts'

const megabyte = 2 ** 20

function makeStore(bytes = megabyte) {
  const world = { now: 1_000, isDeaf: false }
  const answers = createAnswers({ bytes, now: () => world.now, isDeaf: () => world.isDeaf })
  const keep = (question: string, tags: readonly string[], { until = Number.POSITIVE_INFINITY, body = '{}' } = {}) => {
    const begun = answers.begin()
    return answers.keep(question, answerOf(body), { ...startKeeping(), tags: new Set(tags), until }, begun)
  }
  return { ...answers, world, put: keep, has: (question: string) => answers.find(question) !== undefined }
}

const answerOf = (body: string) => ({
  body: Buffer.from(body),
  contentType: 'application/json',
  encoding: null,
  tag: null,
  name: null,
  cost: 1,
})
const event = (type: EventType, subject: string, detail: object = {}): NewEvent => ({
  type,
  subject,
  detail: detail as never,
  audience: 'PUBLIC',
})
const profile = (subject: string, ...fields: string[]) => event('member.profile', subject, { version: 2, fields })

describe('kept answers', () => {
  it('are found until what they are made of changes, and others stay', () => {
    const store = makeStore()
    store.put('one', [rowTag('members', 'a')])
    store.put('other', [rowTag('members', 'b')])
    store.put('list of a', [listTag('members'), rowTag('members', 'a')])
    store.put('list of b', [listTag('members'), rowTag('members', 'b')])
    store.put('by last change', [changeTag('members'), listTag('members')])
    store.put('places', [changeTag('regions')])

    store.note([profile('a', 'summaries')])
    expect(store.has('one')).toBe(false)
    expect(store.has('list of a')).toBe(false)
    expect(store.has('by last change')).toBe(false)
    expect(store.has('other')).toBe(true)
    expect(store.has('list of b')).toBe(true)

    store.note([profile('c', 'names')])
    expect(store.has('list of b')).toBe(false)
    expect(store.has('other')).toBe(true)
    expect(store.has('places')).toBe(true)

    store.note([event('reference.loaded', '00000000-0000-7000-8000-000000000000')])
    expect(store.has('places')).toBe(false)
    expect(store.has('other')).toBe(true)
  })

  it('are not found when something changed while they were made', () => {
    const store = makeStore()
    const begun = store.begin()
    store.note([profile('a', 'summaries')])
    const notes = { ...startKeeping(), tags: new Set([rowTag('members', 'a')]) }
    store.keep('too late', answerOf('{}'), notes, begun)
    expect(store.has('too late')).toBe(false)
    store.keep('in time', answerOf('{}'), notes, store.begin())
    expect(store.has('in time')).toBe(true)
  })

  it('forget no change, however many there are', () => {
    const store = makeStore()
    store.put('asked now and then', [rowTag('members', 'a')])
    store.put('never asked', [rowTag('members', 'a')])
    store.put('changed', [rowTag('members', 'b')])
    store.note([profile('b', 'summaries')])
    for (let i = 0; i < 60_000; i++) {
      store.note([profile(`m${i}`, 'summaries')])
      if (i % 1_000 === 0) expect(store.has('asked now and then')).toBe(true)
    }
    expect(store.has('changed')).toBe(false)
    // Of what happened so long ago nobody knows any more what it changed.
    expect(store.has('never asked')).toBe(false)
    const begun = store.begin()
    for (let i = 0; i < 60_000; i++) store.note([profile(`n${i}`, 'summaries')])
    store.keep('begun long ago', answerOf('{}'), { ...startKeeping(), tags: new Set([rowTag('members', 'n0')]) }, begun)
    expect(store.has('begun long ago')).toBe(false)
  })

  it('hold for a stretch of the clock', () => {
    const store = makeStore()
    store.put('pinned', [], { until: 2_000 })
    store.put('of the moment', [], { until: 1_000 })
    expect(store.has('of the moment')).toBe(false)
    store.world.now = 1_999
    expect(store.has('pinned')).toBe(true)
    store.world.now = 2_000
    expect(store.has('pinned')).toBe(false)
    store.put('no longer pinned', [])
    // The clock is set back: it is pinned again.
    store.world.now = 1_500
    expect(store.has('no longer pinned')).toBe(false)
  })

  it('are not trusted while the journal is silent', () => {
    const store = makeStore()
    store.put('one', [rowTag('members', 'a')])
    store.put('other', [rowTag('members', 'b')])
    store.world.isDeaf = true
    expect(store.has('one')).toBe(false)
    // What was missed is heard before the silence ends.
    store.note([profile('a', 'summaries')])
    store.world.isDeaf = false
    expect(store.has('one')).toBe(false)
    expect(store.has('other')).toBe(true)
  })

  it('are all dropped with the journal that they were kept by', () => {
    const store = makeStore()
    store.put('one', [rowTag('members', 'a')])
    const begun = store.begin()
    store.dropAll()
    store.keep('begun before', answerOf('{}'), startKeeping(), begun)
    expect(store.has('one')).toBe(false)
    expect(store.has('begun before')).toBe(false)
    store.put('one', [rowTag('members', 'a')])
    expect(store.has('one')).toBe(true)
  })

  it('are not kept when they are made of what the journal does not tell of', () => {
    const store = makeStore()
    store.keep('lost', answerOf('{}'), { ...startKeeping(), isLost: true }, store.begin())
    expect(store.has('lost')).toBe(false)
  })

  it('take no more memory than they may, the least recently used making room', () => {
    const store = makeStore(megabyte)
    const body = 'x'.repeat(1_000)
    for (let i = 0; i < 100_000; i++) {
      store.put(`question ${i}`, [rowTag('members', `m${i}`)], { body })
      store.find('question 0')
      if (i % 1_000 === 0) expect(store.sizes().bytes).toBeLessThanOrEqual(megabyte)
    }
    expect(store.sizes().answers).toBeGreaterThan(300)
    expect(store.sizes().bytes).toBeLessThanOrEqual(megabyte)
    expect(store.has('question 0')).toBe(true)
    expect(store.has('question 1')).toBe(false)
    expect(store.has('question 99999')).toBe(true)
    const { answers } = store.sizes()
    // One that would fill it alone is left out, and drives nobody out.
    store.put('huge', [], { body: '元'.repeat(60_000) })
    expect(store.has('huge')).toBe(false)
    expect(store.sizes().answers).toBe(answers)
  })
})

it.each([null, 'gzip', 'br'] as const)(
  'a body in the encoding %s takes no more memory than its bytes',
  async encoding => {
    for (const length of [20, 2_000, 60_000]) {
      const body = Buffer.from('元'.repeat(length))
      const encoded = await encode(body, encoding)
      expect(encoded.buffer.byteLength).toBe(encoded.length)
      const decode = { gzip: gunzipSync, br: brotliDecompressSync }
      expect((encoding ? decode[encoding](encoded) : encoded).equals(body)).toBe(true)
    }
  },
)
