import { createHmac, createPublicKey, type JsonWebKey } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createProvider, type Provider } from '../../src/access/oidc.ts'
import { clientId, forge, makeKey, type ProviderKey, type SignInServer, startSignIn } from '../support/sign-in.ts'

let key: ProviderKey
let server: SignInServer
let provider: Provider
beforeEach(async () => {
  key = await makeKey('first')
  server = await startSignIn([key])
  provider = createProvider({ issuer: server.issuer, clientId, cooldown: 60_000 })
})
afterEach(() => server.close())

const seconds = () => Math.floor(Date.now() / 1000)
/** The claims of a good token, with others put in; those that are undefined are left out. */
const claims = (more: object = {}) => ({
  iss: server.issuer,
  aud: clientId,
  sub: 'lin',
  iat: seconds(),
  exp: seconds() + 300,
  ...more,
})
const verify = (idToken: string, by = provider) => by.verify(idToken, new Date())
const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')

/** Why a token is refused, in English. */
async function refusalOf(idToken: string, by = provider): Promise<string> {
  const refused = await verify(idToken, by).then(
    () => null,
    error => error,
  )
  expect(refused).toMatchObject({ faults: [{ code: 'INVALID', field: ['input', 'idToken'] }] })
  const [{ text }] = refused.faults
  expect(text.zh).toMatch(/^ID 令牌无效：.+。$/)
  if (idToken.length > 20) expect(`${text.en} ${text.zh}`).not.toContain(idToken)
  return text.en
}

describe('an ID token of the provider', () => {
  it.each(['RS256', 'PS256', 'ES256', 'EdDSA'])('signed by %s tells who signed in', async alg => {
    await server.close()
    server = await startSignIn([await makeKey('one', alg)])
    provider = createProvider({ issuer: server.issuer, clientId })
    expect(await verify(await server.signIn('lin'))).toEqual({
      issuer: server.issuer,
      subject: 'lin',
      verifiedEmail: null,
    })
  })

  it('has the provider asked once: before the first one nothing, then its keys', async () => {
    expect(server.asked.size).toBe(0)
    const tokens = await Promise.all(['lin', 'zhao', 'wu'].map(subject => server.signIn(subject)))
    const found = await Promise.all(tokens.map(token => verify(token)))
    expect(found.map(({ subject }) => subject)).toEqual(['lin', 'zhao', 'wu'])
    expect([server.asked.get('/.well-known/openid-configuration'), server.asked.get('/jwks')]).toEqual([1, 1])
  })

  it('signed by a new key is good once the cool-down is over, and so are those of the old one', async () => {
    provider = createProvider({ issuer: server.issuer, clientId, cooldown: 200 })
    const before = await server.signIn('lin')
    await verify(before)
    const { port } = server
    await server.close()
    server = await startSignIn([await makeKey('second'), key], { port })
    const after = await server.signIn('zhao')
    await new Promise(resolve => setTimeout(resolve, 250))
    expect(await verify(after)).toMatchObject({ subject: 'zhao' })
    expect(await verify(before)).toMatchObject({ subject: 'lin' })
    expect(server.asked.get('/jwks')).toBe(1)
  })

  it('signed by a key that the provider gave up is refused', async () => {
    provider = createProvider({ issuer: server.issuer, clientId, cooldown: 0 })
    const before = await server.signIn('lin')
    await verify(before)
    const { port } = server
    await server.close()
    server = await startSignIn([await makeKey('second')], { port })
    await verify(await server.signIn('zhao'))
    expect(await refusalOf(before)).toContain('key is not known')
  })

  it('of a kind for something else is refused', async () => {
    await server.close()
    server = await startSignIn([key], { use: 'logout' })
    provider = createProvider({ issuer: server.issuer, clientId })
    expect(await refusalOf(await server.signIn('lin'))).toContain('something else')
  })

  it('whose claims say that it is for something else is refused, whatever its header says', async () => {
    for (const claim of [{ typ: 'Bearer' }, { typ: 'Logout' }, { events: {} }])
      expect(await refusalOf(await forge(key, { ...claims(), ...claim }))).toContain('something else')
    await verify(await forge(key, { ...claims(), typ: 'ID' }))
  })
})

describe('a forged token', () => {
  it('without a signature is refused', async () => {
    for (const alg of ['none', 'None', 'NONE'])
      expect(await refusalOf(`${encode({ alg, typ: 'JWT' })}.${encode(claims())}.`)).toMatch(/not signed|form/)
    const [, payload] = (await server.signIn('lin')).split('.')
    expect(await refusalOf(`${encode({ alg: 'ES256', kid: key.kid })}.${payload}.`)).toContain('signature is wrong')
  })

  it('signed with the public key as a shared secret is refused', async () => {
    const rsa = await makeKey('rsa', 'RS256')
    await server.close()
    server = await startSignIn([rsa])
    provider = createProvider({ issuer: server.issuer, clientId })
    await verify(await server.signIn('lin'))
    const { d: _, p: __, q: ___, dp: ____, dq: _____, qi: ______, ...open } = rsa
    const pem = createPublicKey({ key: open as JsonWebKey, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
    for (const secret of [pem, JSON.stringify(open)]) {
      const signed = `${encode({ alg: 'HS256', typ: 'JWT', kid: rsa.kid })}.${encode(claims())}`
      const signature = createHmac('sha256', secret).update(signed).digest('base64url')
      expect(await refusalOf(`${signed}.${signature}`)).toContain('not signed as it must be')
    }
  })

  it('signed with another key of the same name is refused', async () => {
    expect(await refusalOf(await forge(await makeKey(key.kid), claims()))).toContain('signature is wrong')
  })

  it('with other claims under the same signature is refused', async () => {
    const [header, , signature] = (await server.signIn('lin')).split('.')
    expect(await refusalOf(`${header}.${encode(claims({ sub: 'zhao' }))}.${signature}`)).toContain('signature is wrong')
  })

  it.each(['', 'x', 'a.b.c', '{}', 'x'.repeat(20_000)])('that is no token is refused: %.10s', async token => {
    expect(await refusalOf(token)).toMatch(/form|too long/)
  })

  it('with an unknown key does not have the provider asked again and again', async () => {
    await verify(await server.signIn('lin'))
    const other = await makeKey('unknown')
    for (let i = 0; i < 50; i++)
      expect(await refusalOf(await forge(other, claims(), { kid: `unknown-${i}` }))).toContain('key is not known')
    expect(server.asked.get('/jwks')).toBe(1)
    provider = createProvider({ issuer: server.issuer, clientId, cooldown: 400 })
    const flood = Array.from({ length: 50 }, (_, i) => forge(other, claims(), { kid: `flood-${i}` }))
    await Promise.all(flood.map(async token => refusalOf(await token)))
    expect(server.asked.get('/jwks')).toBe(2)
    await new Promise(resolve => setTimeout(resolve, 450))
    await Promise.all(flood.map(async token => refusalOf(await token)))
    expect(server.asked.get('/jwks')).toBe(3)
  })
})

describe('the claims of a token', () => {
  const skew = 30
  it.each<[string, (now: number) => object, string | null]>([
    ['a wrong audience', () => ({ aud: 'another' }), 'another service'],
    ['no audience', () => ({ aud: undefined }), 'another service'],
    ['several audiences and no party', () => ({ aud: [clientId, 'another'] }), 'another service'],
    ['several audiences and another party', () => ({ aud: [clientId, 'another'], azp: 'another' }), 'another service'],
    ['several audiences and us as party', () => ({ aud: [clientId, 'another'], azp: clientId }), null],
    ['another party', () => ({ azp: 'another' }), 'another service'],
    ['a wrong issuer', () => ({ iss: 'https://evil.example' }), 'another issuer'],
    ['an issuer with a slash more', () => ({ iss: `${server.issuer}/` }), 'another issuer'],
    ['no issuer', () => ({ iss: undefined }), 'another issuer'],
    ['an end that has passed', now => ({ exp: now - skew - 2 }), 'expired'],
    ['an end that has passed within the skew', now => ({ exp: now - skew + 5 }), null],
    ['no end', () => ({ exp: undefined }), '"exp" is missing'],
    ['a beginning to come', now => ({ nbf: now + skew + 5 }), 'of a time to come'],
    ['a beginning to come within the skew', now => ({ nbf: now + skew - 5 }), null],
    ['an issue to come', now => ({ iat: now + skew + 5 }), 'of a time to come'],
    ['an issue to come within the skew', now => ({ iat: now + skew - 5 }), null],
    ['an issue long ago', now => ({ iat: now - 600 - skew - 2, exp: now + 86_400 }), 'too long ago'],
    ['an issue ten minutes ago', now => ({ iat: now - 600, exp: now + 86_400 }), null],
    ['no issue', () => ({ iat: undefined }), 'of a time to come|"iat" is missing'],
    ['no subject', () => ({ sub: undefined }), '"sub" is missing'],
    ['an empty subject', () => ({ sub: '' }), '"sub" is missing'],
  ])('%s', async (_, more, refused) => {
    const token = await forge(key, claims(more(seconds())))
    if (refused === null) expect(await verify(token)).toMatchObject({ subject: 'lin' })
    else expect(await refusalOf(token)).toMatch(new RegExp(refused))
  })
})

describe('a provider', () => {
  it('that is down is SERVICE_UNAVAILABLE, and works when it comes back', async () => {
    const token = await server.signIn('lin')
    const { port, issuer } = server
    await server.close()
    const outage = { code: 'SERVICE_UNAVAILABLE' }
    await expect(verify(token)).rejects.toMatchObject(outage)
    server = await startSignIn([key], { port })
    // For a moment it is not asked again.
    await expect(verify(token)).rejects.toMatchObject(outage)
    expect(server.asked.size).toBe(0)
    expect(await verify(token, createProvider({ issuer, clientId }))).toMatchObject({ subject: 'lin' })
  })

  it('that goes down is not needed for keys that are known', async () => {
    const [first, second] = [await server.signIn('lin'), await server.signIn('zhao')]
    await verify(first)
    await server.close()
    expect(await verify(second)).toMatchObject({ subject: 'zhao' })
    server = await startSignIn([key])
  })

  it('that says it is another is not believed', async () => {
    const token = await server.signIn('lin')
    const byName = createProvider({ issuer: server.issuer.replace('127.0.0.1', 'localhost'), clientId })
    for (let i = 0; i < 5; i++)
      await expect(verify(token, byName)).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
    expect(server.asked.get('/.well-known/openid-configuration')).toBe(1)
  })
})
