import { randomUUID } from 'node:crypto'
import { createClient } from 'graphql-sse'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeCursor } from '../../src/journal/cursor.ts'
import { decideMembership } from '../../src/membership/service.ts'
import { connect, openLine, subscribed, subscription } from './harness.ts'
import { type Real, runReal } from './real.ts'

let real: Real
beforeAll(async () => {
  real = await runReal({ REPLAY_LIMIT: 50 })
})
afterAll(() => real.end())

const query = `subscription ($after: Cursor) {
  announcementPublished(after: $after) { cursor announcement { id } } }`

interface Published {
  readonly announcementPublished: { readonly cursor: string; readonly announcement: { readonly id: string } }
}

/** The clients that listeners use, which speak the two protocols. */
const clients = {
  websocket: () => connect(real),
  sse: () =>
    createClient({ url: `${real.url}/graphql`, headers: { 'accept-language': 'en' }, retryAttempts: 0 }) as ReturnType<
      typeof connect
    >,
}

/** Listens from a cursor, or from now, until so many were heard. `started` resolves when it listens. */
function listen(door: keyof typeof clients, after: string | null, count: number) {
  const client = clients[door]()
  const heard: Published['announcementPublished'][] = []
  const codes: unknown[] = []
  const blame = (errors: readonly { extensions?: Record<string, unknown> }[]) =>
    codes.push(...errors.map(({ extensions }) => extensions?.code))
  const done = new Promise<void>((resolve, reject) => {
    client.subscribe<Published>(
      { query, variables: { after } },
      {
        next: ({ data, errors }) => {
          if (errors) blame(errors)
          if (data) heard.push(data.announcementPublished)
          if (heard.length === count) resolve()
        },
        error: error => {
          if (!Array.isArray(error)) return reject(error)
          blame(error)
          resolve()
        },
        complete: resolve,
      },
    )
  }).finally(() => client.dispose())
  return { done, heard, codes }
}

describe.each(['websocket', 'sse'] as const)('over %s', door => {
  test('who was away hears what was published meanwhile, once and in order', async () => {
    await subscribed(real, 0)
    const first = listen(door, null, 1)
    await subscribed(real, 1)
    const before = await real.publish()
    await first.done
    expect(first.heard.map(({ announcement }) => announcement.id)).toEqual([before])
    await subscribed(real, 0)

    const missed = [await real.publish(), await real.publish()]
    const second = listen(door, first.heard[0]!.cursor, 3)
    await subscribed(real, 1)
    const live = await real.publish()
    await second.done
    expect(second.heard.map(({ announcement }) => announcement.id)).toEqual([...missed, live])
    expect(second.codes).toEqual([])
  })

  test('a cursor from which nothing can be replayed must be replaced', async () => {
    const { epoch } = real.services.feed.position()
    for (let i = 0; i < 60; i++) await real.happen()
    while (real.services.feed.position().seq < 60) await new Promise(resolve => setTimeout(resolve, 20))
    const { seq } = real.services.feed.position()
    for (const cursor of [
      writeCursor({ epoch, seq: 0 }),
      writeCursor({ epoch: randomUUID(), seq }),
      writeCursor({ epoch, seq: seq + 1_000 }),
    ]) {
      const { done, heard, codes } = listen(door, cursor, 1)
      await done
      expect(codes).toEqual(['RESYNC_REQUIRED'])
      expect(heard).toEqual([])
    }
  })
})

test('the officer of an expelled member is shut out at once, with the reason', async () => {
  const member = await real.alliance.member()
  const token = await real.officer(member)
  const staying = await openLine(real, { token: await real.officer(await real.alliance.member()) })
  const english = await openLine(real, { token })
  const chinese = await openLine(real, { token, language: 'zh' })
  for (const line of [staying, english]) line.send(subscription('1', query))
  const stream = await fetch(`${real.url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      'accept-language': 'en',
      authorization: `Bearer ${token}`,
    },
    body: JSON.stringify({ query }),
  })
  await subscribed(real, 3)
  const started = performance.now()
  await decideMembership(real.request(), member.row, 'EXPEL', {
    expectedVersion: member.row.version,
    reason: '严重违反章程',
  })
  expect(await english.closed).toEqual({
    code: 4403,
    reason: 'The member that this token acts for has left the alliance.',
  })
  expect(await chinese.closed).toEqual({ code: 4403, reason: '此令牌所代表的成员已离开联盟。' })
  const events = await stream.text()
  expect(events.match(/UNAUTHENTICATED/g)).toHaveLength(1)
  expect(performance.now() - started).toBeLessThan(5_000)
  const id = await real.publish()
  expect(await staying.next('next')).toMatchObject({
    payload: { data: { announcementPublished: { announcement: { id } } } },
  })
  staying.socket.close()
})
