import type { MailRow } from './store.ts'

/** A mail as it goes out. */
export type Letter = Pick<MailRow, 'id' | 'recipient' | 'subject' | 'text'>

/** Hands mails to a mail server. */
export interface Transport {
  /** Resolves once the server has taken it. @throws Error with the server's words, or what kept us from it */
  send(letter: Letter): Promise<void>
}

/** How long each step of an attempt may take, in milliseconds, and how long all of it. */
const patience = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 20_000, dnsTimeout: 10_000 }
const wholePatience = 45_000

/**
 * Sends through the mail server of a URL such as `smtps://user:password@mail.example.org`, with a connection for each
 * mail: they are few. Beyond this machine it must offer TLS, unless the URL ends in `?requireTLS=false`.
 * @param from the sender, such as `元宇宙联盟 <office@example.org>`
 */
export function createSmtp(url: string, from: string): Transport {
  // Somebody on the way could else strip the offer of TLS, and read password and codes.
  const isLocal = /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(url).hostname)
  const domain = /@([\w.-]+)>?\s*$/.exec(from)?.[1] ?? 'localhost'
  return {
    send: async ({ id, recipient, subject, text }) => {
      // Loaded with the first mail: most starts send none.
      const { createTransport } = await import('nodemailer')
      const mailer = createTransport({ url, ...patience, requireTLS: !isLocal })
      try {
        // An address as an object is one address, whatever it looks like.
        const to = { name: '', address: recipient }
        const signal = AbortSignal.timeout(wholePatience)
        await mailer.sendMail({ from, to, subject, text, messageId: `<${id}@${domain}>`, signal })
      } finally {
        mailer.close()
      }
    },
  }
}
