import { get as httpGet } from 'node:http'
import { createClient } from 'graphql-sse'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import WebSocket from 'ws'
import { openLine, openSocket, type Running, run, subscribed, subscription } from './harness.ts'

let running: Running
// What earlier tests left behind is gone: figures begin at nothing.
beforeEach(() => subscribed(running, 0))
beforeAll(async () => {
  running = await run({ MAX_SUBSCRIPTIONS: 3, CORS_ORIGINS: ['https://portal.example.org'] })
})
afterAll(() => running.end())

interface Next {
  data: { happened: { subject: string; cursor: string } }
  errors?: { message: string; extensions: { code: string } }[]
}
const subjectOf = (message: { payload?: unknown }) => (message.payload as Next).data.happened.subject

test('a subscription over WebSocket hears what happens, and again from a cursor', async () => {
  const line = await openLine(running)
  line.send(subscription('a'))
  line.send(subscription('b'))
  await subscribed(running, 2)
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
  // Whatever else were to come would come before this.
  again.send(subscription('last', '{ hello }'))
  await again.next('complete')
  const heard = again.messages.filter(({ type, id }) => type === 'next' && id !== 'last')
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
  await subscribed(running, 1)
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

test('a foreign page is refused a stream, also when it could not read it', async () => {
  const query = encodeURIComponent('subscription { happened { subject } }')
  const status = async (headers: Record<string, string>) => {
    const stop = new AbortController()
    const response = await fetch(`${running.url}/graphql?query=${query}`, {
      headers: { accept: 'text/event-stream', ...headers },
      signal: stop.signal,
    })
    stop.abort()
    return response.status
  }
  expect(await status({ origin: 'https://evil.example.org' })).toBe(403)
  expect(await status({ origin: 'https://portal.example.org' })).toBe(200)
  expect(await status({ origin: running.url })).toBe(200)
  await expect(ask({ 'sec-fetch-site': 'cross-site' })).resolves.toContain('403')
  await expect(ask({ 'sec-fetch-site': 'same-origin' })).resolves.toContain('200')

  // fetch() keeps this header to itself.
  function ask(headers: Record<string, string>): Promise<string> {
    return new Promise((resolve, reject) =>
      httpGet(
        `${running.url}/graphql?query=${query}`,
        { headers: { accept: 'text/event-stream', ...headers } },
        answer => {
          resolve(String(answer.statusCode))
          answer.destroy()
        },
      ).on('error', reject),
    )
  }
})
