import { randomFillSync } from 'node:crypto'
import { InvalidInput, text } from './errors.ts'

/** The types that have ids, each with the prefix of its ids. Prefixes are never reused. */
const prefixes = {
  Region: 'reg',
  City: 'city',
  Association: 'assoc',
  Company: 'company',
  Announcement: 'ann',
  OfficeTerm: 'office',
  Token: 'token',
  Portal: 'portal',
  Mail: 'mail',
  Officer: 'officer',
  Invitation: 'inv',
  InitiativeVersion: 'init',
  Signature: 'sig',
} as const

/** The name of an SDL type whose things have ids. */
export type IdType = keyof typeof prefixes

const typeOf = new Map<string, IdType>(Object.entries(prefixes).map(([type, prefix]) => [prefix, type as IdType]))

/** Crockford's base 32 in lower case: no i, l, o, u. */
const digits = '0123456789abcdefghjkmnpqrstvwxyz'
const body = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/

let lastMillisecond = 0
let counter = 0

/**
 * Makes a UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, a 12-bit counter within the millisecond, 62 random bits.
 * UUIDs of one process ascend, also within a millisecond and when the clock goes back.
 */
export function newUuid(milliseconds: number = Date.now()): string {
  if (milliseconds > lastMillisecond) {
    lastMillisecond = milliseconds
    counter = 0
  } else if (++counter > 0xfff) {
    lastMillisecond += 1
    counter = 0
  }
  const bytes = randomFillSync(Buffer.allocUnsafe(16))
  bytes.writeUIntBE(lastMillisecond, 0, 6)
  bytes.writeUInt16BE(0x7000 | counter, 6)
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** Two digits of base 32 for each number of ten bits. */
const pairs = Array.from({ length: 1024 }, (_, number) => digits.charAt(number >> 5) + digits.charAt(number & 31))

/** Writes the opaque id of a thing: its type's prefix and the base 32 of its UUID. */
export function writeId(type: IdType, uuid: string): string {
  const hex = uuid.slice(0, 8) + uuid.slice(9, 13) + uuid.slice(14, 18) + uuid.slice(19, 23) + uuid.slice(24)
  let id = `${prefixes[type]}_${pairs[Number.parseInt(hex.slice(0, 2), 16)]}`
  // Five digits of base 16 are as many bits as four of base 32.
  for (let at = 2; at < 32; at += 5) {
    const bits = Number.parseInt(hex.slice(at, at + 5), 16)
    id += pairs[bits >> 10]! + pairs[bits & 1023]!
  }
  return id
}

/** The number that some digits of base 32 write. */
function readDigits(encoded: string, from: number, to: number): number {
  let number = 0
  for (let at = from; at < to; at++) number = number * 32 + digits.indexOf(encoded.charAt(at))
  return number
}

/** Reads an id of any type; null when it is none. */
export function parseId(id: string): { type: IdType; uuid: string } | null {
  const cut = id.indexOf('_')
  const type = typeOf.get(id.slice(0, cut))
  const encoded = id.slice(cut + 1)
  if (!type || !body.test(encoded)) return null
  let hex = readDigits(encoded, 0, 2).toString(16).padStart(2, '0')
  for (let at = 2; at < 26; at += 4)
    hex += readDigits(encoded, at, at + 4)
      .toString(16)
      .padStart(5, '0')
  return {
    type,
    uuid: `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`,
  }
}

/**
 * Reads an id that must be of one of these types, and answers its UUID.
 * @throws InvalidInput when it is no id, or the id of another type
 */
export function readId(id: string, ...types: readonly IdType[]): string {
  const parsed = parseId(id)
  const shown = id.length > 60 ? `${id.slice(0, 60)}…` : id
  if (!parsed)
    throw new InvalidInput(
      text(
        `"${shown}" is no id. Use the id of a ${types.join(' or ')} as a query gave it.`,
        `“${shown}”不是有效的 id。请使用查询所返回的 ${types.join(' 或 ')} 的 id。`,
      ),
    )
  if (!types.includes(parsed.type))
    throw new InvalidInput(
      text(
        `"${shown}" is the id of a ${parsed.type}; the id of a ${types.join(' or ')} is needed here.`,
        `“${shown}”是 ${parsed.type} 的 id；此处需要 ${types.join(' 或 ')} 的 id。`,
      ),
    )
  return parsed.uuid
}

/** The types of members, whose ids may stand wherever any member is meant. */
export const memberTypes = ['City', 'Association', 'Company'] as const satisfies readonly IdType[]
