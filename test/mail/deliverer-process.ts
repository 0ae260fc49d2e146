import { openPostgres } from '../../src/database/client.ts'
import { startDeliverer } from '../../src/mail/deliverer.ts'
import { createSmtp } from '../../src/mail/smtp.ts'

/** A process of its own that sends mails, until it is killed or its standard input ends. */
const database = openPostgres(process.env.MAIL_DATABASE!, 3)
const deliverer = startDeliverer({
  db: database.db,
  now: () => new Date(),
  transport: createSmtp(process.env.MAIL_SERVER!, 'office@yungu.example'),
  publicUrl: 'http://localhost',
  codes: { INVITATION: async () => 'the code' },
  onSent: () => undefined,
  onFailed: (_, why) => console.error(why),
  onLogged: () => undefined,
  onError: error => console.error(error),
})
console.log('ready')
process.stdin.resume().once('end', async () => {
  await deliverer.stop()
  await database.close()
})
