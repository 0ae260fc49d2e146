import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { createServer } from 'node:net'
import { expect, test, vi } from 'vitest'
import WebSocket from 'ws'
import { itOnPglite } from '../support/database.ts'
import { openLine, type Running, run, subscribed, subscription } from './harness.ts'
import { launch, readiness } from './launch.ts'

// Every process loads the founding data first.
vi.setConfig({ testTimeout: 120_000 })

test('on SIGTERM the process finishes what is under way, closes sockets with 1012 and exits with 0', async () => {
  const { child, exited, serving, text, output } = await launch()
  const url = await serving
  expect(text()).toMatch(/mva_[0-9a-z]{26}_/)
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  await once(socket, 'open')
  socket.send(JSON.stringify({ type: 'connection_init' }))
  await once(socket, 'message')
  const body = JSON.stringify({ query: '{ viewer { kind } }' })
  const request = httpRequest(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': body.length },
  })
  request.write(body.slice(0, 10))
  // The process has read the beginning when it answers what came later.
  expect(await readiness(url)).toBe(200)
  const started = performance.now()
  const closing = once(socket, 'close')
  child.kill('SIGTERM')
  // Balancers learn of it while the doors are still open.
  while ((await readiness(url)) === 200) await new Promise(resolve => setTimeout(resolve, 10))
  expect(await readiness(url)).toBe(503)
  expect(socket.readyState).toBe(WebSocket.OPEN)
  const [code] = await closing
  request.end(body.slice(10))
  const [response] = await once(request, 'response')
  expect(response.statusCode).toBe(200)
  expect(code).toBe(1012)
  expect(await exited).toBe(0)
  expect(performance.now() - started).toBeLessThan(10_000)
  expect(output()).not.toMatch(/mva_[0-9a-z]{26}_/)
})

test('requests under way on every door are answered before the end', async () => {
  const running: Running = await run()
  const line = await openLine(running)
  line.send(subscription('live'))
  line.send(subscription('slow', 'mutation { act(ms: 700) }'))
  const request = fetch(`${running.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ slow(ms: 700) }' }),
  })
  const stream = await fetch(`${running.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query: 'subscription { happened { subject } }' }),
  })
  await subscribed(running, 2)
  const stopping = running.end()
  expect(await (await request).json()).toMatchObject({ data: { slow: 'slow' } })
  expect(await line.next('next')).toMatchObject({ id: 'slow', payload: { data: { act: 'acted' } } })
  expect((await line.closed).code).toBe(1012)
  // Not completed, so that clients come back.
  expect(await stream.text()).not.toContain('complete')
  await stopping
  await expect(fetch(running.url)).rejects.toThrow()
})

test('a socket that keeps asking does not hold up the end, and is told to come back', async () => {
  const running: Running = await run()
  const line = await openLine(running)
  let asked = 0
  const asking = setInterval(() => line.send(subscription(String(++asked), '{ slow(ms: 400) }')), 50)
  await line.next('next')
  const started = performance.now()
  const stopping = running.stop()
  const { payload } = await line.next('error')
  expect(payload).toMatchObject([{ extensions: { code: 'SERVICE_UNAVAILABLE' } }])
  expect((await line.closed).code).toBe(1012)
  clearInterval(asking)
  await stopping
  expect(performance.now() - started).toBeLessThan(2_000)
  // What had begun was answered.
  const ids = (type: string) => line.messages.filter(message => message.type === type).map(({ id }) => Number(id))
  expect(Math.max(...ids('next'))).toBe(Math.min(...ids('error')) - 1)
  await running.end()
})

test('a start that can not be is explained in one line', async () => {
  const bad = await launch({ PORT: 'many' })
  bad.serving.catch(() => undefined)
  expect(await bad.exited).toBe(1)
  expect(bad.text()).toContain('PORT')
  expect(bad.text()).not.toContain('    at ')

  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as import('node:net').AddressInfo
  const late = await launch({ PORT: String(port) })
  late.serving.catch(() => undefined)
  expect(await late.exited).toBe(1)
  expect(late.text()).toBe(`Port ${port} of 127.0.0.1 is in use: stop the other program, or set PORT to another port.`)
  taken.close()
})

itOnPglite('a second process on the same data directory is told of the first', async () => {
  const first = await launch()
  await first.serving
  const second = await launch({ DATA_DIR: first.folder })
  second.serving.catch(() => undefined)
  expect(await second.exited).toBe(1)
  expect(second.text()).toContain(`process ${first.child.pid}`)
  expect(second.text()).not.toContain('    at ')
  first.child.kill('SIGTERM')
  expect(await first.exited).toBe(0)
})

itOnPglite('several workers on the embedded database are refused, in both languages', async () => {
  const { exited, text, serving } = await launch({ WORKERS: '2' })
  serving.catch(() => undefined)
  expect(await exited).toBe(1)
  expect(text()).toMatch(/^ {2}WORKERS: .*owned by one process.*DATABASE_URL.*只能由一个进程使用/m)
  expect(text()).not.toContain('    at ')
})

test('--help tells the settings', async () => {
  const { exited, output, serving } = await launch({}, ['--help'])
  serving.catch(() => undefined)
  expect(await exited).toBe(0)
  expect(output()).toContain('MAX_COST')
})
