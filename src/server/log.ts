import { type DestinationStream, type Logger, pino } from 'pino'
import type { Config } from '../config.ts'

const token = /mva_[0-9a-z]{4,}_[\w-]+/gi

/** Hides whatever looks like a token, wherever it stands in a text. */
export function hideTokens(line: string): string {
  return line.includes('mva_') || line.includes('MVA_') ? line.replace(token, 'mva_[hidden]') : line
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
