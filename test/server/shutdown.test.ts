import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { get, request as httpRequest } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import WebSocket from 'ws'
import { createPostgresDatabase, itOnPglite, onPostgres } from '../support/database.ts'
import { openLine, type Running, run, subscribed, subscription } from './harness.ts'

// Every process loads the founding data first.
vi.setConfig({ testTimeout: 120_000 })

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** Starts src/main.ts as a process of its own. */
async function launch(environment: Record<string, string> = {}, args: string[] = []) {
  const folder = await mkdtemp(join(tmpdir(), 'alliance-main-'))
  const database = onPostgres() ? { DATABASE_URL: await createPostgresDatabase() } : {}
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env.PATH, PORT: '0', DATA_DIR: folder, ...database, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const told = createInterface(child.stderr)
  told.on('line', line => lines.push(line))
  let output = ''
  child.stdout.on('data', data => {
    output += data
  })
  const exited = once(child, 'exit').then(async ([code]) => {
    await rm(folder, { recursive: true, force: true })
    return code as number
  })
  const serving = (async () => {
    for (;;) {
      const url = lines.map(line => /^Serving (http:\S+)\/graphql/.exec(line)?.[1]).find(Boolean)
      if (url) return url
      await Promise.race([once(told, 'line'), exited.then(() => Promise.reject(new Error(lines.join('\n'))))])
    }
  })()
  return { child, exited, serving, folder, text: () => lines.join('\n'), output: () => output }
}

/** The status of /readyz over a connection of its own. */
function readiness(url: string): Promise<number> {
  return new Promise((resolve, reject) =>
    get(`${url}/readyz`, { agent: false }, response => {
      response.resume()
      resolve(response.statusCode!)
    }).on('error', reject),
  )
}

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

test('--help tells the settings', async () => {
  const { exited, output, serving } = await launch({}, ['--help'])
  serving.catch(() => undefined)
  expect(await exited).toBe(0)
  expect(output()).toContain('MAX_COST')
})
