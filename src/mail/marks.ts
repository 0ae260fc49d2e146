/**
 * What stands in the text of a mail for what is known only when it is sent: the address under which people reach the
 * service, which is a setting, and a secret, which is kept nowhere.
 */
export const marks = { url: '⟦url⟧', code: '⟦code⟧' } as const

/** The text with its marks replaced. */
export function fillMarks(text: string, values: { readonly [Mark in keyof typeof marks]: string }): string {
  // By functions: `$&` and its like in a value are no patterns.
  return text.replaceAll(marks.url, () => values.url).replaceAll(marks.code, () => values.code)
}
