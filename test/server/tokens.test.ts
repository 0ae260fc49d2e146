import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import WebSocket from 'ws'
import { programRequest } from '../../src/access/request.ts'
import { revokeToken } from '../../src/access/tokens.ts'
import { openPostgres } from '../../src/database/client.ts'
import { itOnPostgres } from '../support/database.ts'
import { ask, connect, doors, openLine, openSocket, type Running, run, subscription, toySchema } from './harness.ts'

const day = 86_400_000
let running: Running
let offset = 0
beforeAll(async () => {
  running = await run({}, { now: () => new Date(Date.now() + offset), schema: toySchema() })
})
afterAll(() => running.end())

const revoke = (tokenId: string) => {
  const { db, now, wake } = running.services
  return revokeToken(programRequest(db, now(), 'test', wake), tokenId, 'lost')
}

/** Tokens that must not pass, with what the caller is told. */
async function badTokens(): Promise<[token: string, says: string][]> {
  const revoked = await running.token()
  await revoke(revoked.tokenId)
  const expired = await running.token(new Date(running.services.now().getTime() + 10))
  const other = await running.token()
  await new Promise(resolve => setTimeout(resolve, 20))
  return [
    ['nonsense', 'not valid'],
    [`${other.secret.slice(0, -1)}${other.secret.endsWith('A') ? 'B' : 'A'}`, 'not valid'],
    [revoked.secret, 'was revoked'],
    [expired.secret, 'expired'],
  ]
}

describe('a bad, expired or revoked token', () => {
  test('meets 401 and a GraphQL error over HTTP and SSE', async () => {
    for (const [token, says] of await badTokens())
      for (const accept of ['application/json', 'application/graphql-response+json', 'text/event-stream']) {
        const response = await fetch(`${running.url}/graphql`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            accept,
            authorization: `Bearer ${token}`,
            'accept-language': 'en',
          },
          body: JSON.stringify({ query: '{ hello }' }),
        })
        expect(response.status).toBe(401)
        expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/)
        expect(await response.json()).toMatchObject({
          errors: [{ message: expect.stringContaining(says), extensions: { code: 'UNAUTHENTICATED' } }],
        })
      }
  })

  test('closes a WebSocket with a reason, for good', async () => {
    for (const [token, says] of await badTokens()) {
      const line = await openSocket(running)
      line.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}`, acceptLanguage: 'en' } })
      expect(await line.closed).toEqual({ code: 4401, reason: expect.stringContaining(says) })
      // As clients see it: nothing to try again.
      const client = connect(running, { token })
      await expect(
        new Promise((resolve, reject) =>
          client.subscribe({ query: '{ hello }' }, { next: resolve, error: reject, complete: () => resolve(null) }),
        ),
      ).rejects.toMatchObject({ code: 4401 })
    }
  })

  test('as a header of the upgrade counts, too', async () => {
    const line = await openSocket(running, { headers: { authorization: 'Bearer nonsense', 'accept-language': 'zh' } })
    line.send({ type: 'connection_init' })
    expect(await line.closed).toEqual({ code: 4401, reason: expect.stringContaining('令牌无效') })
  })
})

describe('a token in use', () => {
  const caller = async (at: Running, secret: string) => {
    const { data, errors } = await ask(at, 'http', { query: '{ caller }' }, { token: secret })
    return data?.caller ?? errors?.[0]?.extensions?.code
  }

  test('is refused from the moment on when its revocation was answered', async () => {
    const { secret, tokenId } = await running.token()
    expect(await caller(running, secret)).toBe('SECRETARIAT')
    expect(await caller(running, secret)).toBe('SECRETARIAT')
    await revoke(tokenId)
    expect(await caller(running, secret)).toBe('UNAUTHENTICATED')
  })

  itOnPostgres('is refused by every other process, too, within five seconds', async () => {
    const database = openPostgres(running.database.connectionString!, 4)
    const other = await run({}, { schema: toySchema(), database })
    const { secret, tokenId } = await running.token()
    for (const each of [running, other]) expect(await caller(each, secret)).toBe('SECRETARIAT')
    await revoke(tokenId)
    await vi.waitFor(async () => expect(await caller(other, secret)).toBe('UNAUTHENTICATED'), 5_000)
    await other.end()
  })
})

test.each(doors)('a good token passes over %s', async door => {
  const { secret } = await running.token()
  expect((await ask(running, door, { query: '{ caller }' }, { token: secret })).data).toEqual({ caller: 'SECRETARIAT' })
  expect((await ask(running, door, { query: '{ caller }' })).data).toEqual({ caller: 'ANONYMOUS' })
})

async function readStream(token: string): Promise<{ response: Response; text: Promise<string> }> {
  const response = await fetch(`${running.url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${token}`,
      'accept-language': 'en',
    },
    body: JSON.stringify({ query: 'subscription { happened { cursor } }' }),
  })
  return { response, text: response.text() }
}

describe('a token that ends while connections live', () => {
  test('by revocation, closes its sockets and streams within five seconds and leaves others alone', async () => {
    const ending = await running.token()
    const staying = await running.token()
    const line = await openLine(running, { token: ending.secret })
    line.send(subscription('1'))
    const idle = await openLine(running, { token: ending.secret })
    const other = await openLine(running, { token: staying.secret })
    const stream = await readStream(ending.secret)
    expect(stream.response.status).toBe(200)
    const started = performance.now()
    await revoke(ending.tokenId)
    const forbidden = { code: 4403, reason: 'The token was revoked.' }
    expect(await line.closed).toEqual(forbidden)
    expect(await idle.closed).toEqual(forbidden)
    const events = await stream.text
    expect(performance.now() - started).toBeLessThan(5_000)
    expect(events.match(/UNAUTHENTICATED/g)).toHaveLength(1)
    expect(events.match(/event: complete/g)).toHaveLength(1)
    expect(other.socket.readyState).toBe(WebSocket.OPEN)
    other.socket.close()
  })

  test('by revocation on another process, closes them here', async () => {
    const elsewhere = await run({}, { schema: toySchema(), database: running.database })
    const { secret, tokenId } = await running.token()
    const line = await openLine(elsewhere, { token: secret })
    const started = performance.now()
    await revoke(tokenId)
    expect((await line.closed).code).toBe(4403)
    expect(performance.now() - started).toBeLessThan(5_000)
    await elsewhere.stop()
  })

  test('by its time, closes them, too', async () => {
    const { secret } = await running.token(new Date(running.services.now().getTime() + day))
    const line = await openLine(running, { token: secret })
    const stream = await readStream(secret)
    offset += 2 * day
    expect(await line.closed).toEqual({ code: 4403, reason: 'The token has expired.' })
    expect(await stream.text).toContain('UNAUTHENTICATED')
    offset = 0
  })

  test('by its time, is told so also when it is used before anybody looks', async () => {
    const { secret } = await running.token(new Date(running.services.now().getTime() + day))
    const lines = await Promise.all([1, 2, 3].map(() => openLine(running, { token: secret })))
    offset += 2 * day
    for (const line of lines) line.send(subscription('1', '{ hello }'))
    for (const line of lines) expect(await line.closed).toEqual({ code: 4403, reason: 'The token has expired.' })
    offset = 0
  })
})
