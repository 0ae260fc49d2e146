import { promisify } from 'node:util'
import { type BrotliOptions, brotliCompress, constants, gzip } from 'node:zlib'
import { Negotiator } from '@fastify/accept-negotiator'
import type { FastifyRequest } from 'fastify'

/** How bodies are compressed, the best first. */
export const encodings: ('br' | 'gzip')[] = ['br', 'gzip']
export type Encoding = (typeof encodings)[number]

/** Bodies of fewer bytes are sent as they are. */
export const shortestToCompress = 1024

/** The default quality of 11 is for what is compressed once and sent for years. */
export const brotliOptions: BrotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }

const negotiator = new Negotiator({ supportedValues: encodings })

/** The best encoding that a caller takes (RFC 9110, 12.5.3); null for the body as it is. */
export function encodingOf({ headers }: FastifyRequest): Encoding | null {
  const accepted = headers['accept-encoding']
  return typeof accepted === 'string' ? negotiator.negotiate(accepted) : null
}

const byBrotli = promisify<Buffer, BrotliOptions, Buffer>(brotliCompress)
const byGzip = promisify<Buffer, Buffer>(gzip)

/**
 * The body in this encoding, made on another thread, or as it is; in memory of its own. What zlib and short texts hand out
 * are slices of chunks of some kilobytes, which whoever keeps them would keep whole.
 */
export async function encode(body: Buffer, encoding: Encoding | null): Promise<Buffer> {
  const encoded =
    encoding === null ? body : encoding === 'br' ? await byBrotli(body, brotliOptions) : await byGzip(body)
  const own = Buffer.allocUnsafeSlow(encoded.length)
  encoded.copy(own)
  return own
}
