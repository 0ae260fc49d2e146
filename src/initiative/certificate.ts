import { randomBytes } from 'node:crypto'
import type { Request } from '../access/request.ts'
import { hashTexts, sha256 } from './canonical.ts'
import { type CertifiedRow, findCertified, type SignatureContents } from './store.ts'

/** Base 32 without letters that are mistaken for others: codes are read from paper. */
const digits = '0123456789abcdefghjkmnpqrstvwxyz'

/** A new code of a certificate: 160 random bits. */
export function makeCode(): string {
  return Array.from(randomBytes(32), byte => digits.charAt(byte & 31)).join('')
}

/** A code as people write it; null when it can be none. */
function readCode(written: string): string | null {
  const code = written.toLowerCase().replace(/[\s-]/g, '')
  return /^[0-9a-z]{32}$/.test(code) ? code : null
}

/** What a signature binds. */
type Bound = Pick<
  SignatureContents,
  'versionId' | 'sha256' | 'memberId' | 'memberNames' | 'accountId' | 'person' | 'signedAt'
>

/** The digest over what a signature binds, and nothing else of it. */
export function bindingOf(bound: Bound): string {
  const names = Object.entries(bound.memberNames).sort(([a], [b]) => (a < b ? -1 : 1))
  return sha256(
    JSON.stringify([
      bound.versionId,
      bound.sha256,
      bound.memberId,
      names,
      bound.accountId,
      bound.person,
      bound.signedAt.toISOString(),
    ]),
  )
}

/** A signature as the holder of its code sees it. */
export interface Certificate extends CertifiedRow {
  /** Whether what is bound agrees with the digest, and the text with the hash that was signed. */
  readonly intact: boolean
}

/** What the code of a certificate stands for, also when the member has left; null when there is no such code. */
export async function verifySignature({ db }: Pick<Request, 'db'>, written: string): Promise<Certificate | null> {
  const code = readCode(written)
  const row = code === null ? undefined : await findCertified(db, code)
  if (!row) return null
  const intact = bindingOf(row) === row.binding && hashTexts(row.titles, row.bodies).sha256 === row.sha256
  return { ...row, intact }
}
