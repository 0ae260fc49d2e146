import { type GraphQLScalarType, Kind, type ValueNode } from 'graphql'
import { InvalidInput, type Text, text } from '../errors.ts'
import { locales, readLocale } from '../languages.ts'

const shown = (value: unknown) => {
  const written = JSON.stringify(value) ?? String(value)
  return written.length > 60 ? `${written.slice(0, 60)}…` : written
}

/** A scalar that is written as a string; `read` answers null for what it can't be. */
function stringScalar<T>(
  name: string,
  read: (value: string) => T | null,
  write: (value: T) => string,
  hint: Text,
): Pick<GraphQLScalarType<T, string>, 'serialize' | 'parseValue' | 'parseLiteral'> {
  const parse = (value: unknown): T => {
    const parsed = typeof value === 'string' ? read(value) : null
    if (parsed === null)
      throw new InvalidInput(
        text(`${shown(value)} is no ${name}: ${hint.en}.`, `${shown(value)} 不是有效的 ${name}：${hint.zh}。`),
      )
    return parsed
  }
  // Not a GraphQLScalarType: graphql-tools would put its missing description in the place of the SDL's.
  return {
    serialize: value => write(value as T),
    parseValue: parse,
    parseLiteral: (node: ValueNode) => parse(node.kind === Kind.STRING ? node.value : null),
  }
}

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i

/** Whether year, month and day name a day that exists. */
function isDay(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(year, month - 1, day))
  return year >= 1 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}

/** The moments that are read, in UTC: the years 0001 to 9999, as RFC 3339 can write them. */
const [firstMoment, lastMoment] = [Date.parse('0001-01-01T00:00:00Z'), Date.parse('9999-12-31T23:59:59.999Z')]

/** Reads a moment as RFC 3339 writes it, with any offset; null for one that does not exist. */
export function readDateTime(value: string): Date | null {
  const parts = rfc3339.exec(value)
  if (!parts || !isDay(Number(parts[1]), Number(parts[2]), Number(parts[3]))) return null
  if (Number(parts[4]) > 23 || Number(parts[5]) > 59 || Number(parts[6]) > 59) return null
  const moment = new Date(value)
  return moment.getTime() >= firstMoment && moment.getTime() <= lastMoment ? moment : null
}

function readDate(value: string): string | null {
  const parts = /^(\d{4})-(\d\d)-(\d\d)$/.exec(value)
  return parts && isDay(Number(parts[1]), Number(parts[2]), Number(parts[3])) ? value : null
}

/** Reads `YYYY`, `YYYY-MM` or `YYYY-MM-DD`; null for a day that does not exist. */
export function readPartialDate(value: string): string | null {
  if (/^[1-9]\d{3}$/.test(value) || /^[1-9]\d{3}-(0[1-9]|1[0-2])$/.test(value)) return value
  return value.startsWith('0') ? null : readDate(value)
}

const longestUrl = 2000

/** Reads an absolute http or https URL without user and password; null for anything else. */
export function readUrl(value: string): string | null {
  if (value.length > longestUrl || !URL.canParse(value)) return null
  const url = new URL(value)
  // The form that is kept is longer where characters are percent-encoded.
  if (url.href.length > longestUrl || !/^https?:$/.test(url.protocol)) return null
  return url.username === '' && url.password === '' ? url.href : null
}

const same = (value: string) => value

/** The scalars of base.graphql. */
export const scalars = {
  DateTime: stringScalar(
    'DateTime',
    readDateTime,
    (value: Date) => value.toISOString(),
    text(
      'write an existing moment of the years 0001 to 9999 with its offset from UTC, such as 2026-11-23T08:00:00Z or 2026-11-23T16:00:00+08:00',
      '请填写公元 1 年至 9999 年间存在的时刻并注明时区，例如 2026-11-23T08:00:00Z 或 2026-11-23T16:00:00+08:00',
    ),
  ),
  Date: stringScalar(
    'Date',
    readDate,
    same,
    text('write an existing day such as 2026-11-23', '请填写存在的日期，例如 2026-11-23'),
  ),
  PartialDate: stringScalar(
    'PartialDate',
    readPartialDate,
    same,
    text('write 2022, 2022-09 or 2022-09-26', '请填写 2022、2022-09 或 2022-09-26 这样的日期'),
  ),
  URL: stringScalar(
    'URL',
    readUrl,
    same,
    text(
      'write an absolute http or https URL of at most 2,000 characters, without user name and password',
      '请填写不超过 2000 个字符、不含用户名和密码的 http 或 https 完整网址',
    ),
  ),
  Locale: stringScalar(
    'Locale',
    value => (value.length <= 35 ? readLocale(value) : null),
    same,
    text(`the alliance writes in ${locales.join(', ')}`, `本联盟使用的语言为 ${locales.join('、')}`),
  ),
  Cursor: stringScalar(
    'Cursor',
    value => (value.length <= 200 ? value : null),
    same,
    text('give back a cursor that an event or asOf gave', '请使用事件或 asOf 返回的游标'),
  ),
  Sha256: stringScalar(
    'Sha256',
    value => (/^[0-9a-f]{64}$/i.test(value) ? value.toLowerCase() : null),
    same,
    text('write 64 hexadecimal digits', '请填写 64 位十六进制数'),
  ),
}
