/** The languages that the service speaks, as BCP 47 tags: simplified Chinese (the source language), traditional Chinese, English. */
export const locales = ['zh-Hans', 'zh-Hant', 'en'] as const

export type Locale = (typeof locales)[number]

/** A text in several languages, by locale. Any of them may be missing; an empty record is a text that nobody has written yet. */
export type Translations = Readonly<Record<string, string>>

/** Reads a BCP 47 tag as one of our languages (`zh-CN` → zh-Hans, `en-GB` → en); null for a language that we don't speak. */
export function readLocale(tag: string): Locale | null {
  const [language, ...rest] = tag.toLowerCase().split('-')
  if (language === 'en') return 'en'
  if (language !== 'zh') return null
  return rest.some(part => part === 'hant' || part === 'tw' || part === 'hk' || part === 'mo') ? 'zh-Hant' : 'zh-Hans'
}

/** The best of our languages for an Accept-Language header (RFC 9110, 12.5.4); zh-Hans, the source language, when none fits. */
export function negotiateLocale(acceptLanguage: string | undefined): Locale {
  let best: Locale = 'zh-Hans'
  let bestQuality = 0
  for (const part of (acceptLanguage ?? '').slice(0, 500).split(',')) {
    const [tag = '', ...parameters] = part.trim().split(';')
    const quality = Number(
      parameters
        .map(parameter => parameter.trim())
        .find(parameter => parameter.startsWith('q='))
        ?.slice(2) ?? 1,
    )
    const locale = readLocale(tag)
    if (locale && quality > bestQuality) {
      best = locale
      bestQuality = quality
    }
  }
  return best
}

/** The text in the language wanted, else in zh-Hans, else in what there is; null when there is none. */
export function translated(texts: Translations, locale: Locale): string | null {
  return texts[locale] ?? texts['zh-Hans'] ?? Object.values(texts)[0] ?? null
}
