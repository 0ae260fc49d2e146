import { afterAll, beforeAll, expect, test } from 'vitest'
import { programRequest } from '../../src/access/request.ts'
import { issueOfficerToken } from '../../src/access/tokens.ts'
import { writeId } from '../../src/ids.ts'
import { ask, openLine, subscription } from '../server/harness.ts'
import { type Real, runReal } from '../server/real.ts'
import type { TestMember } from '../support/alliance.ts'
import { mutations } from './story.ts'

let running: Real
let member: TestMember
beforeAll(async () => {
  running = await runReal()
  member = await running.alliance.member()
})
afterAll(() => running.end())

let made = 0

/** A new officer, with its token and the id that the API shows. */
async function officer(role: 'REPRESENTATIVE' | 'LIAISON' | 'VIEWER') {
  const { db, now, wake } = running.services
  const email = `live-${++made}@yungu.example`
  const request = programRequest(db, now(), 'test', wake)
  const { secret } = await issueOfficerToken(request, { name: '小谷', email, role, memberId: member.uuid })
  const row = await db
    .selectFrom('officers')
    .innerJoin('accounts', 'accounts.id', 'officers.accountId')
    .select('officers.id')
    .where('email', '=', email)
    .executeTakeFirstOrThrow()
  return { secret, id: writeId('Officer', row.id), email }
}

const followed = 'subscription { memberChanged { cursor member { id } } }'
const update = (version: number) => ({
  id: '2',
  type: 'subscribe',
  payload: {
    query: `mutation ($id: ID!, $input: UpdateProfileInput!) { updateProfile(id: $id, input: $input) { userErrors { code } } }`,
    variables: { id: member.id, input: { expectedVersion: version, profile: { size: 7 } } },
  },
})

test('the sockets of an officer who is removed close within five seconds, and those of others stay', async () => {
  const representative = await officer('REPRESENTATIVE')
  const leaving = await officer('LIAISON')
  const staying = await officer('LIAISON')
  const line = await openLine(running, { token: leaving.secret })
  line.send(subscription('1', followed))
  const idle = await openLine(running, { token: leaving.secret })
  const other = await openLine(running, { token: staying.secret })
  const started = performance.now()
  const answer = await ask(
    running,
    'http',
    { query: mutations.removeOfficer, variables: { id: leaving.id, reason: '离职' } },
    { token: representative.secret },
  )
  expect(answer.data).toEqual({ out: { officer: null, userErrors: [] } })
  const refused = await ask(running, 'http', { query: '{ viewer { kind } }' }, { token: leaving.secret })
  expect(refused.errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }])
  for (const { closed } of [line, idle]) expect(await closed).toMatchObject({ code: 4403 })
  expect(performance.now() - started).toBeLessThan(5_000)
  expect(other.socket.readyState).toBe(other.socket.OPEN)
  other.socket.close()
})

test('a demotion is felt at once, on a socket that is open and over HTTP', async () => {
  const representative = await officer('REPRESENTATIVE')
  const demoted = await officer('LIAISON')
  const line = await openLine(running, { token: demoted.secret })
  await ask(
    running,
    'http',
    { query: mutations.changeOfficerRole, variables: { id: demoted.id, role: 'VIEWER' } },
    { token: representative.secret },
  )
  line.send(update(member.row.version))
  expect(await line.next('next')).toMatchObject({
    payload: { errors: [{ extensions: { code: 'FORBIDDEN' } }] },
  })
  const { data } = await ask(running, 'http', { query: '{ viewer { role } }' }, { token: demoted.secret })
  expect(data).toEqual({ viewer: { role: 'VIEWER' } })
  line.socket.close()
})

test('signing out ends the own token and its sockets, and no other', async () => {
  const { secret } = await officer('LIAISON')
  const other = await officer('LIAISON')
  const line = await openLine(running, { token: secret })
  expect((await ask(running, 'http', { query: mutations.signOut }, { token: secret })).data).toEqual({
    out: { userErrors: [] },
  })
  expect(await line.closed).toMatchObject({ code: 4403 })
  const viewer = (token: string) => ask(running, 'http', { query: '{ viewer { kind } }' }, { token })
  expect((await viewer(secret)).errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }])
  expect((await viewer(other.secret)).data).toEqual({ viewer: { kind: 'OFFICER' } })
  const anonymous = await ask(running, 'http', { query: mutations.signOut }, { language: 'zh' })
  expect(anonymous.errors).toMatchObject([{ message: '您没有使用令牌。', extensions: { code: 'UNAUTHENTICATED' } }])
})

test('without a mail server an invitation is shown in the log, without its code', async () => {
  const input = { member: member.id, role: 'VIEWER', name: '王小云', email: 'logged@yungu.example' }
  const answer = await ask(
    running,
    'http',
    { query: mutations.inviteOfficer, variables: { input } },
    { token: running.staff },
  )
  const { code } = answer.data!.out as { code: string }
  const shown = async () => {
    const { data } = await ask(
      running,
      'http',
      { query: '{ mails(filter: { states: [LOGGED] }) { nodes { recipient } } }' },
      { token: running.staff },
    )
    return JSON.stringify(data).includes('logged@yungu.example')
  }
  while (!(await shown())) await new Promise(resolve => setTimeout(resolve, 20))
  const line = running.logged.find(entry => entry.includes('logged@yungu.example'))
  expect(line).toContain('SMTP_URL')
  expect(line).toContain('[…]')
  // Also where a caller puts the code into a place that is logged.
  await fetch(`${running.url}/graphql?query=${encodeURIComponent(`{ invitation(code: "${code}") { state } }`)}`, {
    headers: { 'apollo-require-preflight': '1', 'x-request-id': code },
  })
  expect(running.logged.join('')).not.toContain(code)
})
