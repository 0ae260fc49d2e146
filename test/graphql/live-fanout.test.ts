import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createPace } from '../../src/graphql/live-pace.ts'
import type { NewEvent } from '../../src/journal/catalog.ts'
import { upTo } from '../journal/story.ts'
import { cursorAt, type Joined, join, type LiveStory, operation, plain, portal, startLive } from './live-story.ts'

const profile = (version = 1): Partial<NewEvent> => ({ type: 'member.profile', detail: { version, fields: [] } })
const told = 'subscription { profile { version } }'
const from = 'subscription ($after: Cursor) { profile(after: $after) { version } }'

/** Works, as a socket that is slow to write to would make the process work. */
function work(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

describe('the pace', () => {
  it('gives one after the other its time, each after the loop has gone round', async () => {
    const pace = createPace(20)
    expect(pace.isOver()).toBe(true)
    const order: string[] = []
    const take = async (name: string) => {
      while (pace.isOver()) await pace.next()
      order.push(name)
      // What comes meanwhile is done before the next has its turn.
      setTimeout(() => order.push('a request'), 1)
      work(25)
      expect(pace.isOver()).toBe(true)
    }
    const both = Promise.all([take('one'), take('two')])
    await Promise.resolve()
    expect(order).toEqual([])
    await both
    expect(order).toEqual(['one', 'a request', 'two'])
  })
})

describe('what goes out to many', () => {
  let live: LiveStory
  beforeEach(async () => {
    live = await startLive()
  })
  afterEach(async () => {
    expect(live.errors).toEqual([])
    await live.close()
  })

  it('is the same bytes for all of a group', async () => {
    const frames = new Set<Buffer>()
    const listeners = await Promise.all(
      upTo(20).map(() => join(live.hub, operation(told), undefined, ({ frame }) => frames.add(frame('1')))),
    )
    await live.happen(profile(1))
    await Promise.all(listeners.map(listener => listener.gets(1)))
    expect(frames.size).toBe(1)
  })

  it('lets a query through before all have it', async () => {
    let sent = 0
    let sentBefore: number | undefined
    const listeners = await Promise.all(
      upTo(300).map(() =>
        join(live.hub, operation(told), undefined, () => {
          work(1)
          if (sent++ > 0) return
          sql`select 1`.execute(live.db).then(() => {
            sentBefore = sent
          })
        }),
      ),
    )
    await live.happen(profile(1))
    await Promise.all(listeners.map(listener => listener.gets(1)))
    expect(sentBefore).toBeLessThan(300)
  })

  it('comes once and in order to those who stay, join, leave and resume in the middle of it', async () => {
    const random = (below: number) => Math.floor(Math.random() * below)
    const slowly = () => work(0.5)
    const events = 25
    /** What one who listens on and off has heard in all, and where from. */
    interface Follower {
      readonly after: number
      readonly heard: number[]
      listener: Joined
    }
    const start = async (after: number): Promise<Joined> =>
      join(
        live.hub,
        operation(from, { variables: { after: cursorAt(live.feed.position(), after) } }),
        undefined,
        slowly,
      )
    const staying = await Promise.all(upTo(30).map(() => start(0)))
    const coming: Follower[] = []
    let rounds = 0
    const goOn = async () => {
      while (staying.some(({ places }) => places.length < events)) {
        const after = random(live.feed.position().seq + 1)
        if (coming.length < 20) coming.push({ after, heard: [], listener: await start(after) })
        const follower = coming[random(coming.length)]!
        await setImmediate()
        await follower.listener.leave()
        follower.heard.push(...follower.listener.places)
        await setImmediate()
        follower.listener = await start(follower.heard.at(-1) ?? follower.after)
        rounds++
      }
    }
    const going = goOn()
    for (const version of upTo(events)) await live.happen(profile(version))
    await going
    for (const { places } of staying) expect(places).toEqual(upTo(events))
    for (const { after, heard, listener } of coming) {
      const missing = upTo(events).slice(after)
      await listener.gets(missing.length - heard.length)
      expect([...heard, ...listener.places]).toEqual(missing)
    }
    expect(rounds).toBeGreaterThan(10)
  })

  it('does not reach those whose token ends in the middle of it', async () => {
    const end = new Date(live.now.getTime() + 1_000)
    let isLast = false
    const onSend = () => {
      if (!isLast) return
      live.now = end
      // Longer than the time that such work has at once.
      work(20)
    }
    const listeners = await Promise.all(
      upTo(2).map(() => join(live.hub, operation(told, { actor: portal({ expiresAt: end }) }), undefined, onSend)),
    )
    expect(live.hub.sizes().groups).toBe(1)
    await live.happen(profile(1))
    await Promise.all(listeners.map(listener => listener.gets(1)))
    // Having heard what there is, both go with their group as soon as the loop has gone round.
    for (const _ of upTo(10)) await setImmediate()
    isLast = true
    await live.happen(profile(2))
    for (const listener of listeners)
      expect(plain(await listener.ending)).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] })
    expect(listeners.map(({ places }) => places).sort((a, b) => a.length - b.length)).toEqual([[1], [1, 2]])
  })
})
