import { auditServer } from 'graphql-http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Running, run } from './harness.ts'

let running: Running
beforeAll(async () => {
  running = await run({}, {})
})
afterAll(() => running.end())

/** GETs without a header that makes browsers ask first: refused as possible forgeries, which the audits only note. */
const forgeable = ['5A70', 'D6D5', '6A70']

test('the service speaks GraphQL over HTTP as its specification says', async () => {
  const results = await auditServer({ url: `${running.url}/graphql` })
  expect(results.length).toBeGreaterThan(50)
  const failed = results.filter(result => result.status !== 'ok')
  expect(failed.filter(({ status }) => status !== 'notice')).toEqual([])
  expect(failed.map(({ id }) => id).sort()).toEqual([...forgeable].sort())
})

test('with such a header, every audit passes', async () => {
  const results = await auditServer({
    url: `${running.url}/graphql`,
    fetchFn: (url: string, init?: RequestInit) =>
      fetch(
        url,
        init?.method === 'POST' ? init : { ...init, headers: { ...init?.headers, 'apollo-require-preflight': '1' } },
      ),
  })
  expect(results.filter(result => result.status !== 'ok')).toEqual([])
})
