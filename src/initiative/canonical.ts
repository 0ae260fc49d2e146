import { createHash } from 'node:crypto'
import type { Translations } from '../languages.ts'

/** The SHA-256 of a text in UTF-8, in lower-case hexadecimal digits. */
export function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex')
}

/** A text in NFC, with line feeds as line breaks and no white space at the ends of its lines. */
export function canonicalLines(text: string): string {
  const lines = text.normalize('NFC').replace(/\r\n?/g, '\n').split('\n')
  return lines.map(line => line.trimEnd()).join('\n')
}

/** What is hashed of the text in one language: as the SDL says at `InitiativeVersion`. */
export function canonicalText(title: string, body: string): string {
  return `${canonicalLines(title)}\n\n${canonicalLines(body)}\n`
}

/** The lines whose SHA-256 is that of a version. @param hashes the SHA-256 of the text in each language */
export function manifestOf(hashes: Translations): string {
  const lines = Object.entries(hashes).map(([locale, hash]) => `${locale} ${hash}\n`)
  return lines.sort().join('')
}

/** The SHA-256 of the text in each language, and of all of them together. Every title has a body. */
export function hashTexts(titles: Translations, bodies: Translations): { hashes: Translations; sha256: string } {
  const hashes = Object.fromEntries(
    Object.entries(titles).map(([locale, title]) => [locale, sha256(canonicalText(title, bodies[locale] ?? ''))]),
  )
  return { hashes, sha256: sha256(manifestOf(hashes)) }
}
