import { type Locale, locales, type Translations } from '../languages.ts'
import type { Reference } from '../members/lookups.ts'
import type { Text } from '../members/profile.ts'
import { normaliseReference } from '../members/references.ts'

const suffix = (locale: Locale) => locale.toLowerCase().replace('-', '_')

/** Texts in several languages, each with the prefix of its columns: `name_zh_hans`, `name_zh_hant`, `name_en`. */
export const textColumns = { names: 'name', summaries: 'summary', descriptions: 'description' } as const

/**
 * The columns of a member in CSV, in the order of the export. Lists and references are joined by ` | `; a `|` or `\` of
 * an entry has a `\` before it, and so has a `:` of a reference's system.
 */
export const memberColumns = [
  'id',
  'version',
  'kind',
  'association_kind',
  'region',
  ...Object.values(textColumns).flatMap(prefix => locales.map(locale => `${prefix}_${suffix(locale)}`)),
  'logo_url',
  'website_url',
  'fields',
  'capabilities',
  'founded',
  'size',
  'parent',
  'lead',
  'credit_code',
  'external_references',
  'status',
] as const

const escaped = (text: string, special: RegExp) => text.replace(special, '\\$&')
const unescaped = (text: string) => text.replace(/\\([\\|:])/g, '$1')

/** The parts of a cell between separators that have no `\` before them, as they stand there. */
function splitAt(cell: string, separator: '|' | ':'): string[] {
  const parts = ['']
  for (const [piece] of cell.matchAll(/\\?./gsu))
    if (piece === separator) parts.push('')
    else parts[parts.length - 1] += piece
  return parts
}

const entriesOf = (cell: string) => splitAt(cell, '|').flatMap(entry => entry.trim() || [])

/** Joins the entries of a list in one cell. */
export function joinList(entries: readonly string[]): string {
  return entries.map(entry => escaped(entry, /[\\|]/g)).join(' | ')
}

/** Takes the entries out of a cell. */
export function splitList(cell: string): string[] {
  return entriesOf(cell).map(unescaped)
}

/** Joins keys in other systems in one cell, each as `system:key`. */
export function joinReferences(references: readonly Reference[]): string {
  return references.map(({ system, value }) => `${escaped(system, /[\\|:]/g)}:${escaped(value, /[\\|]/g)}`).join(' | ')
}

/** Takes the keys in other systems out of a cell, as they are kept; of an entry that is none, the text. */
export function splitReferences(cell: string): (Reference | string)[] {
  return entriesOf(cell).map(entry => {
    const [system = '', ...rest] = splitAt(entry, ':')
    const reference = normaliseReference({ system: unescaped(system), value: unescaped(rest.join(':')) })
    return reference.system === '' || reference.value === '' ? entry : reference
  })
}

/** The cells of a text in several languages. */
export function writeTexts(prefix: string, texts: Translations): Record<string, string> {
  return Object.fromEntries(locales.map(locale => [`${prefix}_${suffix(locale)}`, texts[locale] ?? '']))
}

/** The texts of a row: of the languages whose column the file has, an empty cell meaning none. */
export function readTexts(prefix: string, cells: Readonly<Record<string, string>>): Text[] {
  return locales.flatMap(locale => {
    const text = cells[`${prefix}_${suffix(locale)}`]
    return text === undefined ? [] : [{ locale, text }]
  })
}
