import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, importJWK, type JWK, type JWTHeaderParameters, SignJWT } from 'jose'
import { Provider } from 'oidc-provider'

/** The client that the alliance is at its provider. */
export const clientId = 'alliance'

/** A key of a provider, the private part with it. */
export type ProviderKey = JWK & { readonly kid: string; readonly alg: string }

/** Makes a key of a provider. */
export async function makeKey(kid: string, alg = 'ES256'): Promise<ProviderKey> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  return { ...(await exportJWK(privateKey)), kid, alg, use: 'sig' }
}

/** A provider that people sign in at, on this machine. */
export interface SignInServer {
  readonly issuer: string
  readonly port: number
  /** How many times each path was asked for. */
  readonly asked: Map<string, number>
  /** Has somebody sign in, by the provider's own token endpoint; answers the ID token, with these claims, too. */
  signIn(subject: string, claims?: Readonly<Record<string, unknown>>): Promise<string>
  close(): Promise<void>
}

const grant = 'urn:yungu:test'
const nowhere = async () => undefined
const nothing = {
  upsert: nowhere,
  find: nowhere,
  findByUserCode: nowhere,
  findByUid: nowhere,
  consume: nowhere,
  destroy: nowhere,
  revokeByGrantId: nowhere,
}

/**
 * Starts a provider.
 * @param options.port any free one without it
 * @param options.use of the tokens: ID tokens without it
 */
export async function startSignIn(
  keys: readonly ProviderKey[],
  options: { readonly port?: number; readonly use?: 'idtoken' | 'logout' } = {},
): Promise<SignInServer> {
  const { port = 0, use = 'idtoken' } = options
  // The issuer must be known before the provider is made, and the port before the issuer.
  let handle: (...args: Parameters<ReturnType<Provider['callback']>>) => unknown = () => undefined
  const { createServer } = await import('node:http')
  const server: Server = createServer((request, response) => void handle(request, response))
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  const at = (server.address() as AddressInfo).port
  const issuer = `http://127.0.0.1:${at}`
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: clientId,
        token_endpoint_auth_method: 'none',
        redirect_uris: [],
        response_types: [],
        grant_types: [grant],
        id_token_signed_response_alg: keys[0]!.alg as never,
      },
    ],
    jwks: { keys: keys as never },
    // Nothing of what is tried here is kept.
    adapter: () => nothing,
    cookies: { keys: ['test'] },
    features: { devInteractions: { enabled: false } },
    ttl: { IdToken: 300 },
  })
  provider.registerGrantType<{ subject: string; more: string }>(
    grant,
    async ctx => {
      const token = new provider.IdToken({ sub: ctx.oidc.params.subject }, { ctx, client: ctx.oidc.client })
      token.set('sub', ctx.oidc.params.subject)
      for (const [claim, value] of Object.entries(JSON.parse(String(ctx.oidc.params.more)))) token.set(claim, value)
      ctx.body = { id_token: await token.issue({ use }) }
    },
    ['subject', 'more'],
  )
  const asked = new Map<string, number>()
  const callback = provider.callback()
  handle = (request, response) => {
    const path = request.url!.split('?')[0]!
    asked.set(path, (asked.get(path) ?? 0) + 1)
    // Else a client would try the connections of one that was closed on the next one at its port.
    response.setHeader('connection', 'close')
    return callback(request, response)
  }
  return {
    issuer,
    port: at,
    asked,
    signIn: async (subject, claims = {}) => {
      const body = new URLSearchParams({
        grant_type: grant,
        client_id: clientId,
        subject,
        more: JSON.stringify(claims),
      })
      const answer = await (await fetch(`${issuer}/token`, { method: 'POST', body })).json()
      const { id_token: idToken } = answer as { id_token?: string }
      if (!idToken) throw new Error(JSON.stringify(answer))
      return idToken
    },
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** An ID token as nobody's provider made it: signed with a key of ours, with whatever claims. */
export async function forge(
  key: ProviderKey,
  claims: Record<string, unknown>,
  header: Partial<JWTHeaderParameters> = {},
): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header })
    .sign(await importJWK(key, key.alg))
}
