import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

/** A connection that listens for notifications. */
export interface Listener {
  stop(): Promise<void>
}

const milliseconds = { connect: 5_000, probeInterval: 5_000, answer: 3_000, firstPause: 100, longestPause: 5_000 }

/**
 * Listens on a channel of PostgreSQL, over a connection outside the pool. It is probed, since a half-open socket says
 * nothing, and replaced with growing pauses when it breaks.
 * @param options.onHint called for every notification with the number that it carries, and after every (re)connection,
 * before which some may have been missed, without one
 */
export function startListener(options: {
  readonly connectionString: string
  readonly channel: string
  readonly onHint: (number?: number) => void
  readonly onError: (error: unknown) => void
}): Listener {
  const { connectionString, channel, onHint, onError } = options
  const stopping = new AbortController()
  const { signal } = stopping

  /** Connects, and listens until the connection breaks or we stop. */
  async function listen(onConnected: () => void): Promise<void> {
    const client = new pg.Client({
      connectionString,
      keepAlive: true,
      connectionTimeoutMillis: milliseconds.connect,
      query_timeout: milliseconds.answer,
      application_name: `${channel} listener`,
    })
    const broken = Promise.withResolvers<void>()
    // Both may come after we have stopped to wait, or several times.
    broken.promise.catch(() => undefined)
    client.on('error', broken.reject)
    client.on('end', () => broken.reject(new Error('The listening connection ended.')))
    const onNotification = ({ payload }: pg.Notification) => onHint(payload ? Number(payload) : undefined)
    client.on('notification', onNotification)
    const stop = () => broken.resolve()
    signal.addEventListener('abort', stop)
    let probe: NodeJS.Timeout | undefined
    try {
      await client.connect()
      await client.query(`listen ${client.escapeIdentifier(channel)}`)
      onConnected()
      onHint()
      probe = setInterval(() => client.query('select 1').catch(broken.reject), milliseconds.probeInterval)
      if (signal.aborted) return
      await broken.promise
    } finally {
      signal.removeEventListener('abort', stop)
      clearInterval(probe)
      client.off('notification', onNotification)
      await end(client)
    }
  }

  async function keepListening(): Promise<void> {
    let pause = milliseconds.firstPause
    while (!signal.aborted) {
      try {
        await listen(() => {
          pause = milliseconds.firstPause
        })
      } catch (error) {
        onError(error)
      }
      if (signal.aborted) return
      // The pause ends early, with an error that says no more than that, when we stop.
      await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined)
      pause = Math.min(pause * 2, milliseconds.longestPause)
    }
  }

  const running = keepListening()
  return {
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}

/** Says goodbye to the server; to one that does not answer, not for long. */
async function end(client: pg.Client): Promise<void> {
  const patience = new AbortController()
  const gone = client.end().then(
    () => undefined,
    () => undefined,
  )
  await Promise.race([gone, sleep(milliseconds.answer, undefined, { signal: patience.signal }).catch(() => undefined)])
  patience.abort()
}
