import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { figure, openLine, type Running, run, subscribed, subscription } from './harness.ts'

let running: Running
beforeAll(async () => {
  running = await run({ MAX_SUBSCRIPTIONS: 3 })
})
beforeEach(() => subscribed(running, 0))
afterAll(() => running.end())

test('a socket carries so many operations at once and no more', async () => {
  const line = await openLine(running)
  for (const id of ['1', '2', '3', '4']) line.send(subscription(id))
  expect(await line.next('error')).toMatchObject({ id: '4', payload: [{ extensions: { code: 'TOO_COSTLY' } }] })
  line.send({ id: '1', type: 'complete' })
  line.send(subscription('5', '{ hello }'))
  expect(await line.next('next')).toMatchObject({ id: '5' })
  line.socket.close()
})

describe('an id of an operation', () => {
  test('may be used again at once, and belongs to the last', async () => {
    const line = await openLine(running)
    for (let round = 0; round < 3; round++) {
      line.send(subscription('a'))
      line.send({ id: 'a', type: 'complete' })
    }
    line.send(subscription('a', 'subscription { happened { subject } }'))
    await subscribed(running, 1)
    await running.happen()
    await running.happen()
    await line.next('next', 2)
    line.send(subscription('b', '{ hello }'))
    await line.next('complete')
    expect(line.messages.map(({ type, id }) => `${type} ${id ?? ''}`.trim())).toEqual([
      'connection_ack',
      'next a',
      'next a',
      'next b',
      'complete b',
    ])
    line.send({ id: 'a', type: 'complete' })
    await subscribed(running, 0)
    line.socket.close()
  })

  test('does not help beyond the limit', async () => {
    const line = await openLine(running)
    for (let round = 0; round < 200; round++) {
      const id = String(round % 5)
      line.send(subscription(id))
      line.send({ id, type: 'complete' })
    }
    let most = 0
    for (let look = 0; look < 10; look++) most = Math.max(most, await figure(running, 'alliance_subscriptions'))
    expect(most).toBeLessThanOrEqual(6)
    expect(line.messages.some(({ type }) => type === 'error')).toBe(true)
    await subscribed(running, 0)
    line.send(subscription('last', '{ hello }'))
    expect(await line.next('next')).toMatchObject({ id: 'last' })
    line.socket.close()
  })

  test('can not be used twice at once', async () => {
    const line = await openLine(running)
    line.send(subscription('a'))
    line.send(subscription('a'))
    expect((await line.closed).code).toBe(4409)
  })
})

test('a socket that closes while it subscribes leaves nothing behind', async () => {
  for (let i = 0; i < 5; i++) {
    const line = await openLine(running)
    line.send(subscription('a'))
    line.send(subscription('b'))
    await new Promise(resolve => setTimeout(resolve, i))
    line.socket.terminate()
  }
  const line = await openLine(running)
  line.send(subscription('c', '{ slow(ms: 100) }'))
  await line.next('complete')
  line.socket.close()
  await subscribed(running, 0)
})

test('a fault that passes closes the socket so that its client comes back, and ends a stream without a word', async () => {
  const line = await openLine(running)
  line.send(subscription('a', 'subscription { faltering { subject } }'))
  const stream = await fetch(`${running.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query: 'subscription { faltering { subject } }' }),
  })
  await subscribed(running, 2)
  await running.happen()
  expect(await line.closed).toEqual({ code: 1013, reason: expect.stringMatching(/^Try again.* Resume after: \S+$/) })
  expect(line.messages.map(({ type }) => type)).toEqual(['connection_ack'])
  expect(await stream.text()).not.toContain('event:')
})
