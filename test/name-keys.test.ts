import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { latinKey, pinyinKey, searchTerm, searchText, strokeKey } from '../src/name-keys.ts'

/** What COLLATE "C" does: compare the bytes of the UTF-8 form. */
function inKeyOrder(names: readonly string[], key: (name: string) => string): string[] {
  return names
    .map(name => ({ name, key: Buffer.from(key(name)) }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .map(({ name }) => name)
}

const cities = (
  '北京 天津 上海 重庆 沈阳 大连 南京 无锡 苏州 昆山 杭州 宁波 合肥 福州 厦门 南昌 济南 青岛 潍坊 郑州 武汉 长沙 广州 深圳 珠海 ' +
  '桂林 海口 三亚 成都 德阳 眉山 资阳 贵阳 昆明 拉萨 西安 咸阳'
).split(' ')

describe('the pinyin key', () => {
  test.each([
    ['重庆', 'chong2 qing4'],
    ['中国(重庆)元宇宙产业联盟', 'zhong1 guo2 chong2 qing4 yuan2 yu3 zhou4 chan3 ye4 lian2 meng2'],
    ['长沙', 'chang2 sha1'],
    ['厦门', 'xia4 men2'],
    ['长三角', 'chang2 san1 jiao3'],
    ['中国银行', 'zhong1 guo2 yin2 hang2'],
    ['新都区', 'xin1 du1 qu1'],
    ['成都大都会', 'cheng2 du1 da4 du1 hui4'],
    ['都江堰', 'du1 jiang1 yan4'],
    ['台州市', 'tai1 zhou1 shi4'],
    ['一带一路', 'yi1 dai4 yi1 lu4'],
    ['我的', 'wo3 de5'],
    ['绿地', 'lu:4 di4'],
    ['XR显示2023“元”联盟', 'xr xian3 shi4 2023 yuan2 lian2 meng2'],
    ['ＸＲ　Łódź', 'xr lodz'],
    ['·—', ''],
  ])('of %s is %s', (name, key) => {
    expect(pinyinKey(name)).toBe(key)
  })

  test('puts cities in the order of an official list', () => {
    expect(inKeyOrder(['厦门', '重庆', '长沙', '成都', '西安', '北京', '长春', '常州'], pinyinKey)).toEqual([
      '北京',
      '长春',
      '长沙',
      '常州',
      '成都',
      '重庆',
      '西安',
      '厦门',
    ])
  })

  test("gives the order of ICU's pinyin collation, but reads phrases", () => {
    // ICU reads 重 zhòng, 厦 shà and 长 zhǎng. It also sets 贵阳 before 桂林, since 贵 has fewer strokes than its homophone 桂.
    const shared = cities.filter(name => !['重庆', '厦门', '长沙', '桂林'].includes(name))
    expect(inKeyOrder(shared, pinyinKey)).toEqual(shared.toSorted(new Intl.Collator('zh-u-co-pinyin').compare))
  })

  test('sorts ü as the dictionaries do', () => {
    expect(inKeyOrder([...'锣论略乱律路'], pinyinKey).join('')).toBe('路律乱略论锣')
  })
})

describe('the stroke key', () => {
  const collator = new Intl.Collator('zh-u-co-stroke', { ignorePunctuation: true, sensitivity: 'base' })

  test('puts names in the order of ICU', () => {
    const names = [
      ...cities,
      '一汽',
      '丁山',
      '乙方',
      '重庆市',
      '成都市',
      '成华',
      '长三角元宇宙联盟',
      '𠮷野',
      '㐀',
      '2023',
      '37互娱',
      'XR联盟',
      'abc',
    ]
    expect(inKeyOrder(names, strokeKey)).toEqual(names.toSorted(collator.compare))
    expect(inKeyOrder(['重庆', '上海', '三亚', '北京', '广州'], strokeKey)).toEqual([
      '三亚',
      '上海',
      '广州',
      '北京',
      '重庆',
    ])
  })

  test('agrees with the collator on any two texts of Chinese characters, digits and letters', () => {
    const character = fc.oneof(
      fc.integer({ min: 0x4e00, max: 0x9fff }),
      fc.integer({ min: 0x3400, max: 0x4dbf }),
      fc.integer({ min: 0x20000, max: 0x2a6df }),
      fc.constantFrom(...[...'09azm“（'].map(letter => letter.codePointAt(0) ?? 0)),
    )
    const text = fc.array(character, { maxLength: 6 }).map(points => String.fromCodePoint(...points))
    fc.assert(
      fc.property(text, text, (a, b) => {
        const [first, second] = [strokeKey(a), strokeKey(b)]
        expect(Number(first > second) - Number(first < second)).toBe(Math.sign(collator.compare(a, b)))
      }),
      { numRuns: 3000 },
    )
  })

  test('is five hex digits per character, whatever the case, width and punctuation', () => {
    expect(strokeKey('成都')).toMatch(/^[0-9a-f]{10}$/)
    expect(strokeKey('“ＸＲ”·显示')).toBe(strokeKey('xr显示'))
    expect(strokeKey('')).toBe('')
  })
})

describe('the Latin key', () => {
  test.each([
    [{ 'zh-Hans': '成都市', en: 'Chengdu' }, 'chengdu'],
    [{ 'zh-Hans': '成都市' }, 'chengdushi'],
    [{ 'zh-Hans': '成都市', en: '  ' }, 'chengdushi'],
    [{ 'zh-Hant': '成都市' }, 'chengdushi'],
    [{ en: "Xi'an" }, 'xian'],
    [{ en: 'China (Chongqing) Metaverse  Alliance' }, 'china chongqing metaverse alliance'],
    [{ en: 'Ürümqi Straße Łódź' }, 'urumqi strasse lodz'],
    [{}, ''],
  ])('of %j is %s', (names, key) => {
    expect(latinKey(names)).toBe(key)
  })
})

describe('search for part of a word', () => {
  const chengdu = searchText({ 'zh-Hans': '成都市', en: 'Chengdu' }, ['蓉'])

  test.each([
    'chengdu',
    'Cheng',
    'cd',
    'cds',
    '成',
    '都市',
    '成都',
    '蓉',
    'ＣＨＥＮＧＤＵ',
    '  成都　',
    'rong',
    'CHENGDUSHI',
  ])('finds 成都市 by %j', typed => {
    expect(chengdu).toContain(searchTerm(typed))
  })

  test('writes each form on its own line, once, in an order that does not hang on the order of the names', () => {
    expect(searchText({ en: 'Chengdu', 'zh-Hans': '成都' }, [])).toBe(
      searchText({ 'zh-Hans': '成都', en: 'Chengdu' }, []),
    )
    expect(chengdu.split('\n')).toEqual(['cds', 'chengdu', 'chengdushi', 'r', 'rong', '成都市', '蓉'])
  })

  test('never matches across two names', () => {
    expect(chengdu).not.toContain(searchTerm('市chengdu'))
    expect(chengdu).not.toContain(searchTerm('成都市\nchengdu'))
    expect(searchText({ 'zh-Hans': '成\n都' }, []).split('\n')).toContain('成 都')
  })

  test('finds ü typed as u and as v, and diacritics typed plainly', () => {
    const text = searchText({ 'zh-Hans': '绿地', en: 'Zürich' }, [])
    for (const typed of ['ludi', 'lvdi', 'ld', 'zürich', 'zurich']) expect(text).toContain(searchTerm(typed))
  })

  test('finds every written name and extra by any part of it', () => {
    const word = fc.string({ unit: 'grapheme', maxLength: 20 })
    fc.assert(
      fc.property(word, word, word, (chinese, english, extra) => {
        const lines = searchText({ 'zh-Hans': chinese, en: english }, [extra]).split('\n')
        for (const name of [chinese, english, extra]) {
          const term = searchTerm(name)
          expect(searchTerm(term)).toBe(term)
          if (term !== '') expect(lines).toContain(term)
        }
      }),
    )
  })

  test('of nothing is empty', () => {
    expect(searchText({}, [])).toBe('')
    expect(searchTerm(' \u3000\n')).toBe('')
  })
})
