import { once } from 'node:events'
import { createServer } from 'node:net'
import pg from 'pg'
import { afterEach, beforeAll, expect, vi } from 'vitest'
import WebSocket from 'ws'
import { createPostgresDatabase, itOnPostgres, onPostgres } from '../support/database.ts'
import { type Launched, launch, readiness } from './launch.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const workers = 2
let database: string
/** Of the secretariat. */
let token: string

// The founding data is loaded once, for all tests.
beforeAll(async () => {
  if (!onPostgres()) return
  database = await createPostgresDatabase()
  const launched = await start()
  const tokens = launched.text().match(/mva_[0-9a-z]{26}_\S+/g)!
  expect(tokens.length).toBe(1)
  token = tokens[0]!
  await end(launched)
})

const running = new Set<Launched>()
afterEach(() => {
  for (const { child } of running) child.kill('SIGKILL')
  running.clear()
})

/** Starts several workers on the database of this file; answers when all serve. */
async function start() {
  const launched = await launch({ WORKERS: `${workers}`, DATABASE_URL: database, LOG_LEVEL: 'debug' })
  running.add(launched)
  return { ...launched, url: await launched.serving }
}
type Cluster = Awaited<ReturnType<typeof start>>

async function end({ child, exited }: Cluster): Promise<void> {
  child.kill('SIGTERM')
  expect(await exited).toBe(0)
}

const pause = () => new Promise(resolve => setTimeout(resolve, 20))

const logOf = ({ output }: Cluster) =>
  output()
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line) as { pid: number; msg: string; worker?: number; wait?: number; reason?: string })

/** The processes that answer requests, found by asking until all have; those that are gone don't count. */
async function findWorkers(cluster: Cluster, gone?: number): Promise<number[]> {
  for (;;) {
    // A connection of its own each time: connections are what is shared out.
    await readiness(cluster.url)
    const requests = logOf(cluster).filter(({ msg, pid }) => msg === 'request' && pid !== gone)
    const found = new Set(requests.map(({ pid }) => pid))
    if (found.size === workers) return [...found]
    await pause()
  }
}

/** Asks over a connection of its own. */
async function ask<T>({ url }: Cluster, query: string, variables: object = {}): Promise<T> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, connection: 'close' },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = (await response.json()) as { data: T; errors?: unknown }
  if (errors) throw new Error(JSON.stringify(errors))
  return data
}

/** The sum of the series of a figure, as whichever worker is asked shows it. */
async function figure({ url }: Cluster, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`, { headers: { connection: 'close' } })).text()
  return text
    .split('\n')
    .filter(line => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

async function register(cluster: Cluster, name: string): Promise<string> {
  const { out } = await ask<{ out: { member: { id: string } | null; userErrors: unknown[] } }>(
    cluster,
    `mutation ($input: RegisterMemberInput!) {
      out: registerMember(input: $input) { member { id } userErrors { message } } }`,
    { input: { kind: 'COMPANY', region: '510100', profile: { names: [{ locale: 'zh-Hans', text: name }] } } },
  )
  if (!out.member) throw new Error(JSON.stringify(out))
  return out.member.id
}

/** Opens a socket, which follows announcements. */
async function follow({ url }: Cluster) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  const closed = once(socket, 'close').then(([code]) => code as number)
  const heard: string[] = []
  const messages: {
    type: string
    payload?: { data: { announcementPublished: { announcement: { title: string } } } }
  }[] = []
  socket.on('message', data => {
    const message = JSON.parse(String(data)) as (typeof messages)[number]
    messages.push(message)
    if (message.type === 'next') heard.push(message.payload!.data.announcementPublished.announcement.title)
  })
  await once(socket, 'open')
  socket.send(JSON.stringify({ type: 'connection_init' }))
  await once(socket, 'message')
  const query = 'subscription { announcementPublished { announcement { title(locale: "en") } } }'
  socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query } }))
  return { closed, heard }
}

/** Whether a process is there. */
function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function areGone(pids: readonly number[]): Promise<void> {
  while (pids.some(lives)) await pause()
}

itOnPostgres('several processes answer on one port, and any of them tells the figures of all', async () => {
  const cluster = await start()
  expect(cluster.text()).not.toContain('mva_')
  const pids = await findWorkers(cluster)
  expect(pids).not.toContain(cluster.child.pid)
  for (let i = 0; i < 10; i++) await ask(cluster, 'query Counted { viewer { kind } }')
  for (let i = 0; i < workers; i++) {
    expect(await figure(cluster, 'alliance_operations_total')).toBe(10)
    expect(await figure(cluster, 'alliance_operation_seconds_count')).toBe(10)
    expect(await figure(cluster, 'alliance_processes')).toBe(workers)
  }
  await end(cluster)
})

itOnPostgres('what one process publishes reaches the listeners of all', async () => {
  const cluster = await start()
  // Each process has a group of its own.
  const listeners: Awaited<ReturnType<typeof follow>>[] = []
  while ((await figure(cluster, 'alliance_subscription_groups')) < workers) listeners.push(await follow(cluster))
  while ((await figure(cluster, 'alliance_subscriptions')) < listeners.length) await pause()
  const { out } = await ask<{ out: { announcement: { id: string } } }>(
    cluster,
    'mutation ($input: DraftAnnouncementInput!) { out: draftAnnouncement(input: $input) { announcement { id } } }',
    {
      input: {
        category: 'NOTICE',
        audience: { include: [{ public: true }] },
        titles: [{ locale: 'en', text: 'To all' }],
        bodies: [{ locale: 'en', text: 'An example.' }],
      },
    },
  )
  await ask(
    cluster,
    'mutation ($id: ID!) { publishAnnouncement(id: $id, expectedVersion: 1) { announcement { id } } }',
    {
      id: out.announcement.id,
    },
  )
  while (listeners.some(({ heard }) => heard.length === 0)) await pause()
  expect(listeners.map(({ heard }) => heard)).toEqual(listeners.map(() => ['To all']))
  await end(cluster)
  expect(await Promise.all(listeners.map(({ closed }) => closed))).toEqual(listeners.map(() => 1012))
})

itOnPostgres('a killed worker is replaced; what was acknowledged stays, and counts do not fall', async () => {
  const cluster = await start()
  const pids = await findWorkers(cluster)
  const acknowledged: string[] = []
  let refused = 0
  let isWriting = true
  const writing = [1, 2, 3].map(async writer => {
    for (let i = 0; isWriting; i++)
      try {
        acknowledged.push(await register(cluster, `云谷第${writer}之${i}公司`))
      } catch (error) {
        // Its connection broke off before the answer: nothing was acknowledged.
        if (!(error instanceof TypeError)) throw error
        refused++
      }
  })
  while (acknowledged.length < 20) await pause()
  const before = await figure(cluster, 'alliance_operations_total')
  process.kill(pids[0]!, 'SIGKILL')
  expect(await findWorkers(cluster, pids[0])).toContain(pids[1])
  while ((await figure(cluster, 'alliance_processes')) < workers) await pause()
  isWriting = false
  await Promise.all(writing)
  expect(refused).toBeLessThan(10)
  expect(await figure(cluster, 'alliance_operations_total')).toBeGreaterThanOrEqual(before)
  const { nodes } = await ask<{ nodes: ({ id: string } | null)[] }>(
    cluster,
    'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
    { ids: acknowledged.slice(-100) },
  )
  expect(nodes.map(node => node?.id)).toEqual(acknowledged.slice(-100))
  expect(logOf(cluster).filter(({ worker }) => worker !== undefined)).toMatchObject([
    { pid: cluster.child.pid, worker: pids[0], signal: 'SIGKILL', wait: 100 },
  ])
  await end(cluster)
})

itOnPostgres('a worker that can not start is tried again with growing pauses, and the log says why', async () => {
  const cluster = await start()
  const [victim] = await findWorkers(cluster)
  const name = new URL(database).pathname.slice(1)
  const client = new pg.Client({ connectionString: database.replace(name, 'postgres') })
  await client.connect()
  await client.query(`alter database ${name} allow_connections false`)
  try {
    process.kill(victim!, 'SIGKILL')
    const deaths = () => logOf(cluster).filter(({ worker }) => worker !== undefined)
    while (deaths().length < 4) await pause()
    expect(
      deaths()
        .map(({ wait }) => wait)
        .slice(0, 4),
    ).toEqual([100, 200, 400, 800])
    expect(deaths()[3]!.reason).toContain('not currently accepting connections')
    // Meanwhile the other one serves.
    expect(await readiness(cluster.url)).toBe(200)
  } finally {
    await client.query(`alter database ${name} allow_connections true`)
    await client.end()
  }
  while ((await figure(cluster, 'alliance_processes')) < workers) await pause()
  await end(cluster)
})

itOnPostgres('a signal to the first process drains all; a second one ends all at once', async () => {
  const cluster = await start()
  const pids = await findWorkers(cluster)
  const sockets = [await follow(cluster), await follow(cluster)]
  cluster.child.kill('SIGTERM')
  while ((await readiness(cluster.url)) === 200) await pause()
  expect(await Promise.all(sockets.map(({ closed }) => closed))).toEqual([1012, 1012])
  expect(await cluster.exited).toBe(0)
  expect(pids.filter(lives)).toEqual([])

  const other = await start()
  const others = await findWorkers(other)
  other.child.kill('SIGTERM')
  while ((await readiness(other.url)) === 200) await pause()
  other.child.kill('SIGTERM')
  expect(await other.exited).toBe(1)
  await areGone(others)
})

itOnPostgres('workers whose first process is killed finish and end', async () => {
  const cluster = await start()
  const pids = await findWorkers(cluster)
  const sockets = [await follow(cluster), await follow(cluster)]
  cluster.child.kill('SIGKILL')
  expect(await Promise.all(sockets.map(({ closed }) => closed))).toEqual([1012, 1012])
  await areGone(pids)
})

itOnPostgres('a start that can not be is explained once', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as import('node:net').AddressInfo
  const late = await launch({ WORKERS: `${workers}`, DATABASE_URL: database, PORT: `${port}` })
  late.serving.catch(() => undefined)
  expect(await late.exited).toBe(1)
  expect(late.text()).toBe(`Port ${port} of 127.0.0.1 is in use: stop the other program, or set PORT to another port.`)
  taken.close()
})
