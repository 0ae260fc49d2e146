import { availableParallelism } from 'node:os'
import { z } from 'zod'

const whole = (fallback: number, minimum = 0, maximum = Number.MAX_SAFE_INTEGER) =>
  z.coerce.number().int().min(minimum).max(maximum).default(fallback)

/** Whether nobody on the way can change what an address answers. */
const isSafe = (url: string) => {
  const { protocol, hostname } = new URL(url)
  return protocol === 'https:' || (protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname))
}

/** Every setting with its default and meaning: the source of `npm run alliance -- settings` and of the README's table. */
export const settings = {
  PORT: whole(4000).describe('port to serve on; 0 takes any free one'),
  HOST: z.string().min(1).default('127.0.0.1').describe('address to serve on; 0.0.0.0 for all'),
  WORKERS: z
    .union([z.literal('auto'), z.coerce.number().int().min(1).max(128)], {
      error: 'must be a number from 1 to 128, or auto',
    })
    .default(1)
    .describe('processes that serve on the one port, on PostgreSQL; auto is one per processor'),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/, error: 'must be a postgres:// URL' })
    .optional()
    .describe('PostgreSQL 15 or later; without it the embedded database'),
  DATABASE_POOL: whole(10, 2).describe('connections to PostgreSQL per process, of which there are WORKERS'),
  PREPARED_STATEMENTS: z
    .stringbool()
    .default(true)
    .describe('prepare statements once per connection; false behind PgBouncer in transaction mode'),
  DATA_DIR: z.string().min(1).default('./.data').describe('folder of the embedded database'),
  CORS_ORIGINS: z
    .string()
    .default('')
    .transform(list => list.split(',').flatMap(origin => origin.trim() || []))
    .pipe(
      z.array(
        z.string().refine(origin => URL.canParse(origin) && new URL(origin).origin === origin, {
          error: 'must be origins such as https://portal.example.org, separated by commas',
        }),
      ),
    )
    .describe('web origins that browsers may call from, separated by commas; none without it'),
  TRUST_PROXY: z.stringbool().default(false).describe('take the caller’s address from X-Forwarded-For'),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent']).default('info').describe('how much to log'),
  REPLAY_LIMIT: whole(100_000, 1).describe('events that a listener may be behind before it must resynchronise'),
  MAX_COST: whole(10_000, 1).describe('cost that one request may have'),
  ANSWER_CACHE: whole(64).describe('megabytes of answers that are kept in memory until the data changes; 0 keeps none'),
  MAX_SUBSCRIPTIONS: whole(50, 1).describe('live subscriptions on one connection'),
  PUBLIC_URL: z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .default('http://localhost:4000')
    .transform(url => url.replace(/\/+$/, ''))
    .describe('address under which people reach the service, for mails'),
  SMTP_URL: z
    .url({ protocol: /^smtps?$/, error: 'must be an smtp:// or smtps:// URL' })
    .optional()
    .describe(
      'mail server, smtps://user:password@mail.example.org; without it mails are shown in the log and in mails',
    ),
  MAIL_FROM: z
    .string()
    .regex(/^[^<>\r\n]*(<[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/, {
      error: 'must be an address, or: Name <address>',
    })
    .optional()
    .describe('sender of mails, such as Office <office@example.org>; needed with SMTP_URL'),
  OIDC_ISSUER: z
    .url({ error: 'must be a URL' })
    .refine(isSafe, { error: 'must be an https URL; http only on this machine' })
    .optional()
    .describe('OpenID Connect provider that people sign in at, exactly as its tokens name it; none without it'),
  OIDC_CLIENT_ID: z.string().min(1).optional().describe('audience of its ID tokens; needed with OIDC_ISSUER'),
  SESSION_HOURS: whole(12, 1, 168).describe('hours that a token lives which is issued at a sign-in'),
  SHUTDOWN_DELAY: whole(500, 0, 2_000).describe('milliseconds from being unready to closing the doors, for balancers'),
} as const

const shape = z
  .object(settings)
  .transform(config => ({
    ...config,
    WORKERS: config.WORKERS !== 'auto' ? config.WORKERS : config.DATABASE_URL ? availableParallelism() : 1,
  }))
  .refine(({ WORKERS, DATABASE_URL }) => WORKERS === 1 || DATABASE_URL, {
    path: ['WORKERS'],
    error:
      'the embedded database is owned by one process; for several set DATABASE_URL to a PostgreSQL, else leave WORKERS at 1 · ' +
      '内嵌数据库只能由一个进程使用；如需多进程，请将 DATABASE_URL 设为 PostgreSQL 的地址，否则 WORKERS 须为 1',
  })
  .refine(({ SMTP_URL, MAIL_FROM }) => !SMTP_URL || MAIL_FROM, {
    path: ['MAIL_FROM'],
    error: 'is needed with SMTP_URL',
  })
  .refine(({ OIDC_ISSUER, OIDC_CLIENT_ID }) => !OIDC_ISSUER || OIDC_CLIENT_ID, {
    path: ['OIDC_CLIENT_ID'],
    error: 'is needed with OIDC_ISSUER',
  })

/** The settings of a running process. */
export type Config = z.infer<typeof shape>

/**
 * Reads the settings. The only reader of the process's environment.
 * @throws an Error that names every bad setting
 */
export function readConfig(environment: Record<string, string | undefined> = process.env): Config {
  const set = Object.entries(environment).filter(([, value]) => value !== undefined && value !== '')
  const parsed = shape.safeParse(Object.fromEntries(set))
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.map(issue => `  ${issue.path[0]?.toString()}: ${issue.message}`)
  throw new Error(`The settings can't be used:\n${faults.join('\n')}`)
}
