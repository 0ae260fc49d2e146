import { describe, expect, it } from 'vitest'
import { scalars } from '../../src/graphql/scalars.ts'
import { negotiateLocale } from '../../src/languages.ts'

describe('scalars', () => {
  it.each([
    ['DateTime', '2026-11-23T08:00:00Z', new Date('2026-11-23T08:00:00Z')],
    ['DateTime', '2026-11-23T16:00:00.5+08:00', new Date('2026-11-23T08:00:00.500Z')],
    ['DateTime', '1900-01-01T00:00:00Z', new Date('1900-01-01T00:00:00Z')],
    ['DateTime', '9999-12-31T23:59:59.999Z', new Date('9999-12-31T23:59:59.999Z')],
    ['Date', '2024-02-29', '2024-02-29'],
    ['PartialDate', '2022', '2022'],
    ['PartialDate', '2022-09', '2022-09'],
    ['PartialDate', '2022-09-30', '2022-09-30'],
    ['URL', 'https://例子.example/路', 'https://xn--fsqu00a.example/%E8%B7%AF'],
    ['Locale', 'zh-CN', 'zh-Hans'],
    ['Locale', 'zh-TW', 'zh-Hant'],
    ['Locale', 'en-GB', 'en'],
    ['Sha256', 'A'.repeat(64), 'a'.repeat(64)],
  ] as const)('%s reads %s', (name, written, value) => {
    expect(scalars[name].parseValue(written)).toEqual(value)
  })

  it.each([
    ['DateTime', '2026-02-30T08:00:00Z'],
    ['DateTime', '2026-11-23T24:00:00Z'],
    ['DateTime', '2026-11-23 08:00'],
    ['DateTime', '0000-01-01T00:00:00Z'],
    ['DateTime', '0001-01-01T00:00:00+08:00'],
    ['DateTime', 1_700_000_000],
    ['Date', '2025-02-29'],
    ['Date', '2025-13-01'],
    ['Date', 'yesterday'],
    ['PartialDate', '2022-13'],
    ['PartialDate', '2022-02-30'],
    ['PartialDate', '22'],
    ['URL', 'javascript:alert(1)'],
    ['URL', '/relative'],
    ['URL', 'https://user:secret@host.example'],
    ['URL', `https://host.example/${'x'.repeat(2000)}`],
    ['URL', `https://host.example/${'路'.repeat(300)}`],
    ['Locale', 'fr'],
    ['Locale', ''],
    ['Sha256', 'xyz'],
  ] as const)('%s refuses %s and says what to write', (name, written) => {
    expect(() => scalars[name].parseValue(written)).toThrow(/is no/)
  })
})

describe('Accept-Language', () => {
  it.each([
    [undefined, 'zh-Hans'],
    ['en', 'en'],
    ['en-GB,en;q=0.9,zh;q=0.8', 'en'],
    ['fr,zh-TW;q=0.8,en;q=0.5', 'zh-Hant'],
    ['en;q=0.2, zh-CN;q=0.9', 'zh-Hans'],
    ['fr', 'zh-Hans'],
    [';;;,q=;', 'zh-Hans'],
  ])('%s → %s', (header, locale) => {
    expect(negotiateLocale(header)).toBe(locale)
  })
})
