import { type DestinationStream, type Logger, pino } from 'pino'
import type { Config } from '../config.ts'

const secrets = /(mva)_[0-9a-z]{4,}_[\w-]+|(mvi)_[\w-]{20,}|\beyJ[\w-]{10,}\.[\w-]+\.[\w-]*/gi

/** Hides whatever looks like a token, the code of an invitation or an ID token, wherever it stands in a text. */
export function hideTokens(line: string): string {
  return /mv[ai]_|eyJ/i.test(line)
    ? line.replace(secrets, (_, mva?: string, mvi?: string) =>
        mva ? 'mva_[hidden]' : mvi ? 'mvi_[hidden]' : '[hidden]',
      )
    : line
}

/**
 * The log: JSON, one entry a line, to standard output unless told otherwise.
 * Tokens are hidden wherever they stand; variables and contacts are never handed to it.
 */
export function createLog(config: Pick<Config, 'LOG_LEVEL'>, destination?: DestinationStream): Logger {
  const options = {
    level: config.LOG_LEVEL,
    base: { pid: process.pid },
    redact: {
      paths: [
        'authorization',
        '*.authorization',
        '*.*.authorization',
        '*.cookie',
        '*.*.cookie',
        'variables',
        '*.variables',
      ],
      censor: '[hidden]',
    },
    hooks: { streamWrite: hideTokens },
  }
  return destination ? pino(options, destination) : pino(options)
}
