import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Permission } from '../../src/access/permissions.ts'
import { newUuid } from '../../src/ids.ts'
import type { NewEvent } from '../../src/journal/catalog.ts'
import { upTo } from '../journal/story.ts'
import {
  cursorAt,
  failing,
  type Joined,
  join,
  type LiveStory,
  nobody,
  officer,
  operation,
  plain,
  portal,
  staff,
  startLive,
  subscribe,
  take,
} from './live-story.ts'

let live: LiveStory
beforeEach(async () => {
  live = await startLive()
})
afterEach(async () => {
  expect(live.errors).toEqual([])
  await live.close()
})

const profile = (version = 1): Partial<NewEvent> => ({ type: 'member.profile', detail: { version, fields: [] } })
const membershipOf = (subject: string): Partial<NewEvent> => ({
  type: 'member.membership',
  subject,
  detail: { from: 'ADMITTED', to: 'SUSPENDED', version: 2 },
})

const told = 'subscription { profile { version listener } }'
const from =
  'subscription ($after: Cursor, $word: String) { profile(after: $after) { version listener said(word: $word) } }'
const follow = 'subscription { membership { subject } }'

describe('listeners of the same', () => {
  it('share one execution of each event, and one text', async () => {
    const listeners = await Promise.all(upTo(50).map(() => join(live.hub, operation(told))))
    expect(live.hub.sizes()).toEqual({ subscriptions: 50, groups: 1 })
    await live.happen(profile(1), profile(nobody), profile(2))
    await Promise.all(listeners.map(listener => listener.gets(2)))
    expect(live.counts).toEqual({ payloads: 3, executions: 2, refreshes: 0 })
    for (const listener of listeners) {
      expect(listener.results).toEqual(listeners[0]!.results)
      expect(listener.places).toEqual([1, 3])
    }
  })

  it('share it too when they pull, and when they come back together with their cursors', async () => {
    await live.happen(...upTo(20).map(profile))
    const missed = upTo(20).map(seq => cursorAt(live.feed.position(), seq - 1))
    const joined = await Promise.all(missed.map(after => join(live.hub, operation(from, { variables: { after } }))))
    const streams = await Promise.all(
      missed.map(after => subscribe(live.hub, operation(from, { variables: { after } }))),
    )
    expect(live.hub.sizes()).toEqual({ subscriptions: 40, groups: 1 })
    await Promise.all(joined.map((listener, i) => listener.gets(20 - i)))
    await Promise.all(streams.map(async (stream, i) => expect(await take(stream, 20 - i)).toHaveLength(20 - i)))
    expect(live.counts.payloads).toBe(20)
    await Promise.all(streams.map(stream => stream.return()))
  })

  it('are not those of another language, variable, text or rights', async () => {
    const member = newUuid()
    const after = cursorAt(live.feed.position(), 0)
    const same = [
      operation(from, { variables: { word: 'a' } }),
      operation(from, { variables: { after, word: 'a', unknown: [1] } }),
      operation(`# the same\n${from}`, { variables: { word: 'a', after: null } }),
      operation(`subscription ($word: String) { profile(after: "${after}") { version listener said(word: $word) } }`, {
        variables: { word: 'a' },
      }),
    ]
    const others = [
      operation(from, { variables: { word: 'b' } }),
      operation(from, { variables: { word: 'a' }, locale: 'zh-Hant' }),
      operation(from, { variables: { word: 'a' }, actor: officer(member) }),
      operation(from, { variables: { word: 'a' }, actor: staff() }),
      operation(from, { variables: { word: 'a' }, actor: portal() }),
      operation(told),
    ]
    for (const asked of same) await join(live.hub, asked)
    // The last differs in its variable definitions.
    expect(live.hub.sizes().groups).toBe(2)
    for (const asked of others) await join(live.hub, asked)
    expect(live.hub.sizes().groups).toBe(2 + others.length)
    await join(live.hub, operation(from, { variables: { word: 'a' }, actor: portal() }))
    expect(live.hub.sizes()).toEqual({ subscriptions: 11, groups: 2 + others.length })
  })

  it('each get every event once and in order, whenever they come and go', async () => {
    const random = (below: number) => Math.floor(Math.random() * below)
    let stop = false
    const writing = (async () => {
      let version = 0
      while (version < 300) {
        const events = upTo(1 + random(4)).map(() => profile([++version, nobody, failing][random(8)] ?? version))
        await live.happen(...events)
        if (random(3) === 0) await setImmediate()
      }
      stop = true
    })()
    const kept: { listener: Joined; after: number }[] = []
    const streams: { stream: Awaited<ReturnType<typeof subscribe>>; after: number }[] = []
    const query = 'subscription ($after: Cursor) { profile(after: $after) { cursor version } }'
    while (!stop) {
      const position = live.feed.position()
      const after = random(position.seq + 1)
      const asked = operation(query, { variables: { after: cursorAt(position, after) } })
      const slow = random(4) === 0 ? async () => void (await setImmediate()) : undefined
      const listener = await join(live.hub, asked, slow)
      // Those that stay are bounded: the slower the machine, the more would come while it writes.
      if (random(3) === 0 || kept.length >= 80) {
        await setImmediate()
        await listener.leave()
        const count = listener.places.length
        await setImmediate()
        expect(listener.places.length).toBe(count)
      } else kept.push({ listener, after })
      if (random(3) === 0 && streams.length < 40) streams.push({ stream: await subscribe(live.hub, asked), after })
      await setImmediate()
    }
    await writing
    const rows = await live.db.selectFrom('eventLog').select(['seq', 'detail']).orderBy('seq').execute()
    const places = rows.flatMap(({ seq, detail }) => ((detail as { version: number }).version === nobody ? [] : [seq]))
    for (const { listener, after } of kept) {
      const expected = places.filter(seq => seq > after)
      await listener.gets(expected.length)
      expect(listener.places).toEqual(expected)
      await listener.leave()
    }
    for (const { stream, after } of streams) {
      const expected = places.filter(seq => seq > after)
      const results = await take(stream, expected.length)
      const cursors = results.map(({ data, errors }) => (errors ? null : (data!.profile as { cursor: string }).cursor))
      expect(cursors.length).toBe(expected.length)
      const { epoch } = live.feed.position()
      cursors.forEach((cursor, i) => {
        if (cursor !== null) expect(cursor).toBe(cursorAt({ epoch, seq: 0 }, expected[i]!))
      })
      await stream.return()
    }
    expect(kept.length).toBeGreaterThan(5)
    expect(live.hub.sizes()).toEqual({ subscriptions: 0, groups: 0 })
  })

  it('who are slow hold up nobody', async () => {
    await live.happen(...upTo(5).map(profile))
    const after = cursorAt(live.feed.position(), 0)
    const { promise: drained, resolve: drain } = Promise.withResolvers<void>()
    const slow = await join(live.hub, operation(from, { variables: { after } }), () => drained)
    const quick = await join(live.hub, operation(from, { variables: { after } }))
    await live.happen(profile(6))
    await quick.gets(6)
    expect(slow.places).toEqual([1])
    drain()
    await slow.gets(6)
    expect(slow.places).toEqual(upTo(6))
  })
})

describe('a listener that goes', () => {
  it('leaves nothing behind', async () => {
    const joined = await Promise.all(upTo(5).map(() => join(live.hub, operation(told, { actor: staff() }))))
    const stream = await subscribe(live.hub, operation(told))
    const waiting = stream.next()
    const untouched = await subscribe(live.hub, operation(told))
    expect(live.hub.sizes()).toEqual({ subscriptions: 7, groups: 2 })
    await Promise.all([stream.return(), untouched.return(), ...joined.map(listener => listener.leave())])
    expect(live.hub.sizes()).toEqual({ subscriptions: 0, groups: 0 })
    expect(await waiting).toEqual({ done: true, value: undefined })
    for (const listener of joined) expect(await listener.ending).toBeUndefined()
    await live.happen(profile(1))
    expect(live.counts.payloads).toBe(0)
  })

  it('while others of its group stay, is the only one to go', async () => {
    const [one, two] = [await join(live.hub, operation(told)), await join(live.hub, operation(told))]
    await live.happen(profile(1))
    await Promise.all([one.gets(1), two.gets(1)])
    await one.leave()
    await live.happen(profile(2))
    await two.gets(2)
    expect(one.places).toEqual([1])
    await two.leave()
    const three = await join(live.hub, operation(told))
    await live.happen(profile(3))
    await three.gets(1)
    expect(three.places).toEqual([3])
  })

  it('because its sink is broken, ends alone, and the hub says so', async () => {
    const ending = await live.hub.join(operation(told), {
      send: () => {
        throw new Error('a broken sink')
      },
    })
    const other = await join(live.hub, operation(told))
    await live.happen(profile(1), profile(2))
    await other.gets(2)
    expect(live.hub.sizes().subscriptions).toBe(1)
    expect(live.errors.splice(0)).toEqual([new Error('a broken sink')])
    if (Symbol.asyncIterator in ending) expect(await ending.next()).toEqual({ done: true, value: undefined })
  })
})

describe('rights are looked at again', () => {
  it('once for all subscriptions of a token, and not at all for the anonymous', async () => {
    const actor = portal()
    for (const _ of upTo(20)) await join(live.hub, operation(told))
    const listeners = await Promise.all(upTo(20).map(() => join(live.hub, operation(told, { actor }))))
    await live.happen(profile(1), profile(2))
    await Promise.all(listeners.map(listener => listener.gets(2)))
    expect(live.counts.refreshes).toBe(1)

    live.now = new Date(live.now.getTime() + 60_000)
    await live.happen(profile(3))
    await Promise.all(listeners.map(listener => listener.gets(3)))
    expect(live.counts.refreshes).toBe(2)
    for (const listener of listeners) expect(listener.places).toEqual([1, 2, 3])
  })

  it('a revoked token ends its subscriptions with an error, and no others', async () => {
    const [revoked, kept] = [portal(), portal()]
    const listeners = [
      await join(live.hub, operation(told, { actor: revoked })),
      await join(live.hub, operation(told, { actor: kept })),
    ]
    const stream = await subscribe(live.hub, operation(told, { actor: revoked }))
    await live.happen(profile(1))
    await Promise.all(listeners.map(listener => listener.gets(1)))
    expect(await take(stream, 1)).toHaveLength(1)

    live.rights.set(revoked.tokenId, null)
    await live.happen({ type: 'token.revoked', subject: revoked.tokenId, detail: {} }, profile(2))
    const error = { path: ['profile'], extensions: { code: 'UNAUTHENTICATED' } }
    expect(plain(await listeners[0]!.ending)).toMatchObject({ errors: [error] })
    expect(plain(await take(stream, 5))).toMatchObject([{ errors: [error] }])
    await listeners[1]!.gets(2)
    expect(listeners[0]!.places).toEqual([1])
    expect(listeners[1]!.places).toEqual([1, 3])
    expect(live.hub.sizes()).toEqual({ subscriptions: 1, groups: 1 })
  })

  it('a token that expires ends its subscriptions at the next event', async () => {
    const listener = await join(
      live.hub,
      operation(told, { actor: portal({ expiresAt: new Date(live.now.getTime() + 1_000) }) }),
    )
    await live.happen(profile(1))
    await listener.gets(1)
    live.now = new Date(live.now.getTime() + 1_000)
    await live.happen(profile(2))
    expect(plain(await listener.ending)).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] })
    expect(listener.places).toEqual([1])
  })

  it('a token that ended before the subscription began is found out at once', async () => {
    const actor = portal()
    live.rights.set(actor.tokenId, null)
    const listener = await join(live.hub, operation(told, { actor }))
    expect(plain(await listener.ending)).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] })
  })

  it('an officer whose member loses its standing hears no more than it may now', async () => {
    const member = newUuid()
    const actor = officer(member)
    const listed = officer(member, {
      ...actor,
      memberStatus: 'LISTED',
      permissions: new Set<Permission>(['PROFILE_WRITE']),
    })
    const query = 'subscription { profile { subject contacts } }'
    const stays = await join(live.hub, operation(query, { actor }))
    const ends = await join(live.hub, operation(follow, { actor }))
    const others = await join(live.hub, operation(follow, { actor: officer(newUuid()) }))
    await live.happen(profile(1), membershipOf(newUuid()))
    await Promise.all([stays.gets(2), ends.gets(1), others.gets(1)])
    expect(stays.results[0]!.data!.profile!.contacts).toBe('secret@example.org')

    live.rights.set(actor.tokenId, listed)
    await live.happen(membershipOf(member), profile(2))
    expect(plain(await ends.ending)).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] })
    expect(ends.places).toEqual([2])
    await Promise.all([stays.gets(4), others.gets(2)])
    expect(stays.places).toEqual([1, 2, 3, 4])
    expect(stays.results.slice(2).map(({ data }) => data!.profile!.contacts)).toEqual([null, null])
    expect(live.hub.sizes()).toEqual({ subscriptions: 2, groups: 2 })
  })
})

describe('when the journal was replaced', () => {
  it('every listener is told to load anew', async () => {
    await live.happen(profile(1), profile(2))
    const listener = await join(live.hub, operation(told))
    const stream = await subscribe(live.hub, operation(told))
    const next = take(stream, 5)
    await live.db.updateTable('journalHead').set({ epoch: newUuid() }).execute()
    live.feed.poke()
    const error = { path: ['profile'], extensions: { code: 'RESYNC_REQUIRED' } }
    expect(plain(await listener.ending)).toMatchObject({ errors: [error] })
    expect(plain(await next)).toMatchObject([{ errors: [error] }])
    expect(live.hub.sizes()).toEqual({ subscriptions: 0, groups: 0 })
    const anew = await join(live.hub, operation(told))
    await live.happen(profile(3))
    await anew.gets(1)
  })
})
