import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest'
import { change, programRequest } from '../../src/access/request.ts'
import { type Database, openPostgres } from '../../src/database/client.ts'
import { newUuid, writeId } from '../../src/ids.ts'
import { afterFailure, type Deliverer, pauseAfter, startDeliverer } from '../../src/mail/deliverer.ts'
import { marks } from '../../src/mail/marks.ts'
import { writeMail } from '../../src/mail/outbox.ts'
import { createSmtp } from '../../src/mail/smtp.ts'
import { type Alliance, createAlliance } from '../support/alliance.ts'
import { itOnPostgres, onPostgres } from '../support/database.ts'
import { type MailServer, refusal, startMailServer } from '../support/mail-server.ts'

const second = 1_000
const day = 86_400_000
const from = '云谷联盟 <office@yungu.example>'
const secret = 'mvi_the-code-of-this-mail'

let alliance: Alliance
let server: MailServer
let now: Date
let logged: { subject: string; text: string }[]
let failures: { why: string; isFinal: boolean }[]
let errors: unknown[]
let code: () => Promise<string | null>
const running: Deliverer[] = []

beforeAll(async () => {
  alliance = await createAlliance()
})
beforeEach(async () => {
  server = await startMailServer()
  now = new Date('2027-03-01T08:00:00Z')
  logged = []
  failures = []
  errors = []
  code = async () => secret
  await alliance.db.deleteFrom('mails').execute()
})
afterEach(async () => {
  for (const deliverer of running.splice(0)) await deliverer.stop()
  await server.close()
})
afterAll(() => alliance.close())

const later = (milliseconds: number) => new Date(now.getTime() + milliseconds)

const codes = { INVITATION: () => code() }

/** Writes a mail, as a change of a noun does. */
function written(recipient = 'lin@yungu.example', fail = false): Promise<string> {
  return change(programRequest(alliance.db, now, 'test'), async (tx, report) => {
    const request = programRequest(tx, now, 'test')
    const id = await writeMail(tx, report, request, {
      purpose: 'INVITATION',
      about: newUuid(),
      recipient,
      locale: 'zh-Hans',
      subject: '邀请您担任联络员',
      text: `您的邀请码：${marks.code}，见 ${marks.url}/graphql`,
    })
    if (fail) throw new Error('changed my mind')
    return id
  })
}

function start(url: string | null = server.url, db = alliance.db): Deliverer {
  const deliverer = startDeliverer({
    db,
    now: () => now,
    transport: url === null ? null : createSmtp(url, from),
    publicUrl: 'https://alliance.example',
    codes,
    onSent: () => undefined,
    onFailed: (_, why, isFinal) => failures.push({ why, isFinal }),
    onLogged: mail => logged.push(mail),
    onError: error => errors.push(error),
  })
  running.push(deliverer)
  return deliverer
}

/** Has the deliverer look once, at a moment. */
async function look(deliverer: Deliverer, at = now): Promise<void> {
  now = at
  deliverer.wake()
  await deliverer.idle()
}

const mailOf = (id: string) =>
  alliance.db.selectFrom('mails').selectAll().where('id', '=', id).executeTakeFirstOrThrow()

describe('a mail', () => {
  it('is sent as soon as it was written, with the code that nobody keeps', async () => {
    const deliverer = start()
    const id = await written()
    await look(deliverer)
    expect(server.received).toHaveLength(1)
    const [mail] = server.received
    expect(mail).toMatchObject({ to: 'lin@yungu.example' })
    expect(mail!.text.trim()).toBe(`您的邀请码：${secret}，见 https://alliance.example/graphql`)
    expect(mail!.headers).toContain(`Message-ID: <${id}@yungu.example>`)
    expect(mail!.headers).toContain('<office@yungu.example>')
    expect(await mailOf(id)).toMatchObject({ state: 'SENT', attempts: 1, sentAt: now, nextAttemptAt: null })
    const { rows } = await sql<{ all: string }>`
      select coalesce((select json_agg(mails)::text from mails), '') || coalesce((select json_agg(outbox)::text from outbox), '')
        as all`.execute(alliance.db)
    expect(rows[0]!.all).not.toContain(secret)
  })

  it('is not sent when the change that causes it does not come about', async () => {
    const deliverer = start()
    await expect(written('lin@yungu.example', true)).rejects.toThrow('changed my mind')
    await look(deliverer)
    expect(server.received).toEqual([])
    expect(await alliance.count('mails')).toBe(0)
  })

  it('is not sent when what it is about was withdrawn', async () => {
    code = async () => null
    const id = await written()
    await look(start())
    expect(server.received).toEqual([])
    expect(await mailOf(id)).toMatchObject({ state: 'WITHDRAWN', nextAttemptAt: null })
  })

  it('is shown without its code where there is no mail server', async () => {
    const id = await written()
    await look(start(null))
    expect(logged).toMatchObject([{ id, subject: '邀请您担任联络员' }])
    expect(logged[0]!.text).toContain('您的邀请码：[…]')
    expect(await mailOf(id)).toMatchObject({ state: 'LOGGED', nextAttemptAt: null })
  })

  it('is found by the sweep when nobody wakes the deliverer', async () => {
    start()
    await written()
    await vi.waitFor(() => expect(server.received).toHaveLength(1), 10_000)
  })
})

describe('a mail that is refused', () => {
  it.each([
    [451, 'Greylisted, come back later'],
    [550, 'No such mailbox'],
  ])('with %i is tried again after a pause, until it is taken', async (status, words) => {
    server.onMail = () => {
      throw refusal(status, words)
    }
    const id = await written()
    const deliverer = start()
    await look(deliverer)
    expect(await mailOf(id)).toMatchObject({ state: 'WAITING', attempts: 1, nextAttemptAt: later(10 * second) })
    expect((await mailOf(id)).lastError).toContain(`${status} ${words}`)
    await look(deliverer, later(9 * second))
    expect((await mailOf(id)).attempts).toBe(1)
    await look(deliverer, later(second))
    expect(await mailOf(id)).toMatchObject({ attempts: 2, nextAttemptAt: later(20 * second) })
    server.onMail = () => undefined
    await look(deliverer, later(20 * second))
    expect(await mailOf(id)).toMatchObject({ state: 'SENT', attempts: 3 })
    expect(server.received).toHaveLength(1)
    expect(failures.map(({ isFinal }) => isFinal)).toEqual([false, false])
  })

  it('by an answer that repeats its code does not show the code', async () => {
    server.onMail = ({ text }) => {
      throw refusal(554, `spam: ${/mvi_\S+?(?=，)/.exec(text)![0]}`)
    }
    const id = await written()
    await look(start())
    expect((await mailOf(id)).lastError).toMatch(/554 spam: …$/)
    expect(failures[0]!.why).not.toContain(secret)
  })

  it('for seven days is given up, and says why', async () => {
    const id = await written()
    server.onMail = () => {
      throw refusal(550, 'No such mailbox')
    }
    const deliverer = start()
    await look(deliverer)
    await look(deliverer, later(7 * day - 15 * second))
    expect(await mailOf(id)).toMatchObject({ state: 'FAILED', attempts: 2, nextAttemptAt: null })
    expect((await mailOf(id)).lastError).toContain('No such mailbox')
    expect(failures.at(-1)).toMatchObject({ isFinal: true })
    server.onMail = () => undefined
    await look(deliverer, later(day))
    expect(server.received).toEqual([])
  })

  it('does not hold up others', async () => {
    server.onMail = ({ to }) => {
      if (to.startsWith('bad')) throw refusal(550, 'No such mailbox')
    }
    for (let i = 0; i < 6; i++) await written(`bad-${i}@yungu.example`)
    const good = await written('good@yungu.example')
    await look(start())
    expect((await mailOf(good)).state).toBe('SENT')
    expect(failures).toHaveLength(6)
  })
})

describe('a mail server', () => {
  it('that is dead is tried until it comes back', async () => {
    const { url, port } = server
    await server.close()
    const id = await written()
    const deliverer = start(url)
    await look(deliverer)
    expect(await mailOf(id)).toMatchObject({ state: 'WAITING', attempts: 1 })
    expect((await mailOf(id)).lastError).toContain('ECONNREFUSED')
    server = await startMailServer(port)
    await look(deliverer, later(10 * second))
    expect(await mailOf(id)).toMatchObject({ state: 'SENT', attempts: 2 })
  })

  it('that wants a password gets it, and it stands nowhere else', async () => {
    await server.close()
    const tried: unknown[] = []
    let isRight = false
    server = await startMailServer(0, {
      authOptional: false,
      allowInsecureAuth: true,
      onAuth: ({ username, password }, _, done) => {
        tried.push(password)
        if (isRight) done(null, { user: username })
        else done(refusal(535, 'Authentication failed'))
      },
    })
    const id = await written()
    const deliverer = start(server.url.replace('//', '//office:hunter%402@'))
    await look(deliverer)
    expect(tried).toEqual(['hunter@2'])
    const { lastError } = await mailOf(id)
    expect(lastError).toContain('Authentication failed')
    expect(`${lastError} ${failures[0]!.why}`).not.toContain('hunter')
    isRight = true
    await look(deliverer, later(10 * second))
    expect((await mailOf(id)).state).toBe('SENT')
  })
})

describe('the pauses', () => {
  it('grow to an hour', () => {
    expect([1, 2, 3, 8, 9, 10, 100].map(pauseAfter)).toEqual(
      [10, 20, 40, 1280, 2560, 3600, 3600].map(seconds => seconds * second),
    )
  })

  it('end when the mail is seven days old', () => {
    const createdAt = now
    const at = (moment: Date) => afterFailure({ attempts: 10, createdAt }, moment, 'no').state
    expect(at(later(7 * day - 3600 * second))).toBe('WAITING')
    expect(at(later(7 * day - 3599 * second))).toBe('FAILED')
  })
})

it('several deliverers send each mail once', async () => {
  // To take a mail lasts a while, so that they are at it at the same time.
  await sql`create function dawdle() returns trigger language plpgsql as $$ begin
    perform pg_sleep(0.01);
    return new;
  end $$`.execute(alliance.db)
  await sql`create trigger dawdle before update on mails for each row when (new.attempts > old.attempts)
    execute function dawdle()`.execute(alliance.db)
  const others: Database[] = []
  if (onPostgres()) for (let i = 0; i < 2; i++) others.push(openPostgres(await connectionString(), 3))
  const ids = []
  for (let i = 0; i < 20; i++) ids.push(await written(`lin-${i}@yungu.example`))
  const deliverers = [0, 1, 2].map(i => start(server.url, others[i]?.db))
  for (const deliverer of deliverers) await deliverer.idle()
  await Promise.all(deliverers.map(deliverer => look(deliverer)))
  expect(server.received.map(({ to }) => to).sort()).toEqual(ids.map((_, i) => `lin-${i}@yungu.example`).sort())
  expect(errors).toEqual([])
  for (const deliverer of running.splice(0)) await deliverer.stop()
  for (const other of others) await other.close()
  await sql`drop trigger dawdle on mails`.execute(alliance.db)
})

it('what was taken, but could not be noted as sent, goes out twice under one Message-ID', async () => {
  // As when the process ends between the server's word and the note.
  await sql`create function forget() returns trigger language plpgsql as $$ begin
    raise exception 'lost'; end $$`.execute(alliance.db)
  await sql`create trigger forget before update on mails for each row when (new.state = 'SENT')
    execute function forget()`.execute(alliance.db)
  const id = await written()
  const deliverer = start()
  await look(deliverer)
  expect(errors.map(String)).toEqual([expect.stringContaining('lost')])
  await sql`drop trigger forget on mails`.execute(alliance.db)
  await look(deliverer, later(60 * second))
  expect(server.received).toHaveLength(1)
  await look(deliverer, later(60 * second))
  expect(await mailOf(id)).toMatchObject({ state: 'SENT', attempts: 2 })
  const ids = server.received.map(({ headers }) => /Message-ID: (\S+)/.exec(headers)![1])
  expect(ids).toEqual([`<${id}@yungu.example>`, `<${id}@yungu.example>`])
})

it('a server that does not answer does not hold up the end', async () => {
  const arrived = Promise.withResolvers<void>()
  server.onMail = async () => {
    arrived.resolve()
    await new Promise(() => undefined)
  }
  const id = await written()
  const deliverer = start()
  deliverer.wake()
  await arrived.promise
  await deliverer.stop()
  // It is tried again when the lease is over.
  expect(await mailOf(id)).toMatchObject({ state: 'WAITING', nextAttemptAt: later(120 * second) })
})

itOnPostgres('what a killed process had in hand is sent by another', async () => {
  let hold = true
  const arrived = Promise.withResolvers<void>()
  server.onMail = async () => {
    arrived.resolve()
    if (hold) await new Promise(() => undefined)
  }
  now = new Date()
  const id = await written()
  const child = spawn(process.execPath, [new URL('deliverer-process.ts', import.meta.url).pathname], {
    env: { ...process.env, NODE_OPTIONS: '', MAIL_DATABASE: await connectionString(), MAIL_SERVER: server.url },
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  await arrived.promise
  child.kill('SIGKILL')
  await once(child, 'exit')
  hold = false
  const deliverer = start()
  await look(deliverer)
  expect(await mailOf(id)).toMatchObject({ state: 'WAITING', attempts: 1 })
  await look(deliverer, later(130 * second))
  expect(await mailOf(id)).toMatchObject({ state: 'SENT', attempts: 2 })
  expect(server.received).toHaveLength(1)
})

describe('the list of mails', () => {
  it('shows the secretariat each with its state, and nobody else', async () => {
    const secretariat = await alliance.secretariat()
    const sent = await written('sent@yungu.example')
    await look(start())
    const waiting = await written('waiting@yungu.example')
    const list = `query ($filter: MailFilter) { mails(filter: $filter) {
      totalCount nodes { id purpose state recipient locale subject text attempts nextAttemptAt lastError sentAt } } }`
    const { mails } = await alliance.as(secretariat).ask<{ mails: object }>(list)
    const common = { purpose: 'INVITATION', locale: 'zh-Hans', subject: '邀请您担任联络员', lastError: null }
    expect(mails).toEqual({
      totalCount: 2,
      nodes: [
        {
          ...common,
          id: writeId('Mail', waiting),
          state: 'WAITING',
          recipient: 'waiting@yungu.example',
          text: expect.stringContaining(marks.code),
          attempts: 0,
          nextAttemptAt: now.toISOString(),
          sentAt: null,
        },
        {
          ...common,
          id: writeId('Mail', sent),
          state: 'SENT',
          recipient: 'sent@yungu.example',
          text: expect.stringContaining(marks.code),
          attempts: 1,
          nextAttemptAt: null,
          sentAt: now.toISOString(),
        },
      ],
    })
    const some = async (states: string[]) =>
      (await alliance.as(secretariat).ask<{ mails: { totalCount: number } }>(list, { filter: { states } })).mails
        .totalCount
    expect([await some(['SENT']), await some(['FAILED', 'WAITING']), await some([])]).toEqual([1, 1, 0])
    const node = `query ($id: ID!) { node(id: $id) { id } }`
    const representative = await alliance.officerOf(await alliance.member(), 'REPRESENTATIVE')
    for (const actor of [alliance.anonymous, representative])
      expect(await alliance.as(actor).ask(node, { id: writeId('Mail', sent) })).toEqual({ node: null })
  })
})

/** The connection string of the alliance's own database. */
async function connectionString(): Promise<string> {
  const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(alliance.db)
  const url = new URL(inject('postgresUrl'))
  url.pathname = `/${rows[0]!.name}`
  return url.href
}
