import { afterEach, describe, expect, it } from 'vitest'
import { PassingFault } from '../../src/graphql/live-fault.ts'
import type { Results } from '../../src/graphql/live-hub.ts'
import type { NewEvent } from '../../src/journal/catalog.ts'
import { upTo } from '../journal/story.ts'
import {
  cursorAt,
  join,
  type LiveStory,
  officer,
  operation,
  plain,
  portal,
  startLive,
  subscribe,
  take,
} from './live-story.ts'

let live: LiveStory
afterEach(() => live.close())

const profile = (version: number): Partial<NewEvent> => ({ type: 'member.profile', detail: { version, fields: [] } })
const told = 'subscription ($after: Cursor) { profile(after: $after) { version region } }'
const versionsOf = (results: readonly object[]) =>
  plain(results.map(result => (result as { data: { profile: object } }).data.profile))
const heard = (...versions: number[]) => versions.map(version => ({ version, region: '成都' }))

/** What a subscription throws in the end. */
const thrown = (results: Results) =>
  results.next().then(
    ({ value }) => value,
    error => error,
  )

describe('a database that is out of reach for a moment', () => {
  it.each(['payload', 'region', 'check', 'refresh'] as const)('in the %s delays events and loses none', async work => {
    live = await startLive()
    const actor = officer('a')
    const listeners = await Promise.all(upTo(3).map(() => join(live.hub, operation(told, { actor }))))
    const stream = await subscribe(live.hub, operation(told, { actor }))
    await live.happen(profile(1))
    await Promise.all(listeners.map(listener => listener.gets(1)))
    expect(await take(stream, 1)).toHaveLength(1)

    live.outages[work] = 3
    // So that rights are due, and found to be others, for which the operation is checked again.
    live.now = new Date(live.now.getTime() + 60_000)
    live.rights.set(actor.tokenId, officer('a', { ...actor, memberStatus: 'SUSPENDED' }))
    await live.happen(profile(2), profile(3))
    await Promise.all(listeners.map(listener => listener.gets(3)))
    expect(versionsOf(await take(stream, 2))).toEqual(heard(2, 3))
    expect(live.outages[work]).toBe(0)
    for (const listener of listeners) expect(versionsOf(listener.results)).toEqual(heard(1, 2, 3))
    expect(live.hub.sizes()).toEqual({ subscriptions: 4, groups: 1 })
    expect(live.errors).toEqual([])
    await stream.return()
  })

  it('is not what those hear who come back a moment later', async () => {
    live = await startLive()
    const listener = await join(live.hub, operation(told))
    live.outages.region = 1
    await live.happen(profile(1))
    await listener.gets(1)
    const late = await join(live.hub, operation(told, { variables: { after: cursorAt(live.feed.position(), 0) } }))
    await late.gets(1)
    expect(versionsOf([...listener.results, ...late.results])).toEqual(heard(1, 1))
  })

  it('refuses a new subscription, which may try again', async () => {
    live = await startLive()
    live.outages.check = 1
    expect(plain(await live.hub.subscribe(operation(told)))).toMatchObject({ errors: [{ message: 'masked' }] })
    const stream = await subscribe(live.hub, operation(told))
    await stream.return()
  })
})

describe('a database that stays out of reach', () => {
  it.each(['payload', 'region', 'refresh'] as const)(
    'in the %s ends subscriptions so that they come back and lose nothing',
    async work => {
      live = await startLive(150)
      const actor = portal()
      const joined = await join(live.hub, operation(told, { actor }))
      const stream = await subscribe(live.hub, operation(told, { actor }))
      await live.happen(profile(1))
      await joined.gets(1)
      expect(await take(stream, 1)).toHaveLength(1)

      live.outages[work] = Number.POSITIVE_INFINITY
      live.now = new Date(live.now.getTime() + 60_000)
      await live.happen(profile(2), profile(3))
      const faults = [await joined.ending.catch(error => error), await thrown(stream)]
      for (const fault of faults) {
        expect(fault).toBeInstanceOf(PassingFault)
        expect(fault).toMatchObject({ code: 'SERVICE_UNAVAILABLE', cursor: cursorAt(live.feed.position(), 1) })
      }
      expect(joined.places).toEqual([1])
      expect(live.hub.sizes()).toEqual({ subscriptions: 0, groups: 0 })
      expect(live.errors.length).toBeGreaterThan(0)

      live.outages[work] = 0
      const variables = { after: (faults[0] as PassingFault).cursor }
      const anew = await join(live.hub, operation(told, { actor, variables }))
      await anew.gets(2)
      expect(versionsOf(anew.results)).toEqual(heard(2, 3))
    },
  )
})

it('a feed that stops ends subscriptions so that they come back', async () => {
  live = await startLive()
  const joined = await join(live.hub, operation(told))
  const stream = await subscribe(live.hub, operation(told))
  const last = thrown(stream)
  await live.feed.stop()
  for (const fault of [await joined.ending.catch(error => error), await last])
    expect(fault).toBeInstanceOf(PassingFault)
})
