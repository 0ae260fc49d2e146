import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { TestMember } from '../support/alliance.ts'
import { places } from '../support/alliance.ts'
import { itOnPostgres } from '../support/database.ts'
import { type Manner, put, settle, type Told } from './answers-story.ts'
import { ask, figure } from './harness.ts'
import { type Real, runReal } from './real.ts'

let running: Real
let member: TestMember
let other: TestMember
beforeAll(async () => {
  running = await runReal()
})
afterAll(() => running.end())
beforeEach(async () => {
  member = await running.alliance.member({ region: places.chengdu })
  other = await running.alliance.member({ region: places.shenzhen })
  await settle(running)
})

const profile = 'query Profile($id: ID!) { member(id: $id) { id version profile { name summary } } }'
const contacts = 'query Contacts($id: ID!) { member(id: $id) { id contacts { name } } }'
const about = ({ id }: TestMember, query = profile, manner: Manner = {}) => put(running, query, { id }, manner)

/** Changes the summary of a member through the API. */
async function edit({ id }: TestMember, summary: string, door: 'http' | 'websocket' = 'http') {
  const { data } = await about({ id } as TestMember, 'query ($id: ID!) { asOf member(id: $id) { version } }')
  const version = Number(data.member?.version)
  const input = { expectedVersion: version, profile: { summaries: [{ locale: 'zh-Hans', text: summary }] } }
  const query = `mutation ($id: ID!, $input: UpdateProfileInput!) {
    updateProfile(id: $id, input: $input) { member { version } userErrors { message } } }`
  const answer = await ask(running, door, { query, variables: { id, input } }, { token: running.staff })
  expect(answer).toMatchObject({ data: { updateProfile: { member: { version: version + 1 }, userErrors: [] } } })
}

describe('a question asked again', () => {
  it('is answered from memory, in the same bytes, logged and counted like any other', async () => {
    const before = {
      kept: await figure(running, 'alliance_answers_total', 'outcome="kept"'),
      made: await figure(running, 'alliance_answers_total', 'outcome="made"'),
      named: await figure(running, 'alliance_operation_seconds_count', 'name="Profile"'),
      done: await figure(running, 'alliance_operations_total', 'outcome="OK"'),
    }
    const first = await about(member)
    const second = await about(member)
    expect([first.isKept, second.isKept]).toEqual([false, true])
    expect(second.text).toBe(first.text)
    expect(second.status).toBe(200)
    expect(JSON.parse(second.text).extensions.cost).toEqual({ cost: expect.any(Number), limit: 10_000 })
    expect(second.line).toMatchObject({
      door: 'http',
      operation: 'query',
      name: 'Profile',
      cost: first.line!.cost,
      actor: { kind: 'ANONYMOUS', ref: 'anonymous' },
      kept: true,
    })
    expect(first.line).not.toHaveProperty('kept')
    for (const { headers } of [first, second]) {
      expect(headers.get('content-type')).toBe('application/json; charset=utf-8')
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.get('vary')).toContain('accept-language')
      expect(headers.get('x-content-type-options')).toBe('nosniff')
    }
    expect(second.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'))
    expect(await figure(running, 'alliance_answers_total', 'outcome="kept"')).toBe(before.kept + 1)
    expect(await figure(running, 'alliance_answers_total', 'outcome="made"')).toBe(before.made + 1)
    expect(await figure(running, 'alliance_operation_seconds_count', 'name="Profile"')).toBe(before.named + 2)
    expect(await figure(running, 'alliance_operations_total', 'outcome="OK"')).toBe(before.done + 2)
    expect(await figure(running, 'alliance_answers_bytes')).toBeGreaterThan(500)
  })

  it('is another one with other variables, another operation, another language, or another form', async () => {
    await about(member)
    const two = `${profile} query Other($id: ID!) { member(id: $id) { id } }`
    expect((await about(member, two, { operationName: 'Profile' })).data).toHaveProperty('member.profile')
    const asked = await about(member, two, { operationName: 'Other' })
    expect(asked.data).toEqual({ member: { id: member.id } })
    expect(asked.isKept).toBe(false)
    expect((await about(other)).data).toMatchObject({ member: { id: other.id } })
    expect((await about(member, profile, { language: 'zh' })).isKept).toBe(false)
    const accept = { accept: 'application/graphql-response+json' }
    const form = await about(member, profile, { headers: accept })
    expect(form.headers.get('content-type')).toBe('application/graphql-response+json; charset=utf-8')
    expect(form.isKept).toBe(false)
    expect((await about(member)).isKept).toBe(true)
    expect((await about(member, profile, { headers: accept })).headers.get('content-type')).toBe(
      'application/graphql-response+json; charset=utf-8',
    )
  })

  it('is read anew after any change of what it shows, whatever door that came by, and only then', async () => {
    const list = `query List { members(filter: { regions: ["${places.chengdu}"] }) { totalCount nodes { profile { summary } } } }`
    for (const door of ['http', 'websocket'] as const) {
      // The journal tells once more of what this process changed before.
      await settle(running)
      await about(member)
      await about(other)
      await put(running, list)
      await edit(other, `别处的消息 ${door}`, door)
      expect((await about(member)).isKept).toBe(true)
      // A change of one that the list does not show, by nothing that lists go by.
      expect((await put(running, list)).isKept).toBe(true)
      await edit(member, `新的简介 ${door}`, door)
      expect((await about(member)).data).toMatchObject({ member: { profile: { summary: `新的简介 ${door}` } } })
      const changed = await put(running, list)
      expect(changed.isKept).toBe(false)
      expect(changed.text).toContain(`新的简介 ${door}`)
      expect((await about(other)).data).toMatchObject({ member: { profile: { summary: `别处的消息 ${door}` } } })
    }
  })

  itOnPostgres('shows what was written through this process at once, before the journal tells of it', async () => {
    const { db } = running.alliance
    await about(member)
    await db.transaction().execute(async tx => {
      // Nothing gets a place in the journal meanwhile.
      await sql`select seq from journal_head for update`.execute(tx)
      expect((await about(member)).isKept).toBe(true)
      await edit(member, '写后即读')
      expect((await about(member)).data).toMatchObject({ member: { profile: { summary: '写后即读' } } })
    })
  })

  it('is read anew when a list may have a new row, also one that was empty', async () => {
    const list = 'query { members(filter: { name: "唯一的名字" }) { totalCount nodes { id } } }'
    await put(running, list)
    expect((await put(running, list)).isKept).toBe(true)
    const query = `mutation ($input: RegisterMemberInput!) { registerMember(input: $input) { member { id } userErrors { message } } }`
    const input = { kind: 'COMPANY', profile: { names: [{ locale: 'zh-Hans', text: '唯一的名字' }] } }
    const { data } = await ask(running, 'http', { query, variables: { input } }, { token: running.staff })
    const { id } = (data as { registerMember: { member: { id: string } } }).registerMember.member
    expect((await put(running, list)).data).toEqual({ members: { totalCount: 1, nodes: [{ id }] } })
  })

  it('holds until a pin ends, and no longer', async () => {
    const { clock } = running.alliance
    const start = clock.now
    const id = await running.publish()
    const until = new Date(start.getTime() + 3_600_000)
    const query = `mutation ($id: ID!, $until: DateTime!) {
      editAnnouncement(id: $id, input: { expectedVersion: 2, pinnedUntil: $until, reason: "…" }) { userErrors { message } } }`
    const edited = await ask(running, 'http', { query, variables: { id, until } }, { token: running.staff })
    expect(edited.data).toEqual({ editAnnouncement: { userErrors: [] } })
    const latest = await running.publish()
    await settle(running)
    const asked = () => put(running, 'query ($id: ID!) { announcement(id: $id) { isPinned } }', { id })
    const listed = () => put(running, '{ announcements(first: 1) { nodes { id } pageInfo { endCursor } } }')
    const first = ({ data }: Told) => data.announcements?.nodes?.[0]?.id
    expect((await asked()).data).toEqual({ announcement: { isPinned: true } })
    const page = await listed()
    expect(first(page)).toBe(id)
    // Who pages on, pages on in the list as it was.
    const after = page.data.announcements?.pageInfo?.endCursor
    const onward = () =>
      put(running, 'query ($after: String) { announcements(first: 1, after: $after) { nodes { id } } }', { after })
    expect(first(await onward())).toBe(latest)
    clock.now = new Date(until.getTime() - 1)
    expect((await asked()).isKept).toBe(true)
    expect((await listed()).isKept).toBe(true)
    clock.now = until
    expect((await asked()).data).toEqual({ announcement: { isPinned: false } })
    expect(first(await listed())).toBe(latest)
    expect((await onward()).isKept).toBe(true)
    clock.now = start
  })
})

describe('nobody is given', () => {
  it('the inbox of another member, nor what another officer has not read', async () => {
    const [one, colleague, stranger] = [
      await running.officer(member),
      await running.officer(member),
      await running.officer(other),
    ]
    const id = await running.draft({ include: [{ members: [member.id] }] })
    const publish =
      'mutation ($id: ID!) { publishAnnouncement(id: $id, expectedVersion: 1) { userErrors { message } } }'
    await ask(running, 'http', { query: publish, variables: { id } }, { token: running.staff })
    await settle(running)
    const inbox = (token: string, args = '') => put(running, `{ inbox${args} { nodes { id } } }`, {}, { token })
    expect((await inbox(one)).data).toEqual({ inbox: { nodes: [{ id }] } })
    const shared = await inbox(colleague)
    expect([shared.isKept, shared.data]).toEqual([true, { inbox: { nodes: [{ id }] } }])
    expect((await inbox(stranger)).data).toEqual({ inbox: { nodes: [] } })
    const unread = '(filter: { unread: true })'
    const read = 'mutation ($id: ID!) { markAnnouncementRead(id: $id) { userErrors { message } } }'
    for (const token of [one, colleague]) expect((await inbox(token, unread)).data.inbox?.nodes).toHaveLength(1)
    await ask(running, 'http', { query: read, variables: { id } }, { token: one })
    expect((await inbox(one, unread)).data).toEqual({ inbox: { nodes: [] } })
    const left = await inbox(colleague, unread)
    expect([left.isKept, left.data]).toEqual([false, { inbox: { nodes: [{ id }] } }])
  })

  it('what only others may see', async () => {
    const token = await running.officer(member)
    const strangers = await running.officer(await running.alliance.member({ status: 'LISTED' }))
    const asked = (token?: string) => about(member, contacts, token ? { token } : {})
    expect((await asked(running.staff)).data).toEqual({ member: { id: member.id, contacts: [] } })
    expect((await asked(running.staff)).isKept).toBe(true)
    const refused = await asked()
    expect(refused.isKept).toBe(false)
    expect(refused.text).toContain('UNAUTHENTICATED')
    expect((await asked(token)).isKept).toBe(false)
    expect((await asked(token)).isKept).toBe(true)
    // Another of the same member sees the same.
    expect((await asked(await running.officer(member))).isKept).toBe(true)
    expect((await asked(strangers)).data).toEqual({ member: { id: member.id, contacts: null } })
  })

  it('what is about a caller itself', async () => {
    const id = await running.publish()
    const receipt = 'query ($id: ID!) { announcement(id: $id) { id receipt { readAt } } }'
    for (const query of ['{ viewer { name } }', '{ inbox { nodes { id receipt { readAt } } } }', receipt, '{ asOf }']) {
      const token = await running.officer(member)
      await put(running, query, { id }, { token })
      const again = await put(running, query, { id }, { token })
      expect(again.status).toBe(200)
      expect(again.isKept).toBe(false)
    }
  })

  it('anything by a token that has ended', async () => {
    const token = await running.officer(member)
    await about(member, profile, { token })
    expect((await about(member, profile, { token })).isKept).toBe(true)
    expect((await about(member, profile, { token: `${token.slice(0, -1)}x` })).status).toBe(401)
    const query = 'mutation ($id: ID!) { revokeToken(id: $id, reason: "lost") { userErrors { message } } }'
    const tokens = '{ tokens(first: 100) { nodes { id revokedAt kind } } }'
    const { data } = await put(running, tokens, {}, { token: running.staff })
    const { nodes } = data.tokens as unknown as { nodes: { id: string; kind: string }[] }
    for (const { id, kind } of nodes)
      if (kind === 'OFFICER') await ask(running, 'http', { query, variables: { id } }, { token: running.staff })
    const refused = await about(member, profile, { token })
    expect(refused.status).toBe(401)
    expect(refused.text).toContain('UNAUTHENTICATED')
  })

  it('an error that somebody else made', async () => {
    const wrong = ['{ nothing }', '{ members(first: 1000) { nodes { id } } }', 'query A { asOf } query B { asOf }', '{']
    for (const query of wrong)
      for (const accept of ['application/json', 'application/graphql-response+json']) {
        const asked = () => put(running, query, {}, { headers: { accept } })
        const [first, second] = [await asked(), await asked()]
        expect(JSON.parse(first.text).errors).toHaveLength(1)
        expect([second.status, second.isKept]).toEqual([first.status, false])
        expect(second.line, query).toHaveProperty('codes')
      }
  })

  it('a page that left', async () => {
    const parent = await running.alliance.member()
    const child = await running.alliance.member({ profile: { parentId: parent.uuid } })
    const query = 'query ($id: ID!) { member(id: $id) { profile { parent { id } } } }'
    const asked = (manner?: Manner) => about(child, query, manner)
    expect((await asked()).data).toEqual({ member: { profile: { parent: { id: parent.id } } } })
    await asked({ token: running.staff })
    const withdraw = `mutation ($id: ID!) {
      withdrawMember(id: $id, input: { expectedVersion: 2, reason: "…" }) { member { version } userErrors { message } } }`
    await ask(running, 'http', { query: withdraw, variables: { id: parent.id } }, { token: running.staff })
    expect((await asked()).data).toEqual({ member: { profile: { parent: null } } })
    expect((await asked({ token: running.staff })).data).toEqual({ member: { profile: { parent: { id: parent.id } } } })
    expect((await about(parent)).data).toEqual({ member: null })
  })
})

describe('GET', () => {
  it('tells caches to ask whether it still holds, and says so without the answer when it does', async () => {
    const get: Manner = { method: 'GET' }
    const first = await about(member, profile, get)
    const tag = first.headers.get('etag')!
    expect(tag).toMatch(/^W\/"[\w-]+"$/)
    expect(first.headers.get('cache-control')).toBe('public, no-cache')
    for (const known of [tag, tag.slice(2), `"x", ${tag}`, '*']) {
      const same = await about(member, profile, { ...get, headers: { 'if-none-match': known } })
      expect([same.status, same.text, same.isKept]).toEqual([304, '', true])
      expect(same.headers.get('etag')).toBe(tag)
      expect(same.headers.get('cache-control')).toBe('public, no-cache')
      expect(same.headers.get('vary')).toContain('authorization')
    }
    const known = { ...get, headers: { 'if-none-match': tag } }
    await edit(member, '又一个简介')
    const changed = await about(member, profile, known)
    expect([changed.status, changed.isKept]).toEqual([200, false])
    expect(changed.headers.get('etag')).not.toBe(tag)
    // Read anew, and still the same: nothing is sent either.
    const rest = { ...get, headers: { 'if-none-match': changed.headers.get('etag')! } }
    await edit(member, '第三个简介')
    await edit(member, '又一个简介')
    expect((await about(member, 'query Profile($id: ID!) { member(id: $id) { id } }', rest)).status).toBe(200)
    const token = running.staff
    expect((await about(member, profile, { ...get, token })).headers.get('cache-control')).toBe('private, no-cache')
  })

  it('is not answered from memory to a page that may not read it', async () => {
    const get: Manner = { method: 'GET' }
    await about(member, profile, get)
    expect((await about(member, profile, get)).isKept).toBe(true)
    const simple = await about(member, profile, { ...get, headers: { 'apollo-require-preflight': '' } })
    expect([simple.status, simple.isKept]).toEqual([400, false])
    expect(simple.headers.get('cache-control')).toBe('no-store')
  })

  it('is told nothing of what is not kept', async () => {
    const { headers, status } = await put(running, '{ viewer { name } }', {}, { method: 'GET', token: running.staff })
    expect([status, headers.get('etag'), headers.get('cache-control')]).toEqual([200, null, 'no-store'])
  })

  it('has the same tag for the same answer in the same form alone', async () => {
    const get: Manner = { method: 'GET' }
    const tag = (await about(member, profile, get)).headers.get('etag')
    const again = await about(member, `${profile} `, get)
    expect([again.isKept, again.headers.get('etag')]).toEqual([false, tag])
    const form = await about(member, profile, { ...get, headers: { accept: 'application/graphql-response+json' } })
    expect(form.headers.get('etag')).not.toBe(tag)
  })
})

it('an answer is kept as it was compressed for those who take the same', async () => {
  const query = 'query ($id: ID!) { member(id: $id) { profile { description } } }'
  const description = '元宇宙'.repeat(600)
  const big = await running.alliance.member({ profile: { descriptions: [{ locale: 'zh-Hans', text: description }] } })
  await settle(running)
  const tags = new Set<string | null>()
  for (const [accepted, encoding] of [
    ['identity', null],
    ['gzip', 'gzip'],
    ['gzip, br', 'br'],
    ['br;q=0, gzip', 'gzip'],
    ['zstd', null],
  ] as const) {
    const manner: Manner = { method: 'GET', headers: { 'accept-encoding': accepted } }
    await about(big, query, manner)
    const kept = await about(big, query, manner)
    expect([kept.isKept, kept.headers.get('content-encoding')]).toEqual([true, encoding])
    expect(kept.data).toEqual({ member: { profile: { description } } })
    expect(kept.headers.get('vary')).toMatch(/authorization.*accept-encoding/)
    tags.add(kept.headers.get('etag'))
    // What is short is sent as it is.
    expect((await about(member, profile, manner)).headers.get('content-encoding')).toBeNull()
  }
  expect(tags.size).toBe(1)
})

it('keeps nothing where it is told so', async () => {
  const without = await runReal({ ANSWER_CACHE: 0 })
  try {
    const asked = () => put(without, '{ members { totalCount } }', {}, { method: 'GET' })
    await asked()
    const { isKept, headers } = await asked()
    expect([isKept, headers.get('etag'), headers.get('cache-control')]).toEqual([false, null, 'no-store'])
  } finally {
    await without.end()
  }
})
