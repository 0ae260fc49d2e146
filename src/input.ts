import { type Fault, type InputFault, InputRefused, text } from './errors.ts'
import type { Locale, Translations } from './languages.ts'

/** Gathers what is wrong with an input, so that a caller learns all of it at once. */
export interface InputCheck {
  add(code: Fault, field: readonly string[], en: string, zh: string): void
  /**
   * A text without the white space around it and with line feeds as line breaks; faults when it is empty or longer than
   * `max` characters.
   */
  text(value: string, field: readonly string[], max: number): string
  /** As `text`, but an empty or missing one is null. */
  optionalText(value: string | null | undefined, field: readonly string[], max: number): string | null
  /** At most `max` entries. */
  size(list: readonly unknown[], field: readonly string[], max: number): void
  /**
   * Texts by language with those of `sent` put in; an empty one removes its language. In the order in which jsonb keeps
   * keys, which decides what stands for a text that is missing: a change is answered as it is read later.
   */
  translations(
    present: Translations,
    sent: readonly { readonly locale: Locale; readonly text: string }[],
    field: readonly string[],
    max: number,
  ): Translations
  /** @throws InputRefused when something was wrong */
  done(): void
}

const characters = (value: string) => (value.length < 2 ? value.length : [...value].length)

export function checkInput(): InputCheck {
  const faults: InputFault[] = []
  const check: InputCheck = {
    add(code, field, en, zh) {
      faults.push({ code, field, text: text(en, zh) })
    },
    text(value, field, max) {
      const trimmed = value.replace(/\r\n?/g, '\n').trim()
      if (trimmed === '') check.add('REQUIRED', field, 'Write something here.', '此处不能为空。')
      const length = characters(trimmed)
      if (length > max)
        check.add(
          'TOO_LONG',
          field,
          `This has ${length} characters; ${max} is the most.`,
          `此处有 ${length} 个字符，最多 ${max} 个。`,
        )
      return trimmed
    },
    optionalText(value, field, max) {
      return value == null || value.trim() === '' ? null : check.text(value, field, max)
    },
    size(list, field, max) {
      if (list.length > max)
        check.add(
          'TOO_LONG',
          field,
          `This has ${list.length} entries; ${max} is the most.`,
          `此处有 ${list.length} 项，最多 ${max} 项。`,
        )
    },
    translations(present, sent, field, max) {
      const merged: Record<string, string> = { ...present }
      const seen = new Set<string>()
      for (const { locale, text: sentText } of sent) {
        if (seen.has(locale))
          check.add('INVALID', field, `The language ${locale} is given twice.`, `语言 ${locale} 重复给出。`)
        seen.add(locale)
        if (sentText.trim() === '') delete merged[locale]
        else merged[locale] = check.text(sentText, [...field, locale], max)
      }
      return Object.fromEntries(Object.entries(merged).sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1)))
    },
    done() {
      if (faults.length > 0) throw new InputRefused(faults)
    },
  }
  return check
}
