import { createClient } from 'graphql-ws'
import WebSocket from 'ws'

/** What `listen` follows. */
export const feeds = {
  announcements: `subscription ($after: Cursor) {
    event: announcementPublished(after: $after) { cursor at announcement { id title urgency publishedAt } } }`,
  changes: `subscription ($after: Cursor) {
    event: announcementChanged(after: $after) { cursor at change announcement { id title status } } }`,
  members: `subscription ($after: Cursor) {
    event: memberChanged(after: $after) { cursor at change memberId member { profile { name } } } }`,
} as const

/** Codes after which it is no use to come back: we went ourselves, or the token is refused and stays so. */
const final = new Set([1000, 4401, 4403])

/** What the service, or the way to it, has against listening. */
export class Refused extends Error {}

/**
 * Follows a running service as any client would and prints one line of JSON for each event.
 * When the connection is lost it comes back and goes on after the last event, so that nothing is missed.
 * Ends after `count` events, when the process is stopped, or with an error when the service refuses.
 */
export async function listen(options: {
  url: string
  feed: keyof typeof feeds
  after?: string
  token?: string
  language?: string
  /** End after so many events; never without it. */
  count?: number
}): Promise<void> {
  let left = options.count ?? Number.POSITIVE_INFINITY
  const client = createClient({
    url: options.url,
    webSocketImpl: WebSocket,
    lazy: true,
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: event =>
      !(typeof event === 'object' && event !== null && 'code' in event && final.has(event.code as number)),
    on: {
      connected: () => console.error(`Listening at ${options.url}.`),
      closed: event => {
        const { code = 0, reason } = event as { code?: number; reason?: string }
        if (!final.has(code)) console.error(`The connection is closed (${reason || code}); trying again.`)
      },
    },
    connectionParams: {
      ...(options.token ? { authorization: `Bearer ${options.token}` } : {}),
      ...(options.language ? { acceptLanguage: options.language } : {}),
    },
  })
  // After a lost connection graphql-ws sends this very object again, so it is kept at the last position.
  const operation = { query: feeds[options.feed], variables: { after: options.after ?? null } }
  const enough = Symbol('enough')
  const ended = await new Promise<unknown>(resolve => {
    client.subscribe<{ event: { cursor: string } }>(operation, {
      next: ({ data, errors }) => {
        // What came with the last one wanted is on its way already.
        if (left <= 0) return
        if (errors || !data) return resolve(errors)
        operation.variables.after = data.event.cursor
        console.log(JSON.stringify(data.event))
        if (--left === 0) resolve(enough)
      },
      error: resolve,
      complete: () => resolve(null),
    })
  })
  await client.dispose()
  if (ended === enough) return
  throw new Refused(describe(ended))
}

function describe(ended: unknown): string {
  if (ended instanceof Error) return ended.message
  if (Array.isArray(ended)) return ended.map(error => (error as { message: string }).message).join(' ')
  if (typeof ended === 'object' && ended !== null && 'reason' in ended && ended.reason) return String(ended.reason)
  return 'The service closed the connection.'
}
