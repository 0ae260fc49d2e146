import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { mutations } from '../officers/story.ts'
import { itOnPostgres } from '../support/database.ts'
import { type MailServer, refusal, startMailServer } from '../support/mail-server.ts'
import { clientId, makeKey, type SignInServer, startSignIn } from '../support/sign-in.ts'
import { ask } from './harness.ts'
import { launch } from './launch.ts'
import { type Real, runReal } from './real.ts'

/** The service as it is set up to send mails and to have people sign in. */

let mails: MailServer
let provider: SignInServer
let running: Real | undefined
beforeAll(async () => {
  mails = await startMailServer()
  provider = await startSignIn([await makeKey('first')])
})
afterEach(async () => {
  await running?.end()
  running = undefined
})
afterAll(async () => {
  await mails.close()
  await provider.close()
})

const codeIn = (text: string) => /mvi_[\w-]{43}/.exec(text)![0]

describe('a service with a mail server and a sign-in', () => {
  it('invites by mail; who is invited accepts and signs in; and nothing of it is logged', async () => {
    running = await runReal({
      ...readConfig({ PORT: '0', SHUTDOWN_DELAY: '0', LOG_LEVEL: 'debug' }),
      SMTP_URL: mails.url,
      MAIL_FROM: '云谷联盟 <office@yungu.example>',
      PUBLIC_URL: 'https://alliance.example',
      OIDC_ISSUER: provider.issuer,
      OIDC_CLIENT_ID: clientId,
      SESSION_HOURS: 2,
    })
    const { alliance, staff } = running
    alliance.clock.now = new Date()
    const member = await alliance.member()
    const post = async (query: string, input: object, token?: string) => {
      const answer = await ask(running!, 'http', { query, variables: { input } }, token ? { token } : {})
      return answer.data!.out as Record<string, string | null>
    }
    const input = { member: member.id, role: 'REPRESENTATIVE', name: '王小云', email: 'wang@yungu.example' }
    // The secretariat is shown no code: it is in the mailbox.
    expect(await post(mutations.inviteOfficer, input, staff)).toMatchObject({ code: null, userErrors: [] })
    while (mails.received.length === 0) await new Promise(resolve => setTimeout(resolve, 10))
    const [mail] = mails.received
    expect(mail).toMatchObject({ to: 'wang@yungu.example' })
    expect(mail!.text).toContain('https://alliance.example/graphql')
    const code = codeIn(mail!.text)
    const idToken = await provider.signIn('wang')
    const accepted = await post(mutations.acceptInvitation, { code, idToken })
    expect(accepted).toMatchObject({ userErrors: [], secret: expect.stringMatching(/^mva_/) })
    const again = await post(mutations.signIn, { idToken: await provider.signIn('wang') })
    expect(Date.parse(again.expiresAt!)).toBe(alliance.clock.now.getTime() + 2 * 3_600_000)
    const viewer = await ask(running, 'http', { query: '{ viewer { role } }' }, { token: again.secret! })
    expect(viewer.data).toEqual({ viewer: { role: 'REPRESENTATIVE' } })

    await ask(running, 'http', { query: `{ broken(token: "${idToken}") }` })
    const log = running.logged.join('')
    expect(log).toContain('a mail was sent')
    for (const secret of [code, idToken, accepted.secret!, again.secret!, 'wang@yungu.example'])
      expect(log).not.toContain(secret)
  })

  it('tells its log of a mail that is refused, without the code', async () => {
    running = await runReal({ SMTP_URL: mails.url, MAIL_FROM: 'office@yungu.example' })
    const { alliance, staff } = running
    let refused = ''
    mails.onMail = ({ text }) => {
      refused = codeIn(text)
      throw refusal(550, `not here: ${refused}`)
    }
    const input = { name: '周小三', email: 'zhou@yungu.example' }
    await ask(running, 'http', { query: mutations.inviteStaff, variables: { input } }, { token: staff })
    while (!running.logged.join('').includes('could not be sent')) await new Promise(resolve => setTimeout(resolve, 10))
    expect(running.logged.join('')).toContain('550 not here')
    expect(running.logged.join('')).not.toContain(refused)
    expect(await alliance.db.selectFrom('mails').select(['state', 'lastError']).execute()).toMatchObject([
      { state: 'WAITING', lastError: expect.stringContaining('not here: …') },
    ])
    mails.onMail = () => undefined
  })
})

describe('the settings', () => {
  it.each([
    [{ SMTP_URL: 'smtp://mail.example' }, 'MAIL_FROM: is needed with SMTP_URL'],
    [{ SMTP_URL: 'https://mail.example' }, 'SMTP_URL: must be an smtp'],
    [{ SMTP_URL: 'smtp://mail.example', MAIL_FROM: 'office' }, 'MAIL_FROM: must be an address'],
    [{ SMTP_URL: 'smtp://mail.example', MAIL_FROM: 'x\r\nBcc: a@b.example' }, 'MAIL_FROM: must be an address'],
    [{ OIDC_ISSUER: 'https://id.example' }, 'OIDC_CLIENT_ID: is needed with OIDC_ISSUER'],
    [{ OIDC_ISSUER: 'http://id.example', OIDC_CLIENT_ID: 'x' }, 'OIDC_ISSUER: must be an https URL'],
    [{ PUBLIC_URL: 'alliance.example' }, 'PUBLIC_URL: must be'],
    [{ SESSION_HOURS: '0' }, 'SESSION_HOURS: '],
  ])('refuse %j', (settings, says) => {
    expect(() => readConfig(settings)).toThrow(says)
  })

  it('take what is right', () => {
    const settings = readConfig({
      SMTP_URL: 'smtps://office:secret@mail.example',
      MAIL_FROM: '秘书处 <office@yungu.example>',
      OIDC_ISSUER: 'http://127.0.0.1:9000',
      OIDC_CLIENT_ID: 'alliance',
      PUBLIC_URL: 'https://alliance.example/',
    })
    expect(settings).toMatchObject({ PUBLIC_URL: 'https://alliance.example', SESSION_HOURS: 12 })
  })
})

itOnPostgres('a process of its own starts with all of them, and stops', { timeout: 60_000 }, async () => {
  const launched = await launch({
    SMTP_URL: 'smtp://office:hunter2@127.0.0.1:1',
    MAIL_FROM: 'office@yungu.example',
    OIDC_ISSUER: provider.issuer,
    OIDC_CLIENT_ID: clientId,
  })
  expect((await fetch(`${await launched.serving}/readyz`)).status).toBe(200)
  launched.child.kill('SIGTERM')
  expect(await launched.exited).toBe(0)
  expect(launched.output() + launched.text()).not.toContain('hunter2')
})
