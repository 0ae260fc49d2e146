import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import iconv from 'iconv-lite'
import { describe, expect, test } from 'vitest'
import { CsvError, decodeText, readCsv, writeCsv } from '../../src/dataset/csv.ts'

const utf8 = (text: string) => Buffer.from(text, 'utf8')
const gbk = (text: string) => iconv.encode(text, 'gb18030')

function errorOf(act: () => unknown): CsvError {
  try {
    act()
  } catch (error) {
    if (error instanceof CsvError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('decoding', () => {
  const text = 'code,name\r\n510100,成都市\r\n500000,重庆市\r\n'

  test.each([
    ['UTF-8', utf8(text), 'utf-8'],
    ['UTF-8 with a byte order mark', utf8(`\uFEFF${text}`), 'utf-8'],
    ['UTF-16LE with a byte order mark', Buffer.from(`\uFEFF${text}`, 'utf16le'), 'utf-16le'],
    ['GB18030', gbk(text), 'gb18030'],
  ])('reads %s', (_, bytes, encoding) => {
    expect(decodeText(bytes)).toEqual({ text, encoding })
  })

  test('reads characters that only GB18030 has, beside GBK', () => {
    expect(decodeText(gbk('𠮷野,㐀,€'))).toEqual({ text: '𠮷野,㐀,€', encoding: 'gb18030' })
  })

  test('reads plain ASCII and nothing at all as UTF-8', () => {
    expect(decodeText(utf8('a,b\n'))).toEqual({ text: 'a,b\n', encoding: 'utf-8' })
    expect(decodeText(new Uint8Array())).toEqual({ text: '', encoding: 'utf-8' })
  })

  test.each([
    ['UTF-8 first', [utf8('name\n成都市\nx\n'), gbk('重庆市\n')], 4],
    ['GB18030 first', [gbk('name\n成都市\n'), utf8('重庆市\n'), gbk('武汉市\n')], 3],
    ['one broken byte in UTF-8', [utf8('成都市\n'), Buffer.from([0xe6, 0x0a]), utf8('重庆市\n')], 2],
  ])('refuses mixed encodings, %s, and names the line', (_, parts, line) => {
    const error = errorOf(() => decodeText(Buffer.concat(parts)))
    expect(error).toMatchObject({ code: 'ENCODING', params: { reason: 'MIXED', line } })
    expect(error.message).toContain(`line ${line}`)
    expect(error.message).toContain('CSV UTF-8')
  })

  test('does not take short GB18030 lines that are valid UTF-8 by chance for a mixture', () => {
    expect(utf8(gbk('通').toString('utf8'))).toEqual(gbk('通'))
    expect(decodeText(gbk('成都\n通\n重庆\n'))).toEqual({ text: '成都\n通\n重庆\n', encoding: 'gb18030' })
  })

  test.each([
    ['neither encoding', Buffer.from([0x61, 0x0a, 0xff, 0xff, 0x0a]), { reason: 'BROKEN', line: 2 }],
    ['a byte order mark that lies', Buffer.concat([utf8('\uFEFFa\n'), gbk('成都')]), { reason: 'BROKEN', line: 2 }],
    ['NUL', utf8('a\nb\0c'), { reason: 'NUL', line: 2 }],
    ['NUL in GB18030', Buffer.concat([gbk('成都\n'), Buffer.from([0])]), { reason: 'NUL', line: 2 }],
    ['a lone surrogate', Buffer.from('\uFEFFa\nb\uD800c', 'utf16le'), { reason: 'SURROGATE', line: 2 }],
    ['a cut-off UTF-16 character', Buffer.from([0xff, 0xfe, 0x61, 0x00, 0x62]), { reason: 'SURROGATE', line: 1 }],
    [
      'a surrogate written in UTF-8',
      Buffer.concat([utf8('成都\n'), Buffer.from([0xed, 0xa0, 0x80])]),
      { reason: 'MIXED', line: 2 },
    ],
    ['Big5', iconv.encode('name\n這是一個在臺北的聯盟', 'big5'), { reason: 'BROKEN', line: 2 }],
    ['UTF-16BE', Buffer.from([0xfe, 0xff, 0x00, 0x61]), { reason: 'UTF_16BE' }],
    ['an Excel workbook', Buffer.from('PK\x03\x04\x14'), { reason: 'WORKBOOK' }],
  ])('refuses %s', (_, bytes, params) => {
    const error = errorOf(() => decodeText(bytes))
    expect(error).toMatchObject({ name: 'CsvError', code: 'ENCODING', params })
    expect(error.message).toContain('CSV UTF-8')
  })

  test('never invents text: what it accepts encodes back to the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), bytes => {
        let decoded: ReturnType<typeof decodeText>
        try {
          decoded = decodeText(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(CsvError)
          return
        }
        expect(decoded.text.isWellFormed()).toBe(true)
        if (decoded.encoding === 'utf-8')
          expect(
            Buffer.from(bytes)
              .toString('utf8')
              .replace(/^\uFEFF/, ''),
          ).toBe(decoded.text)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('reading', () => {
  const columns = { required: ['code', 'name'], optional: ['note'] }

  test('gives rows with their lines and trimmed cells', () => {
    expect(
      readCsv('\uFEFFcode, name ,note\r\n510100, 成都市 ,"　a, b "\r\n\r\n500000,重庆市,\r\n', { columns }),
    ).toEqual([
      { line: 2, values: { code: '510100', name: '成都市', note: 'a, b' } },
      { line: 4, values: { code: '500000', name: '重庆市', note: '' } },
    ])
  })

  test('leaves out a column that the file does not have', () => {
    expect(readCsv('name,code\n成都市,510100', { columns })).toEqual([
      { line: 2, values: { name: '成都市', code: '510100' } },
    ])
  })

  test('counts lines through cells with line breaks, whatever the line ending', () => {
    for (const end of ['\n', '\r\n', '\r']) {
      const text = ['code,name', '1,"two', '', 'lines"', '2,"say ""hi"""', '', ',', '3,x', ''].join(end)
      expect(readCsv(text, { columns })).toEqual([
        { line: 2, values: { code: '1', name: 'two\n\nlines' } },
        { line: 5, values: { code: '2', name: 'say "hi"' } },
        { line: 8, values: { code: '3', name: 'x' } },
      ])
    }
  })

  test('finds the header below blank lines', () => {
    expect(readCsv('\n\ncode,name\n1,a', { columns })).toEqual([{ line: 4, values: { code: '1', name: 'a' } }])
  })

  test('reads tabs where the header has tabs', () => {
    expect(readCsv('code\tname\n1\ta, b\n', { columns })).toEqual([{ line: 2, values: { code: '1', name: 'a, b' } }])
  })

  test('names everything that is wrong with the header at once', () => {
    const error = errorOf(() => readCsv('code,nmae,note,note,\n', { columns }))
    expect(error.code).toBe('HEADER')
    expect(error.params).toEqual({
      missing: 'name',
      unknown: 'nmae, (column 5 without a name)',
      duplicate: 'note',
      allowed: 'code, name, note',
    })
    expect(error.message).toBe(
      'Columns missing: name; unknown: nmae, (column 5 without a name); twice: note. Allowed are: code, name, note.',
    )
  })

  test('misses all required columns in an empty file', () => {
    for (const text of ['', '\n', '\uFEFF']) {
      expect(errorOf(() => readCsv(text, { columns })).params).toMatchObject({ missing: 'code, name' })
    }
  })

  test.each([
    ['too few cells', 'code,name\n1,a\n\n2\n', { reason: 'RAGGED', line: 4, expected: 2, found: 1 }],
    ['too many cells', 'code,name\n"1\n",a\n2,b,c\n', { reason: 'RAGGED', line: 4, expected: 2, found: 3 }],
    ['a quote that never ends', 'code,name\n1,a\n2,"b\n', { reason: 'QUOTE' }],
    ['a quote in the middle', 'code,name\n1,"a"b\n', { reason: 'QUOTE', line: 2 }],
    ['a bare quote', 'code,name\n1,a"b\n', { reason: 'QUOTE', line: 2 }],
  ])('refuses %s', (_, text, params) => {
    expect(errorOf(() => readCsv(text, { columns }))).toMatchObject({ code: 'ROW', params })
  })

  test('has no trouble with columns named like parts of objects', () => {
    const odd = { required: ['__proto__', 'constructor'], optional: [] }
    const [row] = readCsv('__proto__,constructor\na,b\n', { columns: odd })
    expect(Object.entries(row?.values ?? {})).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
    ])
  })
})

describe('writing', () => {
  const columns = ['code', 'name']
  const readBack = (text: string) =>
    readCsv(text, { columns: { required: columns, optional: [] } }).map(row => row.values)

  test('writes RFC 4180, with a byte order mark on request', () => {
    const rows: Record<string, string>[] = [{ code: '1', name: 'a, "b"\nc' }, { code: '2' }]
    expect(writeCsv(columns, rows)).toBe('code,name\r\n1,"a, ""b""\nc"\r\n2,\r\n')
    expect(writeCsv(columns, [], { bom: true })).toBe('\uFEFFcode,name\r\n')
  })

  test.each([
    ['=1+1', "'=1+1"],
    ['+86 28 1234', "'+86 28 1234"],
    ['-', "'-"],
    ['@cmd', "'@cmd"],
    ['＝1', "'＝1"],
    [' =1', "' =1"],
    ["'=1", "''=1"],
    ['-12.5', '-12.5'],
    ['+3', '+3'],
    ["'quoted'", "'quoted'"],
    ['a=b', 'a=b'],
  ])('writes the cell %s as %s and reads it back', (cell, written) => {
    const text = writeCsv(columns, [{ code: cell, name: 'x' }])
    expect(text).toBe(`code,name\r\n${written},x\r\n`)
    expect(readBack(text)).toEqual([{ code: cell.trim(), name: 'x' }])
  })

  test('reads back whatever it wrote, trimmed, and leaves no cell that a spreadsheet would run', () => {
    const cell = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 8 }),
      fc.string({
        unit: fc.constantFrom("'", '=', '-', '+', '@', '1', '.', ' ', '\t', '\n', '"', ',', '＝', '成'),
        maxLength: 6,
      }),
    )
    fc.assert(
      fc.property(fc.array(fc.record({ code: cell, name: cell }), { maxLength: 4 }), fc.boolean(), (rows, bom) => {
        const text = writeCsv(columns, rows, { bom })
        for (const cell of (parse(text, { bom: true }) as string[][]).flat()) {
          expect(cell).toMatch(/^(\s*[+-]?\d+(\.\d+)?\s*|(?!\s*[=+\-@＝＋－＠])[\s\S]*)$/)
        }
        const kept = rows
          .map(row => ({ code: row.code.trim(), name: row.name.trim() }))
          .filter(row => row.code + row.name !== '')
        expect(readBack(text)).toEqual(kept)
        expect(readBack(decodeText(utf8(text)).text)).toEqual(kept)
      }),
      { numRuns: 2000 },
    )
  })
})
