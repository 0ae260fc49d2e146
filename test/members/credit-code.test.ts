import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkCreditCode, normaliseCreditCode } from '../../src/members/credit-code.ts'
import vectors from './credit-code-vectors.json' with { type: 'json' }

const alphabet = '0123456789ABCDEFGHJKLMNPQRTUWXY'

describe('the check of a unified social credit code', () => {
  test.each(vectors.valid)('finds $code sound: $name', ({ code }) => {
    expect(checkCreditCode(code)).toBeNull()
  })

  test.each(vectors.invalid)('names the fault of $code: $reason', ({ code, fault, sound_once_normalised }) => {
    expect(checkCreditCode(code)).toEqual(fault)
    expect(checkCreditCode(normaliseCreditCode(code)) === null).toBe(sound_once_normalised)
  })

  test('writes check value 31 as 0', () => {
    expect(checkCreditCode('915101000000004570')).toBeNull()
    expect(checkCreditCode('91510100000000457Y')).toEqual({ kind: 'CHECK', character: 'Y', expected: '0' })
  })

  test.each(vectors.legacy)('finds nothing but the check character wrong with the early code $code', legacy => {
    expect(checkCreditCode(legacy.code)).toEqual({
      kind: 'CHECK',
      character: legacy.code.at(-1),
      expected: legacy.expected,
    })
  })

  test('tells an unknown registry from an unknown category', () => {
    expect(checkCreditCode('C1510100MJX000018E')).toEqual({ kind: 'REGISTRY', position: 1, character: 'C' })
    expect(checkCreditCode('57510100MJX000018E')).toEqual({ kind: 'REGISTRY', position: 2, character: '7' })
  })

  test('knows every registry and category of the printed table, and no other', () => {
    const known = new Set<string>()
    for (const [registry, categories] of Object.entries(vectors.registry_codes)) {
      if (typeof categories === 'string') continue
      for (const category of Object.keys(categories)) known.add(registry.charAt(0) + category)
    }
    expect(known.size).toBe(36)
    const accepted = new Set<string>()
    for (const registry of alphabet) {
      for (const category of alphabet) {
        if (checkCreditCode(`${registry}${category}510100000000000X`)?.kind !== 'REGISTRY')
          accepted.add(registry + category)
      }
    }
    expect(accepted).toEqual(known)
  })

  test('admits only digits in the division code', () => {
    expect(checkCreditCode('9135A100M000100Y43')).toEqual({ kind: 'ALPHABET', position: 5, character: 'A' })
  })

  test('counts an emoji as one character', () => {
    expect(checkCreditCode('😀')).toEqual({ kind: 'LENGTH', length: 1, expected: 18 })
    expect(checkCreditCode('')).toEqual({ kind: 'LENGTH', length: 0, expected: 18 })
  })

  test('finds a single wrong character in any position', () => {
    const sound = fc.constantFrom(...vectors.valid.map(vector => vector.code))
    fc.assert(
      fc.property(
        sound,
        fc.nat({ max: 17 }),
        fc.constantFrom(...alphabet, 'I', 'O', 'Z', 'S', 'V'),
        (code, at, wrong) => {
          fc.pre(code[at] !== wrong)
          expect(checkCreditCode(code.slice(0, at) + wrong + code.slice(at + 1))).not.toBeNull()
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('the normal form of a code', () => {
  test.each([
    ['  91350100m000100y43 \n', '91350100M000100Y43'],
    ['９１３５０１００Ｍ０００１００Ｙ４３', '91350100M000100Y43'],
    ['9135 0100-M000 100Y–43', '91350100M000100Y43'],
    ['91350100\u3000M000100\u200BY43', '91350100M000100Y43'],
  ])('%j becomes %s', (typed, stored) => {
    expect(normaliseCreditCode(typed)).toBe(stored)
    expect(checkCreditCode(normaliseCreditCode(typed))).toBeNull()
  })

  test('is reached in one step', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), text => {
        const once = normaliseCreditCode(text)
        expect(normaliseCreditCode(once)).toBe(once)
      }),
      { numRuns: 1000, examples: [['\u05d9\u05b4\u309b']] },
    )
  })
})
