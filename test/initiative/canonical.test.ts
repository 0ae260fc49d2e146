import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canonicalLines, canonicalText } from '../../src/initiative/canonical.ts'
import { type Alliance, createAlliance } from '../support/alliance.ts'
import { opened } from './story.ts'

let alliance: Alliance
beforeAll(async () => {
  alliance = await createAlliance()
})
afterAll(() => alliance.close())

/** As `sha256sum` computes it of a file: apart from the service's own code. */
const sum = (text: string) => createHash('sha256').update(Buffer.from(text, 'utf8')).digest('hex')

describe('the canonical form', () => {
  it('is in NFC, with line feeds, and without white space before them', () => {
    expect(canonicalText('Cafe\u0301 \t', 'a\u3000\r\nb\u00a0 \rc\n\n  d')).toBe('Café\n\na\nb\nc\n\n  d\n')
  })

  it('of a canonical text is that text', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'aé\u0301 \t\r\n\u3000元') }), text => {
        const once = canonicalLines(text)
        expect(canonicalLines(once)).toBe(once)
        expect(once).not.toMatch(/\r|[^\S\n]\n|[^\S\n]$/)
      }),
    )
  })

  it('takes no longer for long stretches of white space', () => {
    // Twenty thousand of them would take minutes, were each looked at from each.
    expect(canonicalLines(`${' '.repeat(1_000_000)}x`)).toHaveLength(1_000_001)
  })
})

const shown = `sha256 manifest hashes { locale sha256 } titles { text } body
  canonicalText zh: canonicalText(locale: "zh-Hans") en: canonicalText(locale: "en") hant: canonicalText(locale: "zh-Hant")`

describe('a version', () => {
  it('has the SHA-256 that anybody computes of its texts by the rules of the SDL', async () => {
    const staff = await alliance.secretariat()
    const { id, sha256 } = await opened(alliance, staff, {
      titles: [
        { locale: 'zh-Hans', text: ' 云谷倡议 ' },
        { locale: 'en', text: 'Cafe\u0301' },
      ],
      bodies: [
        { locale: 'zh-Hans', text: '\r\n一、共建。 \r\n\r\n二、共享。\u3000\r\n' },
        { locale: 'en', text: 'First.' },
      ],
    })
    const zh = '云谷倡议\n\n一、共建。\n\n二、共享。\n'
    const en = 'Café\n\nFirst.\n'
    const manifest = `en ${sum(en)}\nzh-Hans ${sum(zh)}\n`
    expect(sha256).toBe(sum(manifest))
    const { version } = await alliance
      .as(alliance.anonymous)
      .ask(`query ($id: ID!) { version: initiativeVersion(id: $id) { ${shown} } }`, { id })
    expect(version).toEqual({
      sha256,
      manifest,
      hashes: [
        { locale: 'zh-Hans', sha256: sum(zh) },
        { locale: 'en', sha256: sum(en) },
      ],
      titles: [{ text: '云谷倡议' }, { text: 'Café' }],
      body: 'First.',
      canonicalText: zh,
      zh,
      en,
      hant: null,
    })
  })

  it('is told apart by every character that is not white space at the end of a line', async () => {
    const staff = await alliance.secretariat()
    const texts = ['甲', '甲 ', '甲\n', '甲乙', '甲\n\n乙', '甲\n乙', '甲\n 乙']
    const hashes: string[] = []
    for (const text of texts)
      hashes.push(
        (
          await opened(alliance, staff, {
            titles: [{ locale: 'zh-Hans', text: '倡议' }],
            bodies: [{ locale: 'zh-Hans', text }],
          })
        ).sha256,
      )
    expect(hashes[1]).toBe(hashes[0])
    expect(hashes[2]).toBe(hashes[0])
    expect(new Set(hashes).size).toBe(texts.length - 2)
  })
})
