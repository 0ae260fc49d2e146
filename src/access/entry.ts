import type { Provider } from './oidc.ts'

/** How people come in: what the settings connect the service to. */
export interface Entry {
  /** The alliance's sign-in; null without one. */
  readonly provider: Provider | null
  /** How long a token lives that is issued at a sign-in, in milliseconds. */
  readonly sessionLife: number
  /** Whether mails are sent; otherwise they are only shown. */
  readonly sendsMail: boolean
}

/** A service without sign-in and mail. */
export const plainEntry: Entry = { provider: null, sessionLife: 12 * 3_600_000, sendsMail: false }
