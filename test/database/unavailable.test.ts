import { expect, it } from 'vitest'
import { isUnavailable } from '../../src/database/unavailable.ts'

it('a connection that breaks is the database’s, unless it is the caller’s', () => {
  const broken = () => Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
  expect(isUnavailable(broken())).toBe(true)
  // As Fastify tells of a caller who breaks off its upload.
  expect(isUnavailable(Object.assign(broken(), { statusCode: 400 }))).toBe(false)
})
