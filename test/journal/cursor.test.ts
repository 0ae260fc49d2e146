import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInput } from '../../src/errors.ts'
import { readCursor, writeCursor } from '../../src/journal/cursor.ts'

const epoch = '0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b'

describe('a cursor', () => {
  it('is read as it was written, and looks like one word', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.nat(Number.MAX_SAFE_INTEGER), (uuid, seq) => {
        const cursor = writeCursor({ epoch: uuid, seq })
        expect(cursor).toMatch(/^[\w-]+$/)
        expect(readCursor(cursor)).toEqual({ epoch: uuid, seq })
      }),
    )
  })

  const encode = (text: string) => Buffer.from(text).toString('base64url')
  it.each([
    '',
    'rubbish',
    ' ',
    '\0',
    '游标',
    encode(`j1:${epoch}:-1`),
    encode(`j1:${epoch}:01`),
    encode(`j1:${epoch}:1.5`),
    encode(`j1:${epoch}:9999999999999999`),
    encode(`j1:${epoch.toUpperCase()}:1`),
    encode(`j2:${epoch}:1`),
    encode(`j1:${epoch}:1 `),
    encode('["code","1"]'),
    `${writeCursor({ epoch, seq: 1 })}=`,
    `${writeCursor({ epoch, seq: 1 })}\n`,
    'A'.repeat(1_000_000),
  ])('is refused when it is none: %j', cursor => {
    expect(() => readCursor(cursor)).toThrow(InvalidInput)
    expect(() => readCursor(cursor)).toThrow('leave it out to follow from now on')
  })

  it('is refused, whatever it is, with nothing but that error', () => {
    fc.assert(
      fc.property(fc.string(), cursor => {
        expect(() => readCursor(cursor)).toThrow(InvalidInput)
      }),
    )
  })
})
