import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import WebSocket, { WebSocketServer } from 'ws'
import { programRequest } from '../../src/access/request.ts'
import { revokeToken } from '../../src/access/tokens.ts'
import { readCursor } from '../../src/journal/cursor.ts'
import { createPulse, type Line } from '../../src/server/line.ts'
import { figure, openLine, openSocket, type Running, run, subscribed, subscription } from './harness.ts'

let running: Running
// What earlier tests left behind is gone: figures begin at nothing.
beforeEach(() => subscribed(running, 0))
beforeAll(async () => {
  running = await run()
})
afterAll(() => running.end())

interface Next {
  data: { happened: { subject: string; cursor: string } }
}
const subjectOf = (message: { payload?: unknown }) => (message.payload as Next).data.happened.subject

describe('a socket', () => {
  test('a listener that takes nothing is closed with 1013 and where to go on', async () => {
    const line = await openLine(running)
    line.send(subscription('slow', 'subscription { happened(padding: 300000) { subject cursor padding } }'))
    await subscribed(running, 1)
    line.stall()
    const subjects: string[] = []
    for (let i = 0; i < 60; i++) subjects.push(await running.happen())
    await new Promise(resolve => setTimeout(resolve, 1_000))
    line.go()
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

  test('with a quiet subscription is told a cursor from which that one misses nothing either', async () => {
    const line = await openLine(running)
    const { seq } = running.services.feed.position()
    line.send(subscription('loud', 'subscription { happened(padding: 300000) { subject padding } }'))
    line.send(subscription('quiet', 'subscription { quiet { subject } }'))
    await subscribed(running, 2)
    line.stall()
    for (let i = 0; i < 60; i++) await running.happen()
    while ((await figure(running, 'alliance_sockets_closed_total', '1013')) < 2) await running.happen()
    line.go()
    const { code, reason } = await line.closed
    expect(code).toBe(1013)
    expect(readCursor(reason.split(' ').at(-1)!).seq).toBe(seq)
  })

  test('that asks and takes no answers is closed, too', async () => {
    const line = await openLine(running)
    const closed = () => figure(running, 'alliance_sockets_closed_total', '1013')
    const before = await closed()
    line.stall()
    for (let i = 0; i < 45; i++) line.send(subscription(String(i), '{ large(size: 500000) }'))
    while ((await closed()) === before) await new Promise(resolve => setTimeout(resolve, 50))
    line.go()
    expect(await line.closed).toEqual({ code: 1013, reason: 'Too slow.' })
  })

  test('gets an answer to a ping, without what it sent, and none before it is known', async () => {
    const stranger = await openSocket(running)
    stranger.send({ type: 'ping', payload: { x: 'x'.repeat(1_000) } })
    stranger.send({ type: 'connection_init' })
    await stranger.next('connection_ack')
    expect(stranger.messages.map(({ type }) => type)).toEqual(['connection_ack'])
    stranger.send({ type: 'ping', payload: { x: 'x'.repeat(1_000) } })
    expect(await stranger.next('pong')).toEqual({ type: 'pong' })
    const answered = once(stranger.socket, 'pong')
    stranger.socket.ping('x')
    expect(String((await answered)[0])).toBe('x')
    stranger.socket.close()
  })
})

describe('a stream', () => {
  /** How many events were written to streams, once that no longer grows. */
  async function deliveredAtLast(): Promise<number> {
    const delivered = () => figure(running, 'alliance_events_delivered_total', 'sse')
    let [last, now] = [-1, await delivered()]
    while (now !== last) {
      await new Promise(resolve => setTimeout(resolve, 300))
      ;[last, now] = [now, await delivered()]
    }
    return now
  }

  test('that is not read does not fill the memory', async () => {
    const stop = new AbortController()
    const response = await fetch(`${running.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query: 'subscription { happened(padding: 300000) { subject padding } }' }),
      signal: stop.signal,
    })
    expect(response.status).toBe(200)
    await subscribed(running, 1)
    for (let i = 0; i < 80; i++) await running.happen()
    expect(await deliveredAtLast()).toBeLessThan(60)
    stop.abort()
  })

  test('is cut at once when its token is revoked', async () => {
    const { secret, tokenId } = await running.token()
    const stop = new AbortController()
    const response = await fetch(`${running.url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        authorization: `Bearer ${secret}`,
      },
      body: JSON.stringify({ query: 'subscription { happened(padding: 300000) { subject padding } }' }),
      signal: stop.signal,
    })
    await subscribed(running, 1)
    for (let i = 0; i < 80; i++) await running.happen()
    await deliveredAtLast()
    const started = performance.now()
    const { db, now, wake } = running.services
    await revokeToken(programRequest(db, now(), 'test', wake), tokenId, 'lost')
    while ((await figure(running, 'alliance_streams')) > 0) await new Promise(resolve => setTimeout(resolve, 50))
    expect(performance.now() - started).toBeLessThan(5_000)
    // Until here: an answer that nobody holds is given up.
    expect(response.status).toBe(200)
    stop.abort()
  })
})

describe('the pulse', () => {
  /** A socket between two ends, the watched one with what a line has. */
  async function pair(options: WebSocket.ClientOptions = {}) {
    const server = new WebSocketServer({ port: 0 })
    const accepted = once(server, 'connection') as Promise<[WebSocket]>
    const client = new WebSocket(`ws://localhost:${(server.address() as AddressInfo).port}`, options)
    const [socket] = await accepted
    const line: Partial<Line> = {
      socket,
      followed: new Map([['1', { heard: 7, results: null }]]),
      metrics: { closed: { inc: () => undefined } } as unknown as Line['metrics'],
      feed: running.services.feed,
    }
    return { server, client, socket, line: line as Line }
  }

  test('of one that is slow but lives is no reason to cut it: it is told where to go on', async () => {
    const { server, client, socket, line } = await pair()
    await once(client, 'open')
    const wire = (client as unknown as { _socket: import('node:net').Socket })._socket
    wire.pause()
    while (socket.bufferedAmount === 0) socket.send('x'.repeat(1_000_000))
    const closing = new Promise<[number, Buffer]>(resolve =>
      client.once('close', (code, reason) => resolve([code, reason])),
    )
    const stop = createPulse(100).watch(line)
    while (socket.readyState === socket.OPEN) await new Promise(resolve => setTimeout(resolve, 20))
    await new Promise(resolve => setTimeout(resolve, 300))
    wire.resume()
    const [code, reason] = await closing
    expect(code).toBe(1013)
    expect(readCursor(String(reason).split(' ').at(-1)!).seq).toBe(7)
    stop()
    server.close()
  })

  test('of one that is gone is missed', async () => {
    const { server, client, line } = await pair({ autoPong: false })
    const stop = createPulse(50).watch(line)
    expect((await once(client, 'close'))[0]).toBe(1006)
    stop()
    server.close()
  })
})
