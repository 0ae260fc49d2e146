import { createRemoteJWKSet, customFetch, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { refuse, text, Unavailable } from '../errors.ts'

/** Who somebody is at a sign-in. */
export interface Identity {
  readonly issuer: string
  readonly subject: string
}

/** The same, with what an ID token tells of its bearer. */
export interface Verified extends Identity {
  /** The mail address, in lower case, that the provider has verified; null when it says so of none. */
  readonly verifiedEmail: string | null
}

/** An OpenID Connect provider: where the alliance's people sign in. */
export interface Provider {
  /**
   * Whom an ID token is of.
   * @throws InputRefused for a token that is not valid here and now; Unavailable when the provider is out of reach
   */
  verify(idToken: string, now: Date): Promise<Verified>
}

/** With keys that only the provider has: with a shared secret, or without any key, others could sign. */
const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']
/** How long ago a token may have been issued, and how far two clocks may differ, in seconds. */
const mostAge = 600
const clockTolerance = 30
/** In milliseconds. */
const timing = { patience: 5_000, cacheKeys: 600_000, afterFailure: 5_000 }
const longest = 10_000

const field = ['input', 'idToken']

const invalid = (en: string, zh: string) =>
  refuse('INVALID', field, `The ID token is not valid: ${en}`, `ID 令牌无效：${zh}`)

/** Says why a token is refused. */
function refuseToken(error: unknown): never {
  if (error instanceof errors.JWTExpired)
    invalid('it has expired, or was issued too long ago. Sign in again.', '已过期，或签发已久，请重新登录。')
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'aud') invalid('it is meant for another service.', '其受众不是本服务。')
    if (error.claim === 'iss') invalid('it is of another issuer.', '其签发者不符。')
    if (error.claim === 'nbf' || error.claim === 'iat')
      invalid('it is of a time to come. Look at the clocks.', '其时间在将来，请检查时钟。')
    invalid(`its claim "${error.claim}" is missing or wrong.`, `其声明“${error.claim}”缺失或有误。`)
  }
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    invalid('its key is not known. Try again in half a minute.', '其密钥未知，请半分钟后重试。')
  if (error instanceof errors.JOSEAlgNotAllowed) invalid('it is not signed as it must be.', '其签名算法不被允许。')
  if (error instanceof errors.JWSSignatureVerificationFailed) invalid('its signature is wrong.', '其签名有误。')
  if (error instanceof errors.JOSEError) invalid('it has not the form of one.', '其格式有误。')
  throw error
}

const outOfReach = () =>
  new Unavailable(
    text(
      'The sign-in is out of reach. Try again in a moment; tokens that were issued work as ever.',
      '登录服务暂时无法访问，请稍后重试；已签发的令牌不受影响。',
    ),
  )

/** What of the key set is the token's fault; all else is the provider's. */
const isTokens = (error: unknown) =>
  error instanceof errors.JWKSNoMatchingKey ||
  error instanceof errors.JWKSMultipleMatchingKeys ||
  error instanceof errors.JOSENotSupported

/** Of several audiences the one that it was issued to must be us; one that is named must be us in any case. */
function isForUs({ aud, azp }: JWTPayload, clientId: string): boolean {
  return azp === undefined ? !Array.isArray(aud) || aud.length === 1 : azp === clientId
}

/**
 * Makes the provider of an issuer. It is asked nothing before the first token: its discovery document then, once for the
 * life of the process, and its keys; these again when they are ten minutes old, or for a key that is not among them, but
 * not within the cool-down after they were asked for.
 * @param options.issuer the URL of the provider, exactly as its tokens name it
 * @param options.clientId the audience of its tokens
 * @param options.cooldown in milliseconds
 */
export function createProvider(options: {
  readonly issuer: string
  readonly clientId: string
  readonly cooldown?: number
}): Provider {
  const { issuer, clientId, cooldown = 30_000 } = options
  let closedUntil = 0
  let discovered: Promise<JWTVerifyGetKey> | null = null

  /** Asks the provider, unless it failed a moment ago: a flood of tokens must not wait for it one by one. */
  async function ask(url: string, init: RequestInit): Promise<Response> {
    if (performance.now() < closedUntil) throw new Error('The provider failed a moment ago.')
    const response = await fetch(url, init)
    if (!response.ok) throw new Error(`The provider answers ${response.status}.`)
    return response
  }

  async function discover(): Promise<JWTVerifyGetKey> {
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
    const response = await ask(url, { redirect: 'error', signal: AbortSignal.timeout(timing.patience) })
    const found = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown }
    if (found.issuer !== issuer) throw new Error('The provider says that it is another issuer.')
    const keys = new URL(String(found.jwks_uri))
    if (keys.protocol !== new URL(issuer).protocol && keys.protocol !== 'https:')
      throw new Error('The keys of the provider are not at an https address.')
    return createRemoteJWKSet(keys, {
      cooldownDuration: cooldown,
      cacheMaxAge: timing.cacheKeys,
      timeoutDuration: timing.patience,
      [customFetch]: ask,
    })
  }

  const getKey: JWTVerifyGetKey = async (header, token) => {
    try {
      discovered ??= discover().catch(error => {
        discovered = null
        throw error
      })
      return await (await discovered)(header, token)
    } catch (error) {
      if (isTokens(error)) throw error
      // Not longer by those who come meanwhile.
      if (performance.now() >= closedUntil) closedUntil = performance.now() + timing.afterFailure
      throw outOfReach()
    }
  }

  return {
    verify: async (idToken, now) => {
      if (idToken.length > longest) invalid('it is too long.', '其长度超限。')
      try {
        const { payload, protectedHeader } = await jwtVerify(idToken, getKey, {
          issuer,
          audience: clientId,
          algorithms,
          clockTolerance,
          maxTokenAge: mostAge,
          currentDate: now,
          requiredClaims: ['sub', 'exp', 'iat'],
        })
        // Access and logout tokens of the provider are signed with the same keys.
        const kinds = [protectedHeader.typ, payload.typ].filter(kind => kind !== undefined)
        if (payload.events !== undefined || !kinds.every(kind => /^(jwt|id)$/i.test(String(kind))))
          invalid('it is a token for something else.', '其为其他用途的令牌。')
        if (!isForUs(payload, clientId)) invalid('it is meant for another service.', '其受众不是本服务。')
        if (!payload.sub) return invalid('its claim "sub" is missing or wrong.', '其声明“sub”缺失或有误。')
        const isVerified = payload.email_verified === true && typeof payload.email === 'string'
        const verifiedEmail = isVerified ? String(payload.email).trim().toLowerCase() : null
        return { issuer, subject: payload.sub, verifiedEmail }
      } catch (error) {
        return refuseToken(error)
      }
    },
  }
}
