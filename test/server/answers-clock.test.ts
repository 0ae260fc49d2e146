import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { publishDue } from '../../src/announcements/scheduler.ts'
import { onPostgres } from '../support/database.ts'
import { put, settle } from './answers-story.ts'
import { ask } from './harness.ts'
import { type Real, runReal } from './real.ts'

let running: Real
beforeAll(async () => {
  running = await runReal()
})
afterAll(() => running.end())

const minute = 60_000
/** The embedded database is several times as slow. */
const rounds = onPostgres() ? 60 : 25

/** Without what tells by itself whether it is pinned. */
const shown = 'pageInfo { hasNextPage hasPreviousPage } nodes { id version } totalCount'
const lists = [
  '(first: 1)',
  '(first: 2)',
  '(first: 3)',
  '',
  '(last: 2)',
  '(filter: { public: true }, first: 2)',
  '(filter: { public: false }, first: 2)',
  '(filter: { categories: [NOTICE] }, first: 2)',
  '(filter: { statuses: [PUBLISHED] }, first: 3)',
  '(filter: { title: "通知" }, first: 2)',
].map(args => `{ announcements${args} { ${shown} } }`)
const inboxes = [
  '',
  '(filter: { unread: true })',
  '(filter: { unacknowledged: true })',
  '(filter: { unacknowledged: true }, first: 1)',
].map(args => `{ inbox${args} { ${shown} } }`)
const following = `query ($after: String) { announcements(first: 2, after: $after) { ${shown} } }`

it('random writes and a moving clock find no list of announcements older than it may be', {
  timeout: 240_000,
}, async () => {
  const { alliance, staff, services } = running
  const { clock } = alliance
  const numbers = fc.sample(fc.noBias(fc.nat()), { seed: 20261123, numRuns: 50 * rounds })
  const draw = (below: number) => numbers.pop()! % below
  const pick = <T>(from: readonly T[]): T => from[draw(from.length)]!
  const later = (minutes: number) => new Date(clock.now.getTime() + minutes * minute).toISOString()

  const member = await alliance.member()
  const officer = await running.officer(member)
  const colleague = await running.officer(member)
  const callers = { anonymous: undefined, staff, officer, colleague }
  const audiences = [{ public: true }, { public: true }, { members: [member.id] }, { allMembers: true }]
  const made: string[] = []
  /** The moments at which pins end. */
  const ends: number[] = []
  const change = (field: string, args: Record<string, [type: string, value: unknown]>, token = staff) => {
    const query = `mutation (${Object.entries(args).map(([arg, [type]]) => `$${arg}: ${type}`)}) {
      out: ${field}(${Object.keys(args).map(arg => `${arg}: $${arg}`)}) { announcement { id } userErrors { code } } }`
    const variables = Object.fromEntries(Object.entries(args).map(([arg, [, value]]) => [arg, value]))
    return ask(running, 'http', { query, variables }, { token })
  }
  const versionOf = async (id: string) => {
    const { data } = await put(
      running,
      'query ($id: ID!) { asOf announcement(id: $id) { version } }',
      { id },
      { token: staff },
    )
    return Number(data.announcement?.version)
  }
  const pin = () => {
    const until = later(1 + draw(8))
    ends.push(Date.parse(until))
    return until
  }
  const draft = async () => {
    const id = await running.draft({ include: [pick(audiences)] })
    const input = { expectedVersion: 1, pinnedUntil: draw(3) > 0 ? pin() : null, acknowledgeBy: later(1_000) }
    await change('editAnnouncement', { id: ['ID!', id], input: ['EditAnnouncementInput!', input] })
    return id
  }
  const writes: (() => Promise<unknown>)[] = [
    async () => {
      const id = await draft()
      made.push(id)
      return change('publishAnnouncement', { id: ['ID!', id], expectedVersion: ['Int!', 2] })
    },
    async () => {
      const id = await draft()
      made.push(id)
      const args = {
        id: ['ID!', id],
        expectedVersion: ['Int!', 2],
        publishAt: ['DateTime!', later(1 + draw(5))],
      } as const
      return change('scheduleAnnouncement', args as never)
    },
    async () => {
      const id = pick(made)
      const input = { expectedVersion: await versionOf(id), reason: '…', pinnedUntil: draw(3) > 0 ? pin() : null }
      return change('editAnnouncement', { id: ['ID!', id], input: ['EditAnnouncementInput!', input] })
    },
    async () => {
      const id = pick(made)
      const args = {
        id: ['ID!', id],
        expectedVersion: ['Int!', await versionOf(id)],
        reason: ['String!', '…'],
      } as const
      return change('retractAnnouncement', args as never)
    },
    () => change('acknowledgeAnnouncement', { id: ['ID!', pick(made)] }, officer),
    () => change('markAnnouncementRead', { id: ['ID!', pick(made)], read: ['Boolean', draw(2) > 0] }, officer),
  ]
  const moveClock = () => {
    const next = ends.filter(end => end > clock.now.getTime()).sort((a, b) => a - b)[0]
    // To the last moment of a pin, to its end, or on by some seconds.
    const aims = next === undefined ? [] : [next - 1, next, next]
    clock.now = new Date(pick([...aims, clock.now.getTime() + draw(30_000)]))
  }

  const found = { kept: 0, moved: 0, followed: 0 }
  const before = new Map<string, string>()
  const cursors: string[] = []
  const compare = async (isByClock: boolean) => {
    for (const [caller, token] of Object.entries(callers)) {
      const manner = token === undefined ? {} : { token }
      const asked: [string, object][] = lists.map(query => [query, {}])
      if (token !== undefined && token !== staff) asked.push(...inboxes.map((query): [string, object] => [query, {}]))
      if (cursors.length > 0) asked.push([following, { after: cursors.at(-1) }], [following, { after: pick(cursors) }])
      for (const [query, variables] of asked) {
        const answer = await put(running, query, variables, manner)
        const { asOf, ...fresh } = (await put(running, query.replace('{', '{ asOf '), variables, manner)).data
        const what = `${caller} at ${clock.now.toISOString()} asking ${query} ${JSON.stringify(variables)}`
        expect(asOf, what).toBeDefined()
        expect(answer.data, what).toEqual(fresh)
        if (answer.isKept) found.kept++
        if (answer.isKept && query === following) found.followed++
        const key = JSON.stringify([caller, query, variables])
        if (isByClock && query !== following && (before.get(key) ?? answer.text) !== answer.text) found.moved++
        before.set(key, answer.text)
      }
    }
    // One on whose list no pin of today stands.
    const { data } = await put(running, '{ asOf announcements(first: 1) { pageInfo { endCursor } } }')
    const cursor = String(data.announcements?.pageInfo?.endCursor)
    if (cursor !== 'null' && draw(5) === 0) cursors.push(cursor)
    if (cursors.length > 3) cursors.shift()
  }

  for (let i = 0; i < 8; i++) await writes[0]!()
  for (let round = 0; round < rounds; round++) {
    const isByClock = draw(2) === 0
    if (isByClock) moveClock()
    else await pick(writes)()
    const published = await publishDue(services, error => expect(error).toBeUndefined())
    await settle(running)
    await compare(isByClock && published.length === 0)
  }
  // Much was found, and much of it that the clock alone had moved in between.
  expect(found.kept).toBeGreaterThan(5 * rounds)
  expect(found.moved).toBeGreaterThan(rounds / 2)
  expect(found.followed).toBeGreaterThan(rounds / 4)
})
