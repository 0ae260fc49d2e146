import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { parseId, writeId } from '../ids.ts'

const shape = /^mva_([0-9a-z]{26})_([A-Za-z0-9_-]{43})$/

/** A token as its holder gets it, once, and the hash that is kept. */
export interface Secret {
  /** `mva_<id>_<256 random bits>`. */
  readonly token: string
  readonly hash: Buffer
}

/** SHA-256 suffices at rest: the secret is random, so there is nothing to guess from a list. */
function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

/** Makes the secret of a token with this UUID. */
export function makeSecret(tokenId: string): Secret {
  const secret = randomBytes(32).toString('base64url')
  return { token: `mva_${writeId('Token', tokenId).slice('token_'.length)}_${secret}`, hash: hashSecret(secret) }
}

/** Takes a token apart; null when it has not the form of one. */
export function readToken(token: string): { tokenId: string; secret: string } | null {
  const parts = shape.exec(token)
  const id = parts && parseId(`token_${parts[1]}`)
  return id ? { tokenId: id.uuid, secret: parts[2]! } : null
}

/** Whether the secret is the one of the hash, in constant time. */
export function isSecretOf(secret: string, hash: Buffer): boolean {
  return timingSafeEqual(hashSecret(secret), hash)
}
