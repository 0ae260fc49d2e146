import { createRequire } from 'node:module'
import type { Translations } from './languages.ts'

/*
 * Sort keys and search text are computed here and stored, because the two databases carry different collations: a
 * key is ASCII (or nearly so) and sorts the same everywhere under COLLATE "C". pinyin-pro's dictionary and ICU's
 * stroke table change between versions, so stored keys are computed anew after either is upgraded.
 */

/**
 * Readings that pinyin-pro 3.29 does not know: place names (standard readings of the names of divisions), and 都,
 * which in the name of a place or a body is dū, never the adverb dōu.
 */
const readings = {
  都: 'dū',
  曾都: 'zēng dū',
  台州: 'tāi zhōu',
  天台县: 'tiān tāi xiàn',
  六合区: 'lù hé qū',
  乐清: 'yuè qīng',
  乐亭: 'lào tíng',
  什邡: 'shí fāng',
  筠连: 'jūn lián',
  洪洞: 'hóng tóng',
  繁峙: 'fán shì',
  黄陂: 'huáng pí',
  监利: 'jiàn lì',
  铅山: 'yán shān',
  涡阳: 'guō yáng',
  尉犁: 'yù lí',
  单县: 'shàn xiàn',
  浚县: 'xùn xiàn',
  蔚县: 'yù xiàn',
}

const require = createRequire(import.meta.url)
let reader: typeof import('pinyin-pro') | undefined

/** The dictionary, loaded when the first name is read: 10 MB that a process which only answers queries does without. */
function loadReader(): typeof import('pinyin-pro') {
  if (!reader) {
    reader = require('pinyin-pro') as typeof import('pinyin-pro')
    reader.customPinyin(readings)
  }
  return reader
}

interface Sound {
  /** Letters without a tone, ü kept; for a Latin or numeric run the run itself. */
  readonly letters: string
  /** 1 to 4, 5 for the neutral tone; null for what has no tone. */
  readonly tone: number | null
}

/**
 * The key that puts Chinese names in pinyin order: one syllable with its tone digit per character, separated by
 * spaces, `重庆` → `chong2 qing4`. Polyphonic characters are read by phrase. Neutral tone is 5, after the fourth. ü is
 * `u:` with the colon behind the letters (`lu:4`, `lue:4`), which gives the order lu, lü, luan, lüe, lun of the
 * dictionaries and of ICU's pinyin collation. Latin letters and digits stay as lower-case words without diacritics;
 * punctuation and spaces do not count. A character without a known reading stands for itself and sorts last. The
 * whole name is compared by sound before characters count: names that sound alike get equal keys, so order by this
 * key, then by `strokeKey`, then by id.
 */
export function pinyinKey(name: string): string {
  return soundsOf(name)
    .map(({ letters, tone }) =>
      tone === null ? letters : letters.replaceAll('ü', 'u') + (letters.includes('ü') ? ':' : '') + tone,
    )
    .join(' ')
}

/**
 * The key that puts names in stroke order 「按姓氏笔画」: five hex digits per character, the rank of the character in ICU's
 * stroke collation (`zh-u-co-stroke`: number of strokes, then radical). Digits come before Chinese characters and
 * Latin letters after them, as ICU has it for Chinese; other scripts follow by code point. Case, diacritics,
 * punctuation and spaces do not count.
 */
export function strokeKey(name: string): string {
  let key = ''
  for (const character of foldLatin(name).match(/[\p{L}\p{N}]/gu) ?? []) key += strokeRank(character)
  return key
}

/**
 * The key that puts names in the order of the Latin alphabet: the English name in lower case, diacritics folded,
 * punctuation dropped (`Xi'an` → `xian`); without an English name the pinyin without tones, written together (`成都市`
 * → `chengdushi`).
 */
export function latinKey(names: Translations): string {
  const english = foldLatin(names.en ?? '')
    .replace(/['’ʼ]/gu, '')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
  return english || spelling(soundsOf(chineseName(names)), 'u')
}

/**
 * The text that a search for part of a word runs over: one line for each name in each language and each `extra`
 * (short names, former names, codes), in the form that `searchTerm` gives to a query; for the Chinese ones also the
 * pinyin without tones written together (`chengdushi`) and its initials (`cds`), with ü both as u and as v, the way
 * it is typed; for Latin ones with diacritics also the plain letters. A match never spans two names, since a term
 * holds no line break.
 */
export function searchText(names: Translations, extra: readonly string[]): string {
  const lines = new Set<string>()
  for (const text of [...Object.values(names), ...extra]) {
    lines.add(searchTerm(text))
    lines.add(searchTerm(foldLatin(text)))
  }
  for (const text of [chineseName(names), ...extra]) {
    if (!/\p{Script=Han}/u.test(text)) continue
    const sounds = soundsOf(text)
    lines.add(spelling(sounds, 'u'))
    lines.add(spelling(sounds, 'v'))
    lines.add(sounds.map(({ letters, tone }) => (tone === null ? letters : letters.charAt(0))).join(''))
  }
  lines.delete('')
  // In one order, whatever the order in which the names came: jsonb has its own.
  return [...lines].sort().join('\n')
}

/**
 * The query in the form of the text that it is looked for in: full-width characters folded (NFKC), lower case,
 * trimmed, every run of white space one space. Empty when there is nothing to look for. `%`, `_` and `\` are kept:
 * escape them where the LIKE pattern is made.
 */
export function searchTerm(input: string): string {
  return input.normalize('NFKC').toLowerCase().normalize('NFKC').replace(/\s+/gu, ' ').trim()
}

/** The name to read aloud: simplified first, since the dictionary of phrases is (in 3.29 `重慶` is read zhong4 qing4). */
function chineseName(names: Translations): string {
  return names['zh-Hans'] || names['zh-Hant'] || Object.values(names).find(name => name !== '') || ''
}

function soundsOf(name: string): Sound[] {
  const sounds: Sound[] = []
  const runs = foldLatin(name).match(/\p{Script=Han}+|(?:(?!\p{Script=Han})[\p{L}\p{N}])+/gu) ?? []
  for (const run of runs) {
    if (!/^\p{Script=Han}/u.test(run)) {
      sounds.push({ letters: run, tone: null })
      continue
    }
    // Tone sandhi is a matter of speech: dictionaries and lists order by the tone of the character alone.
    for (const syllable of loadReader().pinyin(run, { toneType: 'num', type: 'array', toneSandhi: false })) {
      const [, letters = syllable, tone] = /^(\p{L}+)([0-4])$/u.exec(syllable) ?? []
      sounds.push({ letters, tone: tone === undefined ? null : Number(tone) || 5 })
    }
  }
  return sounds
}

function spelling(sounds: readonly Sound[], umlaut: 'u' | 'v'): string {
  return sounds.map(({ letters, tone }) => (tone === null ? letters : letters.replaceAll('ü', umlaut))).join('')
}

/** Latin letters that Unicode does not take apart into a plain letter and a mark. */
const undividedLatin: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  đ: 'd',
  ð: 'd',
  ł: 'l',
  þ: 'th',
  ı: 'i',
}

/** NFKC, lower case, Latin letters without diacritics. Marks of other scripts stay, where they make another letter. */
function foldLatin(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .normalize('NFKD')
    .replace(/(\p{Script=Latin})\p{M}+/gu, '$1')
    .replace(/[ßæœøđðłþı]/gu, letter => undividedLatin[letter] ?? letter)
    .normalize('NFKC')
}

const rankWidth = 5
/** Unified ideographs by block, as far as extension J; what this version of Unicode does not assign is skipped. */
const ideographs = [
  [0x3400, 0x9fff],
  [0xfa0e, 0xfa29],
  [0x20000, 0x33479],
] as const
const lastIdeograph = 0x33479

/** Ranks by code point; 0 is no rank. Built on first use: about 0.2 s and 0.8 MB for some 100,000 characters. */
let strokeRanks: Uint32Array | undefined

function strokeRank(character: string): string {
  strokeRanks ??= rankByStroke()
  const codePoint = character.codePointAt(0) ?? 0
  // No letter or number stands above the ideographs, so the sum fits the width.
  const rank = strokeRanks[codePoint] || lastIdeograph + codePoint
  return rank.toString(16).padStart(rankWidth, '0')
}

function rankByStroke(): Uint32Array {
  const characters = [...'0123456789abcdefghijklmnopqrstuvwxyz〇々']
  for (const [first, last] of ideographs) {
    for (let codePoint = first; codePoint <= last; codePoint++) {
      const character = String.fromCodePoint(codePoint)
      if (/^\p{Unified_Ideograph}$/u.test(character)) characters.push(character)
    }
  }
  characters.sort(new Intl.Collator('zh-u-co-stroke').compare)
  const ranks = new Uint32Array(lastIdeograph + 1)
  for (const [index, character] of characters.entries()) ranks[character.codePointAt(0) ?? 0] = index + 1
  return ranks
}
