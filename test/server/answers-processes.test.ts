import { randomInt } from 'node:crypto'
import pg from 'pg'
import { afterEach, expect } from 'vitest'
import { parseId } from '../../src/ids.ts'
import { readCursor } from '../../src/journal/cursor.ts'
import { createPostgresDatabase, itOnPostgres } from '../support/database.ts'
import { headersOf } from './answers-story.ts'
import { type Launched, launch } from './launch.ts'

/** How long writers and readers run, in seconds. */
const seconds = Number(process.env.ANSWERS_SECONDS ?? 8)
/** What is answered may be so old on another process than the one that wrote, in milliseconds: as long as a cut off feed is trusted, and time to answer. */
const delay = 5_000

const running = new Set<Launched>()
afterEach(() => {
  for (const { child } of running) child.kill('SIGKILL')
  running.clear()
})

const pick = <T>(from: readonly T[]): T => from[randomInt(from.length)]!

interface Thing {
  readonly id: string
  readonly version: number
}
interface Answer {
  readonly data: Record<string, unknown> | null
  readonly errors?: readonly { message: string }[]
}

/** One of several processes of a service, with what it acknowledged. */
type Process = ReturnType<typeof reach>

function reach(url: string) {
  const ask = async (query: string, variables: object, token: string | undefined): Promise<Answer> => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: headersOf(token === undefined ? {} : { token }),
      body: JSON.stringify({ query, variables }),
    })
    return (await response.json()) as Answer
  }
  return {
    ask,
    /** The versions that it acknowledged, by id. */
    acknowledged: new Map<string, number>(),
    /** The last event that it knows. */
    position: async () => readCursor((await ask('{ asOf }', {}, undefined)).data!.asOf as string).seq,
    /** How many answers it found or made. */
    figure: async (outcome: string) => {
      const text = await (await fetch(`${url}/metrics`)).text()
      return Number(new RegExp(`^alliance_answers_total{outcome="${outcome}"} (\\d+)`, 'm').exec(text)?.[1] ?? 0)
    },
  }
}

/** What one answer showed. */
interface Reading {
  readonly process: Process
  readonly question: string
  readonly askedAt: number
  /** What the process knew when it was asked. */
  readonly position: number
  readonly shown: readonly Thing[]
}

/** Every thing with a version that an answer shows. */
function thingsIn(value: unknown, found: Thing[] = []): Thing[] {
  if (typeof value !== 'object' || value === null) return found
  if ('id' in value && 'version' in value) found.push(value as Thing)
  for (const inner of Object.values(value)) thingsIn(inner, found)
  return found
}

const row = 'id version updatedAt profile { name summary }'
const page = `totalCount pageInfo { hasNextPage endCursor } nodes { ${row} }`
const wide = `${row} region { name } membership { status joiningNumber } profile { fields { label } parent { id version profile { name } } lead { id version } }`
const out = 'id version status title isPinned updatedAt'

itOnPostgres(
  'two processes under random writes answer nothing that is older than it may be',
  { timeout: (seconds + 120) * 1_000 },
  async () => {
    const database = await createPostgresDatabase()
    const start = async () => {
      const launched = await launch({ DATABASE_URL: database, LOG_LEVEL: 'warn' })
      running.add(launched)
      return { launched, process: reach(await launched.serving) }
    }
    const first = await start()
    const staff = /mva_[0-9a-z]{26}_\S+/.exec(first.launched.text())![0]
    const second = await start()
    const processes = [first.process, second.process]
    const client = new pg.Client({ connectionString: database })
    await client.connect()

    const failures: string[] = []
    const acknowledgements: { readonly uuid: string; readonly version: number; readonly at: number }[] = []
    const readings: Reading[] = []
    const acknowledge = (by: Process, { id, version }: Thing) => {
      by.acknowledged.set(id, Math.max(version, by.acknowledged.get(id) ?? 0))
      acknowledgements.push({ uuid: parseId(id)!.uuid, version, at: performance.now() })
    }
    const refusals = new Map<string, number>()
    /** Makes a change; null when it was refused. */
    const change = async <T extends object>(
      by: Process,
      query: string,
      variables: object,
      token = staff,
    ): Promise<T | null> => {
      const { data, errors } = await by.ask(query, variables, token)
      const made = data?.out as ({ thing: Thing | null; userErrors: { code: string }[] } & T) | undefined
      if (errors || !made) throw new Error(JSON.stringify(errors))
      const isRefused = made.userErrors.length > 0
      for (const { code } of made.userErrors) refusals.set(code, (refusals.get(code) ?? 0) + 1)
      if (made.thing) {
        if (!isRefused) acknowledge(by, made.thing)
        versions.set(made.thing.id, made.thing.version)
      }
      return isRefused ? null : made
    }
    /** The versions that writers saw last. */
    const versions = new Map<string, number>()

    // The world: cities of the founding data, some members of ours, and their officers.
    const cities = await first.process.ask(
      '{ members(filter: { kinds: [CITY], regions: ["510000"] }, first: 3) { nodes { id version } } }',
      {},
      undefined,
    )
    const members = thingsIn(cities.data).map(({ id }) => id)
    for (const { id, version } of thingsIn(cities.data)) versions.set(id, version)
    const announcements: string[] = []
    const officers: string[] = []
    const sichuan = await first.process.ask(
      '{ regions(filter: { province: "510000" }, first: 4) { nodes { code } } }',
      {},
      undefined,
    )
    const { nodes } = sichuan.data!.regions as { nodes: { code: string }[] }
    const places = [...nodes.map(({ code }) => code), '440300']
    let made = 0
    const register = async (by: Process) => {
      const names = [{ locale: 'zh-Hans', text: `云谷虚构第${++made}公司` }]
      const kind = pick(['COMPANY', 'ASSOCIATION'])
      const input = {
        kind,
        ...(kind === 'ASSOCIATION' && { associationKind: 'ALLIANCE' }),
        region: pick(places),
        profile: { names },
      }
      const done = await change<{ thing: Thing }>(
        by,
        'mutation ($input: RegisterMemberInput!) { out: registerMember(input: $input) { thing: member { id version } userErrors { code } } }',
        { input },
      )
      if (done) members.push(done.thing.id)
      return done?.thing
    }
    const decide = (by: Process, id: string, decision: string) =>
      change(
        by,
        `mutation ($id: ID!, $input: MembershipDecisionInput!) {
          out: ${decision}Member(id: $id, input: $input) { thing: member { id version } userErrors { code } } }`,
        { id, input: { expectedVersion: versions.get(id), reason: '…' } },
      )
    for (let i = 0; i < 10; i++) expect(await register(first.process)).toBeDefined()
    for (const id of members.slice(3, 7)) {
      await decide(first.process, id, 'admit')
      const issued = await first.process.ask(
        'mutation ($input: IssueOfficerTokenInput!) { issueOfficerToken(input: $input) { secret } }',
        { input: { member: id, role: 'LIAISON', name: '联络员', email: `${officers.length}@example.org` } },
        staff,
      )
      officers.push((issued.data!.issueOfficerToken as { secret: string }).secret)
    }

    const profile = (by: Process, id: string, changes: object) =>
      change(
        by,
        `mutation ($id: ID!, $input: UpdateProfileInput!) {
          out: updateProfile(id: $id, input: $input) { thing: member { id version } userErrors { code } } }`,
        { id, input: { expectedVersion: versions.get(id), profile: changes } },
      )
    const text = (name: string, value: string) => ({ [name]: [{ locale: 'zh-Hans', text: value }] })
    const outOf = '{ thing: announcement { id version } userErrors { code } }'
    const publish = async (by: Process) => {
      const { data } = await by.ask(
        `mutation ($input: DraftAnnouncementInput!) { out: draftAnnouncement(input: $input) ${outOf} }`,
        {
          input: {
            ...text('titles', `第${++made}号通知`),
            ...text('bodies', '…'),
            category: 'NOTICE',
            audience: {
              include: [pick([{ public: true }, { members: pick([members.slice(3, 5), members.slice(5, 7)]) }])],
            },
            acknowledgeBy: new Date(Date.now() + 86_400_000).toISOString(),
          },
        },
        staff,
      )
      const { id } = (data!.out as { thing: Thing }).thing
      const done = await change(
        by,
        `mutation ($id: ID!) { out: publishAnnouncement(id: $id, expectedVersion: 1) ${outOf} }`,
        { id },
      )
      if (done) announcements.push(id)
    }
    while (announcements.length === 0) await publish(first.process)
    const writes: ((by: Process) => Promise<unknown>)[] = [
      by => profile(by, pick(members), text('summaries', `简介 ${++made}`)),
      by => profile(by, pick(members), text('summaries', `简介 ${++made}`)),
      by => profile(by, pick(members), text('names', `改名 ${++made}`)),
      by => profile(by, pick(members), { fields: pick([['digital_twin'], ['virtual_human'], []]) }),
      by => profile(by, pick(members.slice(3)), { parent: pick(members.slice(0, 3)), lead: null }),
      by =>
        change(
          by,
          `mutation ($id: ID!, $input: SetContactsInput!) {
            out: setContacts(id: $id, input: $input) { thing: member { id version } userErrors { code } } }`,
          (id => ({
            id,
            input: {
              expectedVersion: versions.get(id),
              contacts: [{ role: '秘书', name: `小谷 ${++made}`, phone: null, email: null }],
            },
          }))(pick(members)),
        ),
      by =>
        change(
          by,
          `mutation ($id: ID!, $input: CorrectRegistrationInput!) {
            out: correctRegistration(id: $id, input: $input) { thing: member { id version } userErrors { code } } }`,
          (id => ({ id, input: { expectedVersion: versions.get(id), region: pick(places), reason: '…' } }))(
            pick(members.slice(3)),
          ),
        ),
      by => (members.length < 60 ? register(by) : Promise.resolve()),
      // The officers' own members stay, or their tokens would end.
      by => decide(by, pick(members.slice(7)), pick(['admit', 'suspend', 'reinstate', 'withdraw'])),
      by => decide(by, pick(members.slice(7)), pick(['admit', 'suspend', 'reinstate', 'withdraw'])),
      by => (announcements.length < 40 ? publish(by) : Promise.resolve()),
      by =>
        change(
          by,
          `mutation ($id: ID!, $input: EditAnnouncementInput!) { out: editAnnouncement(id: $id, input: $input) ${outOf} }`,
          (id => ({
            id,
            input: {
              expectedVersion: versions.get(id),
              reason: '…',
              ...pick([
                text('titles', `改题 ${++made}`),
                { pinnedUntil: new Date(Date.now() + 600).toISOString() },
                { pinnedUntil: null },
              ]),
            },
          }))(pick(announcements)),
        ),
      by =>
        change(
          by,
          `mutation ($id: ID!, $version: Int!) { out: retractAnnouncement(id: $id, expectedVersion: $version, reason: "…") ${outOf} }`,
          (id => ({ id, version: versions.get(id) }))(pick(announcements)),
        ),
      by =>
        change(
          by,
          `mutation ($id: ID!) { out: acknowledgeAnnouncement(id: $id) ${outOf} }`,
          { id: pick(announcements) },
          pick(officers),
        ).catch(() => undefined),
    ]

    const callers = [undefined, undefined, staff, ...officers.slice(0, 2)]
    const lists = [
      '{ members(first: 10) { PAGE } }',
      '{ members(first: 5, orderBy: { by: UPDATED, direction: DESC }) { PAGE } }',
      '{ members(first: 5, orderBy: { by: JOINED, direction: ASC }) { PAGE } }',
      '{ members(filter: { regions: ["510000"] }, first: 20) { PAGE } }',
      '{ members(filter: { regions: ["440300"] }) { PAGE } }',
      '{ members(filter: { fields: ["digital_twin"], kinds: [COMPANY] }) { PAGE } }',
      '{ members(filter: { statuses: [ADMITTED] }) { PAGE } }',
      '{ members(filter: { statuses: [WITHDRAWN] }) { PAGE } }',
      '{ members(filter: { name: "改名" }, first: 5) { PAGE } }',
      `{ members(filter: { kinds: [CITY], regions: ["510000"] }) { nodes { ${row} ... on City { companies(first: 3) { PAGE } } } } }`,
      `{ announcements(first: 10) { totalCount nodes { ${out} } } }`,
      // Without what tells by itself that it is pinned.
      '{ announcements(first: 3) { pageInfo { hasNextPage } nodes { id version } } }',
      '{ announcements(first: 5, filter: { statuses: [PUBLISHED], public: false }) { totalCount nodes { id version } } }',
      '{ announcements(first: 5, filter: { title: "改题" }) { totalCount nodes { id version } } }',
    ].map(query => ({ query: query.replaceAll('PAGE', page), variables: {} }))
    const inboxes = ['', ', filter: { unacknowledged: true }', ', filter: { unread: true }'].map(filter => ({
      query: `{ inbox(first: 5${filter}) { totalCount nodes { id version title } } }`,
      variables: {},
    }))
    const question = (token: string | undefined): { query: string; variables: object } => {
      const roll = randomInt(10)
      if (roll < 2 && token !== undefined && token !== staff) return pick(inboxes)
      if (roll < 4) return pick(lists)
      if (roll < 6)
        return {
          query: `query ($id: ID!) { announcement(id: $id) { ${out} } }`,
          variables: { id: pick(announcements) },
        }
      const more = token === staff ? 'contacts { name } profileHistory(first: 2) { nodes { version by } }' : ''
      return { query: `query ($id: ID!) { member(id: $id) { ${wide} ${more} } }`, variables: { id: pick(members) } }
    }
    const asked = new Map<string, { query: string; variables: object; token: string | undefined }>()

    const write = async () => {
      await pick(writes)(pick(processes))
      await new Promise(resolve => setTimeout(resolve, randomInt(20)))
    }
    const read = async () => {
      const process = pick(processes)
      const token = pick(callers)
      const { query, variables } = question(token)
      if (asked.size < 60) asked.set(JSON.stringify([query, variables, token]), { query, variables, token })
      const position = await process.position()
      const floor = new Map(process.acknowledged)
      const askedAt = performance.now()
      const { data, errors } = await process.ask(query, variables, token)
      if (errors) throw new Error(JSON.stringify(errors))
      const shown = thingsIn(data)
      for (const { id, version } of shown)
        if (version < (floor.get(id) ?? 0))
          failures.push(
            `own write not seen: ${id} ${version} < ${floor.get(id)} by ${query} ${JSON.stringify(variables)}`,
          )
      readings.push({ process, question: query, askedAt, position, shown })
    }

    /** Waits until both processes know all, and then compares all that was asked with what is read anew. */
    const compare = async () => {
      for (;;) {
        const { rows } = await client.query(
          'select (select count(*) from outbox)::integer as waiting, (select seq from journal_head)::integer as head',
        )
        const positions = await Promise.all(processes.map(process => process.position()))
        if (rows[0].waiting === 0 && positions.every(position => position === rows[0].head)) break
        await new Promise(resolve => setTimeout(resolve, 10))
      }
      for (const process of processes)
        for (const { query, variables, token } of asked.values()) {
          // A pin may end between the two: what is wrong stays wrong.
          const differs = async () => {
            const kept = await process.ask(query, variables, token)
            const fresh = await process.ask(query.replace('{', '{ asOf '), variables, token)
            const { asOf: _, ...data } = fresh.data!
            return JSON.stringify(kept.data) === JSON.stringify(data) ? null : [kept.data, data]
          }
          const found = (await differs()) && (await differs())
          if (found)
            failures.push(
              `at rest: ${query} ${JSON.stringify(variables)}\n${found.map(one => JSON.stringify(one)).join('\n')}`,
            )
        }
    }

    const end = performance.now() + seconds * 1_000
    let rounds = 0
    // A busy machine gets the time that it takes.
    while ((performance.now() < end || acknowledgements.length < 100) && failures.length === 0) {
      const pause = performance.now() + 1_500
      const until = async (work: () => Promise<void>) => {
        while (performance.now() < pause) await work()
      }
      await Promise.all([
        ...Array.from({ length: 3 }, () => until(write)),
        ...Array.from({ length: 6 }, () => until(read)),
      ])
      await compare()
      // Now all is kept: one change at a time must be enough.
      for (let i = 0; i < 4; i++) {
        await pick(writes)(pick(processes))
        await compare()
      }
      rounds++
      asked.clear()
    }

    // What a process knew when it was asked, it must not show as it was before.
    const { rows: log } = await client.query(
      `select seq::integer, subject, (detail ->> 'version')::integer as version from event_log where detail ? 'version' order by seq`,
    )
    const bySubject = Map.groupBy(log as { seq: number; subject: string; version: number }[], ({ subject }) => subject)
    const told = Map.groupBy(acknowledgements, ({ uuid }) => uuid)
    let oldest = 0
    for (const { question: query, position, shown, askedAt } of readings)
      for (const { id, version } of shown) {
        const { uuid } = parseId(id)!
        const known = bySubject.get(uuid)?.findLast(({ seq }) => seq <= position)?.version ?? 0
        if (version < known) failures.push(`known and not shown: ${id} ${version} < ${known} by ${query}`)
        const missed = told.get(uuid)?.filter(one => one.version > version && one.at < askedAt) ?? []
        oldest = Math.max(oldest, ...missed.map(({ at }) => askedAt - at))
      }
    const count = async (outcome: string) => {
      const figures = await Promise.all(processes.map(process => process.figure(outcome)))
      return figures.reduce((sum, one) => sum + one, 0)
    }
    const [found, anew] = [await count('kept'), await count('made')]
    console.log(
      `${rounds} rounds, ${acknowledgements.length} writes (refused: ${JSON.stringify([...refusals])}), ${readings.length} reads, ${found} answers from memory, ${anew} made; the oldest was ${oldest.toFixed(0)} ms behind`,
    )
    await client.end()
    expect(failures.slice(0, 5)).toEqual([])
    expect(oldest).toBeLessThan(delay)
    expect(found).toBeGreaterThan(100)
  },
)
