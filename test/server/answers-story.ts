import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Loose } from '../support/alliance.ts'
import type { Running } from './harness.ts'

/** How a question is put. */
export interface Manner {
  readonly token?: string
  readonly language?: string
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly operationName?: string
}

/** What came of it. */
export interface Told {
  readonly status: number
  readonly headers: Headers
  /** The body as it came. */
  readonly text: string
  readonly data: Loose
  /** Whether it came from memory, as the log has it. */
  readonly isKept: boolean
  /** The line of the log. */
  readonly line: Readonly<Record<string, unknown>> | undefined
}

/** The headers by which a question is put. */
export const headersOf = ({ token, language = 'en', method = 'POST', headers }: Manner): Record<string, string> => ({
  'accept-language': language,
  ...(method === 'GET' ? { 'apollo-require-preflight': 'yes' } : { 'content-type': 'application/json' }),
  ...(token && { authorization: `Bearer ${token}` }),
  ...headers,
})

/** Puts a question to a service of this process and looks up in its log what became of it. */
export async function put(
  running: Pick<Running, 'url' | 'logged'>,
  query: string,
  variables: object = {},
  manner: Manner = {},
): Promise<Told> {
  const id = randomUUID()
  const { method = 'POST', operationName } = manner
  const asked = { query, variables, ...(operationName && { operationName }) }
  const parameters = Object.entries(asked).map(([name, value]): [string, string] => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ])
  const url = `${running.url}/graphql${method === 'GET' ? `?${new URLSearchParams(parameters)}` : ''}`
  const headers = { ...headersOf(manner), 'x-request-id': id }
  const response = await fetch(url, { method, headers, ...(method === 'POST' && { body: JSON.stringify(asked) }) })
  const text = await response.text()
  const line = running.logged
    .slice(-20)
    .map(one => JSON.parse(one) as Record<string, unknown>)
    .find(({ requestId, msg }) => requestId === id && msg === 'operation')
  const { status } = response
  const data = text && status === 200 ? (JSON.parse(text) as { data: Loose }).data : {}
  return { status, headers: response.headers, text, data, isKept: line?.kept === true, line }
}

/** Waits until a service has heard of all that was committed, also of what nobody told it. */
export async function settle({ services }: Pick<Running, 'services'>): Promise<void> {
  for (;;) {
    services.wake([])
    const { db, feed } = services
    const { rows } = await sql<{ waiting: number; head: number }>`
      select (select count(*) from outbox)::integer as waiting, (select seq from journal_head)::integer as head`.execute(
      db,
    )
    if (rows[0]!.waiting === 0 && feed.position().seq === rows[0]!.head) return
    feed.poke()
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
