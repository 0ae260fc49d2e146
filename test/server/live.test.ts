import { createClient } from 'graphql-sse'
import { afterAll, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { readCursor } from '../../src/journal/cursor.ts'
import { openLine, openSocket, type Running, run, subscription } from './harness.ts'

let running: Running
beforeAll(async () => {
  running = await run({ MAX_SUBSCRIPTIONS: 3, CORS_ORIGINS: ['https://portal.example.org'] })
})
afterAll(() => running.end())

interface Next {
  data: { happened: { subject: string; cursor: string } }
  errors?: { message: string; extensions: { code: string } }[]
}
const subjectOf = (message: { payload?: unknown }) => (message.payload as Next).data.happened.subject
const settle = () => new Promise(resolve => setTimeout(resolve, 100))

test('a subscription over WebSocket hears what happens, and again from a cursor', async () => {
  const line = await openLine(running)
  line.send(subscription('a'))
  line.send(subscription('b'))
  await settle()
  const first = await running.happen()
  const message = await line.next('next', 2)
  expect(subjectOf(message)).toBe(first)
  line.send({ id: 'a', type: 'complete' })
  line.socket.close()
  await line.closed
  const second = await running.happen()
  const third = await running.happen()

  const again = await openLine(running)
  const { cursor } = (message.payload as Next).data.happened
  again.send(
    subscription('c', 'subscription ($after: Cursor) { happened(after: $after) { subject } }', { after: cursor }),
  )
  await again.next('next', 2)
  await settle()
  const heard = again.messages.filter(({ type }) => type === 'next')
  expect(heard.map(subjectOf)).toEqual([second, third])
  expect(heard.every(({ id }) => id === 'c')).toBe(true)
  again.socket.close()
})

test('the same over Server-Sent Events, by the protocol of graphql-sse', async () => {
  const client = createClient({ url: `${running.url}/graphql`, retryAttempts: 0 })
  const heard: string[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const stop = client.subscribe<{ happened: { subject: string } }>(
    { query: 'subscription { happened { subject } }' },
    {
      next: ({ data }) => {
        heard.push(data!.happened.subject)
        if (heard.length === 2) resolve()
      },
      error: reject,
      complete: () => undefined,
    },
  )
  await settle()
  const happened = [await running.happen(), await running.happen()]
  await promise
  expect(heard).toEqual(happened)
  stop()
  client.dispose()
})

test('a browser may listen by GET with what it has', async () => {
  const query = encodeURIComponent('subscription { happened { subject } }')
  const response = await fetch(`${running.url}/graphql?query=${query}`, { headers: { accept: 'text/event-stream' } })
  expect(response.headers.get('content-type')).toContain('text/event-stream')
  expect(response.headers.get('content-encoding')).toBeNull()
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  const subject = await running.happen()
  let text = ''
  while (!text.includes(subject)) text += (await reader.read()).value
  await reader.cancel()
})

test('a bad stream request is refused with what is wrong', async () => {
  const post = (body: string) =>
    fetch(`${running.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', 'accept-language': 'en' },
      body,
    })
  for (const body of ['{}', '{"query":5}', '{"query":"{ hello }","variables":[]}', '[]', '{'])
    expect((await post(body)).status).toBe(400)
})

test('a bad cursor refuses one subscription and leaves the socket open', async () => {
  const line = await openLine(running)
  line.send(subscription('x', 'subscription { happened(after: "nonsense") { subject } }'))
  const refused = await line.next('error')
  expect(refused).toMatchObject({ id: 'x', payload: [{ extensions: { code: 'BAD_USER_INPUT' } }] })
  line.send(subscription('y', '{ hello }'))
  expect(await line.next('next')).toMatchObject({ id: 'y', payload: { data: { hello: 'hello world' } } })
  line.socket.close()
})

test('a socket carries so many operations at once and no more', async () => {
  const line = await openLine(running)
  for (const id of ['1', '2', '3', '4']) line.send(subscription(id))
  expect(await line.next('error')).toMatchObject({ id: '4', payload: [{ extensions: { code: 'TOO_COSTLY' } }] })
  line.send({ id: '1', type: 'complete' })
  line.send(subscription('5', '{ hello }'))
  expect(await line.next('next')).toMatchObject({ id: '5' })
  line.socket.close()
})

test('a listener that takes nothing is closed with 1013 and where to go on', async () => {
  const line = await openLine(running)
  line.send(subscription('slow', 'subscription { happened(padding: 300000) { subject cursor padding } }'))
  await settle()
  ;(line.socket as unknown as { _socket: import('node:net').Socket })._socket.pause()
  const subjects: string[] = []
  for (let i = 0; i < 60; i++) subjects.push(await running.happen())
  await new Promise(resolve => setTimeout(resolve, 1_000))
  line.socket.resume()
  ;(line.socket as unknown as { _socket: import('node:net').Socket })._socket.resume()
  const { code, reason } = await line.closed
  expect(code).toBe(1013)
  const cursor = reason.split(' ').at(-1)!
  expect(readCursor(cursor).seq).toBeGreaterThan(0)
  const heard = line.messages.filter(({ type }) => type === 'next')
  expect(heard.length).toBeLessThan(60)
  // The reason names the last that was sent, and nothing before it is missing.
  expect((heard.at(-1)!.payload as Next).data.happened.cursor).toBe(cursor)
  expect(heard.map(subjectOf)).toEqual(subjects.slice(0, heard.length))
})

test('a stream that is not read does not fill the memory', async () => {
  const stop = new AbortController()
  const response = await fetch(`${running.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query: 'subscription { happened(padding: 300000) { subject padding } }' }),
    signal: stop.signal,
  })
  expect(response.status).toBe(200)
  for (let i = 0; i < 80; i++) await running.happen()
  await settle()
  const figures = await (await fetch(`${running.url}/metrics`)).text()
  const delivered = Number(/alliance_events_delivered_total\{door="sse"\} (\d+)/.exec(figures)?.[1] ?? 0)
  expect(delivered).toBeLessThan(60)
  stop.abort()
})

test('sockets of foreign pages, at foreign paths and without the protocol are refused', async () => {
  await expect(openSocket(running, { origin: 'https://evil.example.org' })).rejects.toThrow('403')
  for (const origin of ['https://portal.example.org', running.url]) {
    const line = await openSocket(running, { origin })
    line.socket.close()
  }
  const lost = new WebSocket(running.socketUrl.replace('/graphql', '/elsewhere'), 'graphql-transport-ws')
  await expect(new Promise((_, reject) => lost.once('error', reject))).rejects.toThrow('404')
  const foreign = new WebSocket(running.socketUrl, 'something-else')
  await expect(
    new Promise((resolve, reject) => foreign.once('error', reject).once('close', code => resolve(code))),
  ).rejects.toThrow()
})

test('a message too large, or one that is none, closes the socket', async () => {
  const large = await openLine(running)
  large.send({ id: '1', type: 'subscribe', payload: { query: '{ hello }', variables: { x: 'x'.repeat(110_000) } } })
  expect((await large.closed).code).toBe(1009)
  const nonsense = await openLine(running)
  nonsense.socket.send('nonsense')
  expect((await nonsense.closed).code).toBe(4400)
  const early = await openSocket(running)
  early.send(subscription('1'))
  expect((await early.closed).code).toBe(4401)
  const silent = await openSocket(running)
  expect((await silent.closed).code).toBe(4408)
})
