import type { AddressInfo } from 'node:net'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'

/** A mail as the server got it. */
export interface Received {
  readonly to: string
  /** Headers and text, the text decoded. */
  readonly headers: string
  readonly text: string
}

/** A mail server on this machine. */
export interface MailServer {
  readonly url: string
  readonly port: number
  readonly received: Received[]
  /** Decides on each mail before it is taken; one that throws refuses it, one that waits holds it up. */
  onMail: (mail: Received) => void | Promise<void>
  close(): Promise<void>
}

/** An error that the server refuses with. */
export function refusal(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode })
}

function read(raw: string): { headers: string; text: string } {
  const [head, ...rest] = raw.split('\r\n\r\n')
  const headers = head!.replace(/\r\n[ \t]+/g, ' ')
  const body = rest.join('\r\n\r\n')
  if (/content-transfer-encoding: base64/i.test(headers))
    return { headers, text: Buffer.from(body, 'base64').toString('utf8') }
  if (!/content-transfer-encoding: quoted-printable/i.test(headers)) return { headers, text: body }
  const bytes = body
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)))
  return { headers, text: Buffer.from(bytes, 'latin1').toString('utf8') }
}

/** Starts a mail server. @param port any free one without it */
export async function startMailServer(port = 0, options: SMTPServerOptions = {}): Promise<MailServer> {
  const received: Received[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    ...options,
    onData: (stream, session, done) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', async () => {
        const to = session.envelope.rcptTo.map(({ address }) => address).join(', ')
        const mail = { to, ...read(Buffer.concat(chunks).toString('utf8')) }
        try {
          await running.onMail(mail)
          received.push(mail)
          done()
        } catch (error) {
          done(error as Error)
        }
      })
    },
  })
  // Clients that are killed.
  server.on('error', () => undefined)
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  const at = (server.server.address() as AddressInfo).port
  const running: MailServer = {
    url: `smtp://127.0.0.1:${at}`,
    port: at,
    received,
    onMail: () => undefined,
    close: () => new Promise<void>(resolve => server.close(() => resolve())),
  }
  return running
}
