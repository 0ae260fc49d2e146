import { request as httpRequest } from 'node:http'
import { buildSchema } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hideTokens } from '../../src/server/log.ts'
import { ask, type Running, run } from './harness.ts'

const origin = 'https://portal.example.org'
let running: Running
beforeAll(async () => {
  running = await run({ CORS_ORIGINS: [origin] })
})
afterAll(() => running.end())

const json = { 'content-type': 'application/json', 'accept-language': 'en' }
const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = json) =>
  fetch(`${running.url}/graphql`, { method: 'POST', headers, body })
const hello = JSON.stringify({ query: '{ hello }' })

describe('requests', () => {
  test('by GET only read', async () => {
    const get = (query: string) =>
      fetch(`${running.url}/graphql?query=${encodeURIComponent(query)}`, {
        headers: { 'apollo-require-preflight': '1' },
      })
    expect(await (await get('{ hello }')).json()).toMatchObject({ data: { hello: 'hello world' } })
    const refused = await get('mutation { act }')
    expect(refused.status).toBe(405)
    expect(refused.headers.get('allow')).toBe('POST')
    const events = await fetch(`${running.url}/graphql?query=${encodeURIComponent('mutation { act }')}`, {
      headers: { accept: 'text/event-stream' },
    })
    expect(await events.text()).toContain('GET requests only read')
  })

  test('that another site could forge are refused', async () => {
    expect((await fetch(`${running.url}/graphql?query={hello}`)).status).toBe(400)
    const forged = await post(hello, { 'content-type': 'text/plain' })
    expect(forged.status).toBe(400)
    expect(await forged.text()).toContain('CSRF')
    expect((await post('query=%7Bhello%7D', { 'content-type': 'application/x-www-form-urlencoded' })).status).toBe(415)
  })

  test('in a batch are refused', async () => {
    expect((await post(`[${hello}, ${hello}]`)).status).toBe(400)
  })

  test('beyond 100 KB are refused in the language of the caller', async () => {
    const large = JSON.stringify({ query: '{ hello }', variables: { text: 'x'.repeat(100 * 1024) } })
    const english = await post(large)
    expect(english.status).toBe(413)
    expect(await english.json()).toMatchObject({
      errors: [{ message: expect.stringContaining('larger than 100 KB'), extensions: { code: 'TOO_COSTLY' } }],
    })
    const chinese = await post(large, {
      ...json,
      'accept-language': 'zh-CN',
      accept: 'application/graphql-response+json',
    })
    expect(chinese.headers.get('content-type')).toContain('application/graphql-response+json')
    expect(await chinese.text()).toContain('请求超过 100 KB')
  })

  test('that are no JSON in UTF-8 are refused, not guessed', async () => {
    const gb18030 = Buffer.concat([
      Buffer.from('{"query":"{ hello(name: \\"'),
      Buffer.from([0xb3, 0xc9]),
      Buffer.from('\\") }"}'),
    ])
    const surrogate = Buffer.concat([
      Buffer.from('{"query":"{ hello(name: \\"'),
      Buffer.from([0xed, 0xa0, 0x80]),
      Buffer.from('\\") }"}'),
    ])
    for (const body of [gb18030, surrogate, Buffer.from('{"query":'), Buffer.from('{"query":"{ hello\0 }"}')]) {
      const response = await post(new Uint8Array(body))
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] })
    }
    expect((await post('{"query":"{ hello }","__proto__":{"a":1}}')).status).toBe(400)
  })

  test('for a subscription are shown the way', async () => {
    const { errors } = await ask(running, 'http', { query: 'subscription { happened { cursor } }' })
    expect(errors?.[0]?.message).toContain('WebSocket')
    expect(errors?.[0]?.extensions.code).toBe('BAD_REQUEST')
  })

  test('carry an id that comes back and is logged; a strange one is replaced', async () => {
    const given = await post(hello, { ...json, 'x-request-id': 'proxy-42' })
    expect(given.headers.get('x-request-id')).toBe('proxy-42')
    expect(running.logged.some(line => line.includes('"requestId":"proxy-42"') && line.includes('"cost":0'))).toBe(true)
    const strange = await post(hello, { ...json, 'x-request-id': 'a b"<script>' })
    expect(strange.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('tell nobody but the log who called, and not with what', async () => {
    const { secret } = await running.token()
    await ask(
      running,
      'http',
      { query: 'query Greet($name: String) { hello(name: $name) }', variables: { name: 'my phone number' } },
      { token: secret },
    )
    await fetch(`${running.url}/graphql?token=${secret}`, { headers: { authorization: `Bearer ${secret}x` } })
    const log = running.logged.join('')
    expect(log).toContain('"name":"Greet"')
    expect(log).toMatch(/"actor":\{"kind":"SECRETARIAT","ref":"account:[0-9a-f-]{36}"\}/)
    expect(log).not.toContain(secret)
    expect(log).not.toContain('phone number')
    expect(hideTokens(`{"err":"bad ${secret}!"}`)).toBe('{"err":"bad mva_[hidden]!"}')
  })
})

describe('answers', () => {
  test('are open to the origins of the list, and to no other', async () => {
    const allowed = await post(hello, { ...json, origin })
    expect(allowed.headers.get('access-control-allow-origin')).toBe(origin)
    const preflight = await fetch(`${running.url}/graphql`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization')
    const other = await post(hello, { ...json, origin: 'https://evil.example.org' })
    expect(other.headers.get('access-control-allow-origin')).toBeNull()
  })

  test('carry security headers', async () => {
    const { headers } = await post(hello)
    expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'")
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('x-powered-by')).toBeNull()
    for (const page of ['/', '/graphiql', '/nothing']) {
      const answer = await fetch(`${running.url}${page}`)
      expect(answer.headers.get('content-security-policy')).toContain("default-src 'self'")
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
      expect(answer.headers.get('x-frame-options')).toBe('SAMEORIGIN')
    }
  })

  test('are compressed when it is worth it', async () => {
    const encoding = async (size: number) =>
      (
        await post(JSON.stringify({ query: `{ large(size: ${size}) }` }), { ...json, 'accept-encoding': 'gzip' })
      ).headers.get('content-encoding')
    expect(await encoding(10)).toBeNull()
    expect(await encoding(5_000)).toBe('gzip')
  })
})

test('the schema is there as text, with what each field requires', async () => {
  const sdl = await (await fetch(`${running.url}/schema.graphql`)).text()
  expect(sdl).toContain('@requires(permission: ')
  expect(buildSchema(sdl).getQueryType()?.getFields().viewer).toBeDefined()
})

test('the figures are there for Prometheus, and their number does not grow with the names that callers invent', async () => {
  for (let i = 0; i < 120; i++) await ask(running, 'http', { query: `query Name${i} { hello }` })
  const figures = await (await fetch(`${running.url}/metrics`)).text()
  for (const name of [
    'process_resident_memory_bytes',
    'alliance_operation_seconds_bucket',
    'alliance_operations_total',
    'alliance_sockets',
    'alliance_subscriptions',
    'alliance_events_delivered_total',
    'alliance_sequencer_backlog',
    'alliance_feed_position',
  ])
    expect(figures).toContain(`# TYPE ${name.replace(/_bucket$/, '')}`)
  expect(figures).toContain('name="(other)"')
  expect(new Set(figures.match(/name="Name\d+"/g)).size).toBeLessThanOrEqual(100)
})

test('the front page lists the doors, to people and to programs', async () => {
  expect(await (await fetch(running.url)).json()).toHaveProperty(['doors', '/graphql'])
  expect(await (await fetch(running.url, { headers: { accept: 'text/html' } })).text()).toContain('href="/graphiql"')
  expect((await fetch(`${running.url}/nothing`)).status).toBe(404)
})

test('GraphiQL needs nothing from elsewhere', async () => {
  const page = await fetch(`${running.url}/graphiql`)
  const html = await page.text()
  if (page.status === 503) {
    expect(html).toContain('npm run prepare')
    return
  }
  expect(page.headers.get('content-security-policy')).toContain("connect-src 'self'")
  const assets = [...html.matchAll(/(?:src|href)="([^"]+)"/g)]
    .map(match => match[1]!)
    .filter(url => !url.startsWith('data:'))
  expect(assets.length).toBeGreaterThan(1)
  for (const asset of assets) {
    expect(asset).toMatch(/^\/graphiql\/assets\//)
    const response = await fetch(new URL(asset, running.url))
    expect(response.status).toBe(200)
    expect(response.headers.get('cache-control')).toContain('immutable')
    // Styles and scripts are loaded from nowhere else: no CDN's address stands in an import or an url().
    expect(await response.text()).not.toMatch(/(?:import\(|from ?|url\(|@import )["']?https?:/)
  }
})

test('a request under way that never ends does not hold up others', async () => {
  const { hostname, port } = new URL(running.url)
  const stalled = httpRequest({
    hostname,
    port,
    path: '/graphql',
    method: 'POST',
    headers: { ...json, 'content-length': '100' },
  })
  stalled.on('error', () => undefined)
  stalled.write('{')
  expect((await post(hello)).status).toBe(200)
  stalled.destroy()
})
