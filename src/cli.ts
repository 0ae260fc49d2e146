/** `npm run alliance -- <command>`: what the operator does at the command line. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { type OfficerRole, type Permission, portalScopes } from './access/permissions.ts'
import { programRequest, type Request } from './access/request.ts'
import {
  issueOfficerToken,
  issuePortalKey,
  issueSecretariatToken,
  registerPortal,
  revokeToken,
} from './access/tokens.ts'
import { readConfig, settings } from './config.ts'
import { type Database, openDatabase } from './database/client.ts'
import { migrate, pendingMigrations } from './database/migrate.ts'
import { CsvError } from './dataset/csv.ts'
import { examine, mendKeys } from './dataset/doctor.ts'
import { exportMembers } from './dataset/export.ts'
import { FileError, writeFile } from './dataset/file.ts'
import { importMembers } from './dataset/import.ts'
import { loadFoundingData } from './dataset/load.ts'
import { InputRefused, PublicError } from './errors.ts'
import { readDateTime } from './graphql/scalars.ts'
import { readId } from './ids.ts'
import { feeds, listen, Refused } from './listen.ts'
import { readMemberId } from './members/member-id.ts'
import { reasonOf } from './server/reason.ts'

/** Why a command can't go on, for the operator. */
class Stopped extends Error {}

/**
 * Opens the database of the settings and closes it after the work.
 * @param change whether the command changes the database: then it is brought up to date before; else it must be so
 */
async function withDatabase<T>(change: boolean, work: (database: Database) => Promise<T>): Promise<T> {
  const database = await openDatabase(readConfig())
  try {
    const pending = change ? await migrate(database).then(() => []) : await pendingMigrations(database.db)
    if (pending.length > 0)
      throw new Stopped(
        `The database lacks ${pending.join(', ')}, and this command changes nothing. Run "npm run alliance -- migrate" first.`,
      )
    return await work(database)
  } finally {
    await database.close()
  }
}

const asOperator = ({ db }: Database): Request => programRequest(db, new Date(), 'command line')

function readMoment(value: string): Date {
  const moment = readDateTime(value)
  if (!moment) throw new InvalidArgumentError('Write an existing moment such as 2027-01-31T00:00:00Z.')
  return moment
}

function readCount(value: string): number {
  if (!/^[1-9]\d{0,8}$/.test(value)) throw new InvalidArgumentError('Write a whole number from 1.')
  return Number(value)
}

const program = new Command('alliance')
  .description(
    'Operates the alliance’s service: tokens, data, upkeep. Settings are environment variables; see `alliance settings`.',
  )
  .showHelpAfterError()

const token = program.command('token').description('issue and revoke tokens and portal keys')

interface PersonOptions {
  name: string
  email: string
  expires?: Date
}

const withPerson = (command: Command) =>
  command
    .requiredOption('--name <name>', 'name of the person')
    .requiredOption('--email <address>', 'mail address; an account with it is used again')
    .option('--expires <moment>', 'when the token ends (default: in 90 days)', readMoment)

const create = token.command('create').description('issue a token; it is printed once and kept nowhere')

withPerson(create.command('secretariat').description('for one of the secretariat’s staff')).action(
  async ({ name, email, expires }: PersonOptions) => {
    const issued = await withDatabase(true, database =>
      issueSecretariatToken(asOperator(database), { name, email, expiresAt: expires }),
    )
    console.log(issued.secret)
  },
)

withPerson(create.command('officer').description('for an officer acting for a member'))
  .requiredOption('--member <id>', 'id of the member')
  .addOption(
    new Option('--role <role>', 'role inside the member')
      .choices(['REPRESENTATIVE', 'LIAISON', 'VIEWER'])
      .default('LIAISON'),
  )
  .action(async ({ member, role, name, email, expires }: PersonOptions & { member: string; role: OfficerRole }) => {
    const issued = await withDatabase(true, async database => {
      const memberId = await readMemberId(database.db, member, ['member'])
      return issueOfficerToken(asOperator(database), { memberId, role, name, email, expiresAt: expires })
    })
    console.log(issued.secret)
  })

create
  .command('portal')
  .description('registers a partner portal and prints its first key')
  .requiredOption('--name <name>', 'name of the portal')
  .requiredOption('--contact <contact>', 'whom to write to about it')
  .requiredOption('--purpose <purpose>', 'what it is for')
  .option('--member <id>', 'id of the member that runs it')
  .addOption(
    new Option('--scope <permission...>', 'what its keys allow besides all that is public')
      .choices(portalScopes)
      .default([]),
  )
  .option('--expires <moment>', 'when the key ends (default: in 365 days)', readMoment)
  .action(
    async (options: {
      name: string
      contact: string
      purpose: string
      member?: string
      scope: Permission[]
      expires?: Date
    }) => {
      const issued = await withDatabase(true, async database => {
        const request = asOperator(database)
        const memberId =
          options.member === undefined ? null : await readMemberId(database.db, options.member, ['member'])
        const { name, contact, purpose, scope } = options
        const portalId = await registerPortal(request, { name, contact, purpose, memberId, scopes: scope })
        return issuePortalKey(request, portalId, options.expires)
      })
      console.log(issued.secret)
    },
  )

token
  .command('revoke')
  .description('ends a token at once')
  .argument('<id>', 'id of the token (token_…)')
  .requiredOption('--reason <reason>', 'why')
  .action(async (id: string, { reason }: { reason: string }) => {
    const revoked = await withDatabase(true, database => revokeToken(asOperator(database), readId(id, 'Token'), reason))
    console.log(`The token of ${revoked.holder} is revoked.`)
  })

program
  .command('migrate')
  .description('brings the database to the newest schema; the service does this itself at its start')
  .action(async () => {
    const database = await openDatabase(readConfig())
    try {
      const ran = await migrate(database)
      console.log(ran.length > 0 ? `Ran ${ran.join(', ')}.` : 'The database is up to date.')
    } finally {
      await database.close()
    }
  })

program
  .command('load')
  .description('loads the founding data; what is there already stays as it is')
  .action(() =>
    withDatabase(true, async ({ db }) => {
      const loaded = await loadFoundingData(db, new Date())
      console.log(
        `Entered ${loaded.places} places, ${loaded.terms} words of vocabularies and ${loaded.members} members.`,
      )
    }),
  )

const imports = program.command('import').description('bring data in')
imports
  .command('members')
  .description(
    'enters and changes members by a CSV file (UTF-8, UTF-16 or GB18030); see `export members` for its columns',
  )
  .argument('<file>', 'the CSV file')
  .option('--dry-run', 'only tell what would happen')
  .option('--keep-good', 'make the changes of the good rows although others are refused')
  .option('--report <file>', 'write what happened to every row as CSV')
  .action((file: string, options: { dryRun?: boolean; keepGood?: boolean; report?: string }) =>
    withDatabase(!options.dryRun, async database => {
      const summary = await importMembers(asOperator(database), file, options)
      process.exitCode = summary.refused > 0 ? 1 : 0
    }),
  )

program
  .command('export')
  .description('take data out')
  .command('members')
  .description('writes all members as CSV, such that `import members` finds nothing to change')
  .option('--output <file>', 'the file (default: standard output)')
  .option('--bom', 'begin with a byte order mark, which Excel needs to read UTF-8')
  .action((options: { output?: string; bom?: boolean }) =>
    withDatabase(false, async ({ db }) => {
      const text = await exportMembers(db, { bom: options.bom ?? false })
      if (options.output === undefined) process.stdout.write(text)
      else writeFile(options.output, text)
    }),
  )

program
  .command('doctor')
  .description('checks the database: journal, what waits, sort keys; changes nothing without --mend')
  .option('--mend', 'write the sort keys of members anew, as after an upgrade')
  .action(({ mend }: { mend?: boolean }) =>
    withDatabase(mend === true, async ({ db }) => {
      if (mend) console.log(`Wrote the keys of ${await mendKeys(db)} members anew.`)
      const findings = await examine(db)
      for (const { ok, text } of findings) console.log(`${ok ? 'ok ' : 'BAD'} ${text}`)
      process.exitCode = findings.every(({ ok }) => ok) ? 0 : 1
    }),
  )

program
  .command('listen')
  .description('follows a running service over WebSocket and prints every event as a line of JSON')
  .option('--url <url>', 'the service', 'ws://127.0.0.1:4000/graphql')
  .addOption(new Option('--feed <feed>', 'what to follow').choices(Object.keys(feeds)).default('announcements'))
  .option('--after <cursor>', 'go on after this cursor of an earlier event')
  .option('--token <token>', 'a token; without one only what is public')
  .option('--language <language>', 'the language of texts and messages, such as en')
  .option('--count <number>', 'end after so many events', readCount)
  .action(listen)

/** Settings that may have a password in them. */
const hidden = ['DATABASE_URL', 'SMTP_URL']

program
  .command('settings')
  .description('lists the environment variables with their values now')
  .action(() => {
    const config = readConfig() as Record<string, unknown>
    for (const [name, setting] of Object.entries(settings)) {
      const shown = hidden.includes(name) && config[name] !== undefined ? '(set)' : JSON.stringify(config[name] ?? null)
      console.log(`${name.padEnd(18)} ${shown.padEnd(14)} ${setting.description}`)
    }
  })

/** The one line for what the operator can mend; null for a fault of ours. */
function tellable(error: unknown): string | null {
  if (error instanceof PublicError || error instanceof InputRefused) return error.message
  if (error instanceof CsvError || error instanceof FileError || error instanceof Stopped || error instanceof Refused)
    return error.message
  return reasonOf(error)
}

try {
  await program.parseAsync()
} catch (error) {
  // A fault of ours shows its origin.
  console.error(tellable(error) ?? error)
  process.exitCode = 1
}
