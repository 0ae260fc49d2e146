import type { InputFault } from '../errors.ts'
import type { Translations } from '../languages.ts'
import type { Resolvers } from './generated.ts'

/** A text in several languages as the SDL shows it, zh-Hans first. */
export function listTranslations(texts: Translations): { locale: string; text: string }[] {
  return Object.entries(texts)
    .map(([locale, text]) => ({ locale, text }))
    .sort((a, b) => Number(b.locale === 'zh-Hans') - Number(a.locale === 'zh-Hans') || a.locale.localeCompare(b.locale))
}

export const sharedResolvers: Resolvers = {
  UserError: {
    message: (fault: InputFault, _, { locale }) => (locale === 'en' ? fault.text.en : fault.text.zh),
    field: (fault: InputFault) => [...fault.field],
  },
}
