import type { Locale, Translations } from '../languages.ts'
import { locales } from '../languages.ts'
import type { Text } from '../members/profile.ts'

/** The columns of a member in CSV, in the order of the export. Lists and references are joined by ` | `. */
const suffix = (locale: Locale) => locale.toLowerCase().replace('-', '_')

/** Texts in several languages, each with the prefix of its columns: `name_zh_hans`, `name_zh_hant`, `name_en`. */
export const textColumns = { names: 'name', summaries: 'summary', descriptions: 'description' } as const

export const memberColumns = [
  'id',
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

const separator = ' | '

/** Joins the entries of a list in one cell. */
export function joinList(entries: readonly string[]): string {
  return entries.join(separator)
}

/** Takes the entries out of a cell. */
export function splitList(cell: string): string[] {
  return cell.split('|').flatMap(entry => entry.trim() || [])
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
