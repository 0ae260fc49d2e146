import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { Services } from '../graphql/context.ts'
import { type Deliverer, startDeliverer } from '../mail/deliverer.ts'
import { createSmtp } from '../mail/smtp.ts'
import { invitationCode } from '../officers/invitations.ts'

/** Starts to send the mails of the outbox by the mail server of the settings; without one they are shown in the log. */
export function startPost(
  { SMTP_URL, MAIL_FROM, PUBLIC_URL }: Pick<Config, 'SMTP_URL' | 'MAIL_FROM' | 'PUBLIC_URL'>,
  { db, now }: Pick<Services, 'db' | 'now'>,
  log: Logger,
  onError: (error: unknown) => void,
): Deliverer {
  return startDeliverer({
    db,
    now,
    transport: SMTP_URL && MAIL_FROM ? createSmtp(SMTP_URL, MAIL_FROM) : null,
    publicUrl: PUBLIC_URL,
    codes: { INVITATION: invitationCode },
    onSent: ({ id, purpose }) => log.info({ mail: id, purpose }, 'a mail was sent'),
    onFailed: ({ id, purpose, attempts }, why, isFinal) =>
      log[isFinal ? 'error' : 'warn'](
        { mail: id, purpose, attempts, why },
        isFinal ? 'a mail was given up' : 'a mail could not be sent; it is tried again',
      ),
    onLogged: ({ id, purpose, recipient, subject, text }) =>
      log.info(
        { mail: id, purpose, recipient, subject, text },
        'a mail is shown here, since there is no SMTP_URL; the secretariat gets the code of an invitation as "code" of inviteOfficer, inviteStaff and resendInvitation',
      ),
    onError,
  })
}
