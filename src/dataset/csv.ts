import { CsvError as ParseError, parse } from 'csv-parse/sync'
import { stringify } from 'csv-stringify/sync'

export type CsvErrorCode = 'ENCODING' | 'HEADER' | 'ROW'

/**
 * A file that cannot be read, for a reason that its sender can mend. `message` is English; `params` hold what a
 * message in another language needs. Lines count from 1, the header's line included.
 *
 * | code | params |
 * |---|---|
 * | ENCODING | `reason`: MIXED, BROKEN or SURROGATE (each with `line`), NUL (with `line`), UTF_16BE, WORKBOOK |
 * | HEADER | `missing`, `unknown`, `duplicate`, `allowed`: column names joined with `, `, empty when there are none |
 * | ROW | `reason`: RAGGED (with `line`, `expected`, `found` cells) or QUOTE (with `line`) |
 */
export class CsvError extends Error {
  readonly code: CsvErrorCode
  readonly params: Record<string, string | number>

  constructor(code: CsvErrorCode, message: string, params: Record<string, string | number>, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CsvError'
    this.code = code
    this.params = params
  }
}

export interface DecodedText {
  /** Without byte order mark. */
  readonly text: string
  readonly encoding: 'utf-8' | 'utf-16le' | 'gb18030'
}

const mendEncoding = 'Save the file as “CSV UTF-8” and send it again.'

/**
 * Decode a text file strictly; nothing is guessed or replaced. In this order: a UTF-8 or UTF-16 byte order mark is
 * believed (Excel's “Unicode text” is UTF-16LE); bytes that are valid UTF-8 are UTF-8; else they must be valid
 * GB18030, which includes GBK and GB 2312 (what Excel writes as plain “CSV” on a Chinese Windows). A file with lines
 * of both is refused, as are NUL characters and lone surrogates.
 *
 * Two things cannot be told from the bytes: another double-byte encoding (mostly Shift JIS) that happens to be valid
 * GB18030, and a GB18030 file so short that it is valid UTF-8 too (通 alone is).
 *
 * @throws CsvError ENCODING
 */
export function decodeText(bytes: Uint8Array): DecodedText {
  if (startsWith(bytes, [0x50, 0x4b, 0x03, 0x04])) {
    throw new CsvError('ENCODING', `This is an Excel workbook or a ZIP file, not CSV. ${mendEncoding}`, {
      reason: 'WORKBOOK',
    })
  }
  if (startsWith(bytes, [0xfe, 0xff])) {
    throw new CsvError('ENCODING', `The file is big-endian UTF-16, which is not read. ${mendEncoding}`, {
      reason: 'UTF_16BE',
    })
  }
  if (startsWith(bytes, [0xff, 0xfe])) return { text: decodeUtf16(bytes), encoding: 'utf-16le' }

  const utf8 = decodeOrNull('utf-8', bytes)
  if (utf8 !== null) return { text: withoutNul(utf8), encoding: 'utf-8' }

  const marked = startsWith(bytes, [0xef, 0xbb, 0xbf])
  if (!marked) refuseMixed(bytes)
  const gb18030 = marked ? null : decodeGb18030(bytes)
  if (gb18030 === null) {
    const line = firstLine(bytes, each => (marked ? decodeOrNull('utf-8', each) : decodeGb18030(each)) === null)
    const encodings = marked ? 'UTF-8, which it says it is' : 'neither UTF-8 nor GB18030'
    throw new CsvError(
      'ENCODING',
      `Line ${line} is not valid: the file is ${marked ? 'not ' : ''}${encodings}. ${mendEncoding}`,
      {
        reason: 'BROKEN',
        line,
      },
    )
  }
  return { text: withoutNul(gb18030), encoding: 'gb18030' }
}

function startsWith(bytes: Uint8Array, mark: readonly number[]): boolean {
  return mark.every((byte, index) => bytes[index] === byte)
}

/** The text, or null when the bytes are not valid in this encoding. */
function decodeOrNull(encoding: 'utf-8' | 'utf-16le' | 'gb18030', bytes: Uint8Array): string | null {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) return null // what `fatal` means
    throw error
  }
}

/**
 * Private-use characters count as invalid: they are what the commonest characters of a Big5 file become, while
 * nobody's name is written with them.
 */
function decodeGb18030(bytes: Uint8Array): string | null {
  const text = decodeOrNull('gb18030', bytes)
  return text === null || /\p{Private_Use}/u.test(text) ? null : text
}

function decodeUtf16(bytes: Uint8Array): string {
  const text = decodeOrNull('utf-16le', bytes)
  if (text !== null) return withoutNul(text)
  const lenient = new TextDecoder('utf-16le').decode(bytes)
  const line = lineOf(lenient, lenient.indexOf('\uFFFD'))
  throw new CsvError(
    'ENCODING',
    `Line ${line} holds half a character (a lone surrogate or a cut-off byte). ${mendEncoding}`,
    {
      reason: 'SURROGATE',
      line,
    },
  )
}

function withoutNul(text: string): string {
  const at = text.indexOf('\0')
  if (at < 0) return text
  const line = lineOf(text, at)
  throw new CsvError('ENCODING', `Line ${line} holds a NUL character: this is not a text file. ${mendEncoding}`, {
    reason: 'NUL',
    line,
  })
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}

/** Neither UTF-8 nor GB18030 uses the byte of the line feed inside another character: lines can be cut undecoded. */
function* linesOf(bytes: Uint8Array): Generator<Uint8Array> {
  let start = 0
  while (start < bytes.length) {
    const end = bytes.indexOf(0x0a, start)
    yield bytes.subarray(start, end < 0 ? bytes.length : end)
    if (end < 0) return
    start = end + 1
  }
}

function firstLine(bytes: Uint8Array, matches: (line: Uint8Array) => boolean): number {
  let number = 0
  for (const line of linesOf(bytes)) {
    number++
    if (matches(line)) return number
  }
  return number
}

/**
 * Refuse a file whose lines are partly UTF-8 and partly not, naming the first line that differs from those before. A
 * line speaks for UTF-8 only with a sequence of three bytes or more, as every Chinese character is: two bytes of a
 * GB18030 character are often valid UTF-8 as well (one character in eight of GB 2312), and a list of city names
 * would be refused by chance.
 */
function refuseMixed(bytes: Uint8Array): void {
  let before: boolean | null = null
  let number = 0
  for (const line of linesOf(bytes)) {
    number++
    if (line.every(byte => byte < 0x80)) continue
    const text = decodeOrNull('utf-8', line)
    const isUtf8 = text !== null
    if (isUtf8 && !/[\u0800-\u{10FFFF}]/u.test(text)) continue
    before ??= isUtf8
    if (before === isUtf8) continue
    const [here, there] = isUtf8 ? ['UTF-8', 'not'] : ['not UTF-8', 'UTF-8']
    throw new CsvError(
      'ENCODING',
      `The file mixes encodings: line ${number} is ${here}, the lines before it are ${there}. ${mendEncoding}`,
      { reason: 'MIXED', line: number },
    )
  }
}

export interface CsvColumns {
  readonly required: readonly string[]
  /** Null allows any other column, which is read like the rest. */
  readonly optional: readonly string[] | null
}

export interface CsvRow {
  /** The line of the file on which the row begins: a cell in quotes may span several. */
  readonly line: number
  /** Trimmed cells by column. A column that the file does not have is missing, which differs from an empty cell. */
  readonly values: Record<string, string>
}

/**
 * Read CSV with a header, RFC 4180: any line ending, a byte order mark, tabs instead of commas when the header has
 * tabs and no comma (Excel's “Unicode text”). Line breaks inside cells become `\n`. Rows without any value are
 * skipped, since spreadsheets leave them at the end. The apostrophe that `writeCsv` sets before formulas is taken
 * off.
 *
 * @throws CsvError HEADER with everything that is wrong with the header at once; ROW for the first row that has too few
 *   or too many cells or unbalanced quotes
 */
export function readCsv(text: string, options: { readonly columns: CsvColumns }): CsvRow[] {
  const source = text.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n')
  const [header, ...rows] = parseRecords(source).filter(({ cells }) => cells.some(cell => cell !== ''))
  const columns = header?.cells ?? []
  checkHeader(columns, options.columns)

  const result: CsvRow[] = []
  for (const { line, cells } of rows) {
    if (cells.length !== columns.length) {
      throw new CsvError('ROW', `Line ${line} has ${cells.length} cells, the header has ${columns.length}.`, {
        reason: 'RAGGED',
        line,
        expected: columns.length,
        found: cells.length,
      })
    }
    const values = columns.map((column, index) => [column, withoutGuard(cells[index] ?? '').trim()] as const)
    result.push({ line, values: Object.fromEntries(values) })
  }
  return result
}

function parseRecords(source: string): { line: number; cells: string[] }[] {
  const headerLine = /\S[^\n]*/.exec(source)?.[0] ?? ''
  const delimiter = headerLine.includes('\t') && !headerLine.includes(',') ? '\t' : ','
  const records: { line: number; cells: string[] }[] = []
  let line = 1
  try {
    // `raw` is the record as it stands in the file: counting its line breaks gives the line of the next one.
    const parsed = parse(source, { delimiter, record_delimiter: '\n', raw: true, relax_column_count: true, trim: true })
    for (const { raw, record } of parsed as unknown as { raw: string; record: string[] }[]) {
      records.push({ line, cells: record.map(cell => cell.trim()) })
      line += raw.split('\n').length - 1
    }
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
    const at = typeof error.lines === 'number' ? error.lines : line
    const message = `Line ${at}: the quotes do not balance. Write a quote in a cell twice, and the cell in quotes.`
    throw new CsvError('ROW', message, { reason: 'QUOTE', line: at }, { cause: error })
  }
  return records
}

function checkHeader(found: readonly string[], { required, optional }: CsvColumns): void {
  const allowed = [...required, ...(optional ?? [])]
  const missing = required.filter(column => !found.includes(column))
  const unknown = found.flatMap((column, index) =>
    allowed.includes(column) || (optional === null && column !== '')
      ? []
      : [column === '' ? `(column ${index + 1} without a name)` : column],
  )
  const duplicate = allowed.filter(column => found.indexOf(column) !== found.lastIndexOf(column))
  if (missing.length + unknown.length + duplicate.length === 0) return

  const params = {
    missing: missing.join(', '),
    unknown: unknown.join(', '),
    duplicate: duplicate.join(', '),
    allowed: allowed.join(', '),
  }
  const complaints = [
    missing.length > 0 ? `missing: ${params.missing}` : '',
    unknown.length > 0 ? `unknown: ${params.unknown}` : '',
    duplicate.length > 0 ? `twice: ${params.duplicate}` : '',
  ].filter(complaint => complaint !== '')
  throw new CsvError('HEADER', `Columns ${complaints.join('; ')}. Allowed are: ${params.allowed}.`, params)
}

/**
 * Write CSV that a spreadsheet opens without running anything in it, and that `readCsv` reads back as it was. Lines
 * end with CRLF (RFC 4180); only the named columns are written, a missing value as an empty cell. `bom` makes Excel
 * read UTF-8.
 *
 * A cell that a spreadsheet would take for a formula (it begins with `= + - @` or their full-width forms, also
 * behind white space; the list is OWASP's “CSV Injection”) gets an apostrophe in front, which spreadsheets show as
 * text. A cell that already looks guarded gets one more, so that taking one off on reading is exact. Plain numbers
 * such as `-12.5` are harmless and left alone.
 */
export function writeCsv(
  columns: readonly string[],
  rows: Iterable<Readonly<Record<string, string>>>,
  options: { readonly bom?: boolean } = {},
): string {
  const records = Array.from(rows, row => columns.map(column => withGuard(row[column] ?? '')))
  // csv-stringify quotes only the record delimiter itself: a lone line feed or carriage return needs the pattern.
  return stringify([[...columns], ...records], {
    bom: options.bom ?? false,
    record_delimiter: '\r\n',
    quoted_match: /[\r\n]/,
  })
}

const formulaStart = /^[\s']*[=+\-@＝＋－＠]/u
const plainNumber = /^\s*[+-]?\d+(\.\d+)?\s*$/

function needsGuard(cell: string): boolean {
  return formulaStart.test(cell) && !plainNumber.test(cell)
}

function withGuard(cell: string): string {
  return needsGuard(cell) ? `'${cell}` : cell
}

function withoutGuard(cell: string): string {
  return cell.startsWith("'") && needsGuard(cell.slice(1)) ? cell.slice(1) : cell
}
