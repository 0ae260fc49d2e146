import { type Locale, type Translations, translated } from '../languages.ts'
import { marks } from '../mail/marks.ts'
import type { InvitationRow } from './invitation-store.ts'

const roles = {
  en: { REPRESENTATIVE: 'representative', LIAISON: 'liaison officer', VIEWER: 'viewer' },
  zh: { REPRESENTATIVE: '代表', LIAISON: '联络员', VIEWER: '查看者' },
} as const

/**
 * One line without marks, whatever a name has in it: else whoever invites could write more of the mail than a name, or
 * have the code put where it is carried away, such as into a link.
 */
const oneLine = (text: string) => text.replace(/[\s⟦⟧]+/g, ' ')

/** The mail of an invitation, in its language. @param member the names of the member; null for an invitation of staff */
export function writeLetter(
  invitation: Pick<InvitationRow, 'name' | 'role' | 'expiresAt' | 'locale' | 'by'>,
  member: Translations | null,
): { subject: string; text: string } {
  const { role, locale } = invitation
  const [name, by] = [oneLine(invitation.name), oneLine(invitation.by)]
  const until = `${invitation.expiresAt.toISOString().slice(0, 16).replace('T', ' ')} UTC`
  const of = member && oneLine(translated(member, locale) ?? '')
  return locale === 'en' ? inEnglish() : inChinese()

  function inEnglish() {
    const office = of && role ? `act for ${of} as its ${roles.en[role]}` : 'join the staff of the secretariat'
    return {
      subject: `Invitation to ${office}`,
      text: `Dear ${name},

${by} invites you to ${office} in the metaverse alliance.

Your code: ${marks.code}

It can be used once, until ${until}. Whoever has it can accept in your place: give it to nobody.
Read the invitation with the query "invitation", and accept it with the mutation "acceptInvitation", at
${marks.url}/graphql

If you did not expect this mail, ignore it.
`,
    }
  }

  function inChinese() {
    const office = of && role ? `担任${of}的${roles.zh[role]}` : '加入秘书处'
    return {
      subject: `邀请您${office}`,
      text: `${name}，您好：

${by}邀请您在元宇宙联盟中${office}。

您的邀请码：${marks.code}

邀请码只能使用一次，有效期至 ${until}。持有邀请码者即可代您接受邀请，请勿转交他人。
请在以下地址用查询 invitation 查看邀请，用变更 acceptInvitation 接受邀请：
${marks.url}/graphql

如果您对此邮件并不知情，请忽略。
`,
    }
  }
}

/** The languages that mails are written in. */
export function letterLocale(locale: Locale): Locale {
  return locale === 'en' ? 'en' : 'zh-Hans'
}
