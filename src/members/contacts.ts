import { z } from 'zod'
import type { InputCheck } from '../input.ts'
import type { ContactRow } from './store.ts'

/** Whom to talk to, as a writer sends it. */
export interface NewContact {
  readonly role: string
  readonly name: string
  readonly phone?: string | null
  readonly email?: string | null
}

/** A contact as it is kept. */
type Contact = Omit<ContactRow, 'memberId' | 'position'>

const mostContacts = 20
const longestEmail = 200

/** E.164: a country code and at most 15 digits in all; an extension may follow. */
const phoneShape = /^\+[1-9][\d ().-]{5,30}( ?(ext\.?|x|转) ?\d{1,6})?$/i

function nextPhone(check: InputCheck, sent: string | null | undefined, field: readonly string[]): string | null {
  const phone = sent?.normalize('NFKC').replace(/\s+/g, ' ').trim() || null
  if (phone === null) return null
  const digits = phone.replace(/(ext|x|转).*/i, '').replace(/\D/g, '').length
  if (!phoneShape.test(phone) || digits < 7 || digits > 15)
    check.add(
      'INVALID',
      field,
      'This is no telephone number with country code; write one such as +86 28 0000 0000.',
      '不是带国家代码的电话号码，请填写类似 +86 28 0000 0000 的号码。',
    )
  return phone
}

function nextEmail(check: InputCheck, sent: string | null | undefined, field: readonly string[]): string | null {
  const email = sent?.trim() || null
  if (email !== null && (email.length > longestEmail || !z.email().safeParse(email).success))
    check.add(
      'INVALID',
      field,
      'This is no mail address; write one such as office@example.org.',
      '不是有效的邮箱地址，请填写类似 office@example.org 的地址。',
    )
  return email
}

/** The contacts as they will be kept. What is wrong with them goes to `check`; ask it before writing. */
export function nextContacts(
  check: InputCheck,
  sent: readonly NewContact[],
  field: readonly string[],
): readonly Contact[] {
  check.size(sent, field, mostContacts)
  return sent.slice(0, mostContacts).map((contact, i) => {
    const at = (name: string) => [...field, String(i), name]
    return {
      role: check.text(contact.role, at('role'), 60),
      name: check.text(contact.name, at('name'), 100),
      phone: nextPhone(check, contact.phone, at('phone')),
      email: nextEmail(check, contact.email, at('email')),
    }
  })
}
