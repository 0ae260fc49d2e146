import type { IncomingHttpHeaders } from 'node:http'
import type { Config } from '../config.ts'

/**
 * Whether a request comes from a web page that may not call: browsers say where a page is from, programs don't.
 * Pages that CORS allows may call, and our own.
 */
export function isForeignPage(headers: IncomingHttpHeaders, config: Config): boolean {
  const { origin } = headers
  if (origin === undefined) {
    // A page that asks without being able to read the answer sends no Origin.
    const site = headers['sec-fetch-site']
    return site === 'cross-site' || site === 'same-site'
  }
  if (config.CORS_ORIGINS.includes(origin)) return false
  const host = (config.TRUST_PROXY && headers['x-forwarded-host']) || headers.host
  return !URL.canParse(origin) || new URL(origin).host !== host
}
