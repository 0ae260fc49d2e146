import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { personalTypes } from '../../src/graphql/live-personal.ts'
import { newUuid } from '../../src/ids.ts'
import type { NewEvent } from '../../src/journal/catalog.ts'
import { buildSchema } from '../../src/server/schema.ts'
import { upTo } from '../journal/story.ts'
import { join, type LiveStory, officer, operation, staff, startLive } from './live-story.ts'

let live: LiveStory
beforeEach(async () => {
  live = await startLive()
})
afterEach(() => live.close())

const profile = (version = 1): Partial<NewEvent> => ({ type: 'member.profile', detail: { version, fields: [] } })
const issued = (detail: Partial<NewEvent<'token.issued'>['detail']>): Partial<NewEvent> => ({
  type: 'token.issued',
  detail: { kind: 'OFFICER', accountId: null, memberId: null, role: 'LIAISON', portalId: null, ...detail },
})
const told = 'subscription { profile { version listener } }'

describe('a thousand officers of fifty members', () => {
  const members = upTo(50).map(() => newUuid())
  const officers = () => upTo(1_000).map(i => officer(members[i % members.length]!))

  it('cost fifty executions for an event, and a handful of look-ups when all rights are due', async () => {
    const listeners = await Promise.all(officers().map(actor => join(live.hub, operation(told, { actor }))))
    expect(live.hub.sizes()).toEqual({ subscriptions: 1_000, groups: 50 })
    await live.happen(profile(1))
    await Promise.all(listeners.map(listener => listener.gets(1)))
    expect(live.counts.executions).toBe(50)
    expect(live.counts.refreshes).toBeLessThanOrEqual(5)

    const before = { ...live.counts }
    live.now = new Date(live.now.getTime() + 60_000)
    await live.happen(profile(2))
    await Promise.all(listeners.map(listener => listener.gets(2)))
    expect(live.counts.executions - before.executions).toBe(50)
    expect(live.counts.refreshes - before.refreshes).toBeLessThanOrEqual(5)
  })

  it('are looked up when a token gives their account a role in their member, and else not', async () => {
    const actors = officers()
    const listeners = await Promise.all(actors.map(actor => join(live.hub, operation(told, { actor }))))
    await live.happen(profile(1))
    await Promise.all(listeners.map(listener => listener.gets(1)))
    const { refreshes } = live.counts
    const { accountId, memberId } = actors[0]!
    await live.happen(
      issued({ accountId: newUuid(), memberId }),
      issued({ accountId, memberId: newUuid() }),
      issued({ kind: 'SECRETARIAT', accountId, role: null }),
      issued({ kind: 'PORTAL', role: null, portalId: newUuid() }),
      profile(2),
    )
    await Promise.all(listeners.map(listener => listener.gets(2)))
    expect(live.counts.refreshes).toBe(refreshes)
    await live.happen(issued({ accountId, memberId }), profile(3))
    await Promise.all(listeners.map(listener => listener.gets(3)))
    expect(live.counts.refreshes).toBe(refreshes + 1)
  })
})

describe('what depends on the account', () => {
  const [member, same] = [newUuid(), () => officer(member)]

  it.each([
    'subscription { profile { version receipt { account } } }',
    'subscription { ...A } fragment A on Subscription { profile { ...B } } fragment B on Profile { mine: receipt { account } }',
  ])('is told to each its own: %s', async query => {
    const [one, two] = [same(), same()]
    const listeners = [one, two, one].map(actor => join(live.hub, operation(query, { actor })))
    const [first, second, third] = await Promise.all(listeners)
    expect(live.hub.sizes().groups).toBe(2)
    await live.happen(profile())
    const accounts = await Promise.all(
      [first!, second!, third!].map(async listener => {
        await listener.gets(1)
        return /"account":"([^"]+)"/.exec(JSON.stringify(listener.results[0]))?.[1]
      }),
    )
    expect(accounts).toEqual([one.accountId, two.accountId, one.accountId])
  })

  it('is told to nobody where nobody declared that it does', async () => {
    const query = 'subscription { profile { version undeclared } }'
    const listeners = await Promise.all([same(), same()].map(actor => join(live.hub, operation(query, { actor }))))
    expect(live.hub.sizes().groups).toBe(1)
    await live.happen(profile())
    for (const listener of listeners) {
      await listener.gets(1)
      expect(listener.results[0]).toMatchObject({ data: { profile: { version: 1, undeclared: null } }, errors: [{}] })
    }
  })

  it('is declared of types that there are', () => {
    const schema = buildSchema()
    for (const type of personalTypes) expect(schema.getType(type), type).toBeDefined()
  })
})

describe('listeners share no execution', () => {
  it('with those of a member in another status', async () => {
    const member = newUuid()
    await join(live.hub, operation(told, { actor: officer(member) }))
    await join(live.hub, operation(told, { actor: officer(member, { memberStatus: 'SUSPENDED' }) }))
    await join(live.hub, operation(told, { actor: officer(newUuid()) }))
    expect(live.hub.sizes().groups).toBe(3)
  })

  it('when one left out a variable with a default and the other gave null', async () => {
    const query = 'subscription ($word: String = "bonjour") { profile { said(word: $word) } }'
    const given = [undefined, {}, { word: null }, { word: 'bonjour' }]
    const listeners = await Promise.all(
      given.map(variables => join(live.hub, operation(query, { ...(variables && { variables }) }))),
    )
    expect(live.hub.sizes().groups).toBe(3)
    await live.happen(profile())
    await Promise.all(listeners.map(listener => listener.gets(1)))
    expect(listeners.map(({ results }) => results[0]!.data!.profile!.said)).toEqual([
      'bonjour in en',
      'bonjour in en',
      'null in en',
      'bonjour in en',
    ])
  })
})

describe('a token that ends', () => {
  it('ends its subscriptions then, with nothing to deliver, by one timer', async () => {
    const [soon, later] = [300, 600].map(pause =>
      officer(newUuid(), { expiresAt: new Date(live.now.getTime() + pause) }),
    )
    const asked = [later, soon, staff(), soon].map(actor => operation(told, { actor: actor! }))
    const [last, ...others] = await Promise.all(asked.map(operation => join(live.hub, operation)))
    const stream = await live.hub.subscribe(operation(told, { actor: soon! }))
    if (!(Symbol.asyncIterator in stream)) throw new Error('refused')
    const waiting = stream.next()
    const clock = setInterval(() => {
      live.now = new Date()
    }, 10)
    const error = { errors: [{ path: ['profile'], extensions: { code: 'UNAUTHENTICATED' } }] }
    expect(JSON.parse(JSON.stringify(await others[0]!.ending))).toMatchObject(error)
    expect(JSON.parse(JSON.stringify(await others[2]!.ending))).toMatchObject(error)
    expect(JSON.parse(JSON.stringify(await waiting))).toMatchObject({ value: error })
    expect(live.hub.sizes().subscriptions).toBe(2)
    expect(JSON.parse(JSON.stringify(await last!.ending))).toMatchObject(error)
    clearInterval(clock)
    expect(live.hub.sizes().subscriptions).toBe(1)
  })
})
