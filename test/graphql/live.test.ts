import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Actor, anonymous } from '../../src/access/actor.ts'
import { newUuid } from '../../src/ids.ts'
import type { NewEvent } from '../../src/journal/catalog.ts'
import { readCursor } from '../../src/journal/cursor.ts'
import {
  cursorAt,
  failing,
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
afterEach(() => live.close())

const versions = (...numbers: number[]): Partial<NewEvent>[] =>
  numbers.map(version => ({ type: 'member.profile', detail: { version, fields: [] } }))

const all = 'subscription { profile { cursor at subject version } }'
const after = 'subscription From($after: Cursor) { profile(after: $after) { version } }'

describe('a live field', () => {
  it('tells of each event of its types, with its position and its moment', async () => {
    const results = await subscribe(live.hub, operation(all))
    const [first] = await live.happen(...versions(1))
    await live.happen({ type: 'token.revoked', detail: {} }, ...versions(2))
    const [one, two] = await take(results, 2)
    expect(plain(one)).toEqual({
      data: { profile: { cursor: expect.any(String), at: expect.any(String), subject: first, version: 1 } },
    })
    const { cursor, at, version } = (two as { data: { profile: Record<string, string> } }).data.profile
    expect(version).toBe(2)
    expect(readCursor(cursor!)).toEqual(live.feed.position())
    expect(Math.abs(Date.parse(at!) - Date.now())).toBeLessThan(60_000)
    await results.return()
  })

  it('follows the rules of GraphQL: aliases, fragments, conditions within, variables with defaults', async () => {
    const query = `
      query Other { nothing }
      subscription Mine($word: String = "bonjour", $no: Boolean = false) { ...Root }
      fragment Root on Subscription { p: profile { ...Told } }
      fragment Told on Profile { v: version said(word: $word) subject @include(if: $no) other: said }`
    const results = await subscribe(live.hub, operation(query, { operationName: 'Mine', locale: 'zh-Hans' }))
    await live.happen(...versions(7))
    expect(plain(await take(results, 1))).toEqual([
      { data: { p: { v: 7, said: 'bonjour in zh-Hans', other: 'hello in zh-Hans' } } },
    ])
    await results.return()
  })

  it('skips what its payload says is not for the listener', async () => {
    const mine = newUuid()
    const results = await subscribe(live.hub, operation(`subscription { profile(only: "${mine}") { version } }`))
    const [event] = versions(1)
    await live.happen({ ...event }, ...versions(nobody), { ...event, subject: mine })
    expect(plain(await take(results, 1))).toEqual([{ data: { profile: { version: 1 } } }])
    await results.return()
  })

  it('tells of an error in one event, masked, and goes on', async () => {
    const results = await subscribe(live.hub, operation('subscription { p: profile { version breaks } }'))
    await live.happen(...versions(1, failing, 2))
    expect(plain(await take(results, 3))).toEqual([
      {
        data: { p: { version: 1, breaks: null } },
        errors: [expect.objectContaining({ message: 'masked', path: ['p', 'breaks'] })],
      },
      { data: null, errors: [expect.objectContaining({ message: 'masked', path: ['p'] })] },
      { data: { p: { version: 2, breaks: null } }, errors: [expect.anything()] },
    ])
    await results.return()
  })

  it('goes on after a cursor without a gap', async () => {
    await live.happen(...versions(1, 2, 3))
    const cursor = cursorAt(live.feed.position(), 1)
    const results = await subscribe(live.hub, operation(after, { variables: { after: cursor } }))
    await live.happen(...versions(4))
    expect(plain(await take(results, 3))).toEqual([2, 3, 4].map(version => ({ data: { profile: { version } } })))
    await results.return()
  })
})

describe('an operation is refused', () => {
  const refused = async (query: string, options: Parameters<typeof operation>[1] = {}) => {
    const asked = operation(query, options)
    const results = [await live.hub.subscribe(asked), await live.hub.join(asked, { send: () => undefined })]
    for (const result of results) expect(Symbol.asyncIterator in result).toBe(false)
    expect(live.hub.sizes()).toEqual({ subscriptions: 0, groups: 0 })
    expect(plain(results[0])).toEqual(plain(results[1]))
    return plain(results[0]) as { errors: { message: string; path?: string[]; extensions?: { code: string } }[] }
  }

  it('without the permission', async () => {
    const query = 'subscription { membership { subject } }'
    expect((await refused(query)).errors[0]).toMatchObject({
      path: ['membership'],
      extensions: { code: 'UNAUTHENTICATED' },
    })
    const { errors } = await refused(query, { actor: portal({ permissions: new Set() }) })
    expect(errors[0]).toMatchObject({ extensions: { code: 'FORBIDDEN' } })
  })

  it('by the check of its arguments, and by graphql-js for those that it can read', async () => {
    const { errors } = await refused('subscription { profile(only: "") { version } }')
    expect(errors[0]).toMatchObject({ message: '"only" is empty.', extensions: { code: 'BAD_USER_INPUT' } })
    const wrong = await refused('subscription ($a: String!) { profile(only: $a) { version } }')
    expect(wrong.errors[0]!.message).toContain('$a')
  })

  it('with a cursor from which nothing can be replayed', async () => {
    await live.happen(...versions(1))
    const { epoch, seq } = live.feed.position()
    for (const cursor of [cursorAt({ epoch: newUuid(), seq }, seq), cursorAt({ epoch, seq }, seq + 1)]) {
      const { errors } = await refused(after, { variables: { after: cursor } })
      expect(errors[0]).toMatchObject({ path: ['profile'], extensions: { code: 'RESYNC_REQUIRED' } })
    }
    const { errors } = await refused(after, { variables: { after: 'rubbish' } })
    expect(errors[0]).toMatchObject({ extensions: { code: 'BAD_USER_INPUT' } })
  })

  it.each([
    'subscription { profile @skip(if: true) { version } }',
    'subscription ($x: Boolean = true) { ... @include(if: $x) { profile { version } } }',
    'subscription { ...A } fragment A on Subscription { profile @include(if: false) { version } }',
  ])('with a condition at its root: %s', async query => {
    expect((await refused(query)).errors[0]).toMatchObject({ extensions: { code: 'BAD_USER_INPUT' } })
  })
})

describe('who hears what', () => {
  const [mine, other] = [newUuid(), newUuid()]
  const listeners: Record<string, Actor> = {
    anonymous,
    portal: portal(),
    secretariat: staff(),
    'officer of the member': officer(mine),
    'officer of another': officer(other),
  }
  const everybody = Object.keys(listeners)
  it.each<[Partial<NewEvent>, string[]]>([
    [{ audience: 'PUBLIC' }, everybody],
    [{ audience: 'SUBJECT' }, everybody],
    [{ audience: 'MEMBERS', audienceMembers: [mine] }, ['secretariat', 'officer of the member']],
    [
      { audience: 'MEMBERS', audienceMembers: [mine, other] },
      ['secretariat', 'officer of the member', 'officer of another'],
    ],
    [{ audience: 'MEMBERS', audienceMembers: [] }, ['secretariat']],
    [{ audience: 'SECRETARIAT' }, ['secretariat']],
  ])('%j: %j', async (event, hearers) => {
    const joined = await Promise.all(
      everybody.map(async name => {
        const actor = listeners[name]!
        return {
          name,
          sink: await join(live.hub, operation(all, { actor })),
          stream: await subscribe(live.hub, operation(all, { actor })),
        }
      }),
    )
    await live.happen({ ...versions(1)[0], ...event }, ...versions(2))
    for (const { name, sink, stream } of joined) {
      const expected = hearers.includes(name) ? [1, 2] : [2]
      await sink.gets(expected.length)
      expect(sink.results.map(({ data }) => data!.profile!.version)).toEqual(expected)
      const taken = plain(await take(stream, expected.length)) as typeof sink.results
      expect(taken.map(({ data }) => data!.profile!.version)).toEqual(expected)
      await stream.return()
      await sink.leave()
    }
  })

  it('fields within ask for their own permission at every event', async () => {
    const query = 'subscription { profile { version contacts } }'
    const open = await subscribe(live.hub, operation(query, { actor: officer(mine) }))
    const closed = await subscribe(live.hub, operation(query, { actor: portal() }))
    await live.happen(...versions(1))
    expect(plain(await take(open, 1))).toEqual([{ data: { profile: { version: 1, contacts: 'secret@example.org' } } }])
    expect(plain(await take(closed, 1))).toMatchObject([
      { data: { profile: { version: 1, contacts: null } }, errors: [{ extensions: { code: 'FORBIDDEN' } }] },
    ])
    await open.return()
    await closed.return()
  })
})
