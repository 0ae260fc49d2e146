import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPostgres } from '../../src/database/client.ts'
import { createPostgresDatabase, itOnPostgres } from '../support/database.ts'
import { ask, doors, type Running, run, toySchema } from './harness.ts'

let running: Running
beforeAll(async () => {
  running = await run()
})
afterAll(() => running.end())

describe.each(doors)('over %s', door => {
  test('our own faults are masked, and logged with the number that the caller gets', async () => {
    const { data, errors } = await ask(running, door, { query: '{ hello boom }' })
    expect(data).toEqual({ hello: 'hello world', boom: null })
    const [error] = errors!
    expect(error?.extensions.code).toBe('INTERNAL_SERVER_ERROR')
    expect(error?.path).toEqual(['boom'])
    expect(JSON.stringify(error)).not.toContain('hunter2')
    expect(error?.message).toContain(String(error?.extensions.id))
    const line = running.logged.find(line => line.includes(String(error?.extensions.id)))
    expect(line).toContain('hunter2')
    expect(line).toContain('harness.ts')
  })

  test('errors come in the language of the caller', async () => {
    const chinese = await ask(running, door, { query: '{ refused boom }' }, { language: 'zh-CN,zh;q=0.9' })
    expect(chinese.errors?.find(({ path }) => path?.[0] === 'refused')).toMatchObject({
      message: '用中文',
      extensions: { code: 'BAD_USER_INPUT' },
    })
    expect(chinese.errors?.find(({ path }) => path?.[0] === 'boom')?.message).toContain('服务内部出错')
    const english = await ask(running, door, { query: '{ refused }' }, { language: 'en-GB' })
    expect(english.errors?.[0]?.message).toBe('in English')
  })

  test('a bad variable is named with its place', async () => {
    const { data, errors } = await ask(running, door, {
      query: 'query ($input: Plan!) { planned(input: $input) }',
      variables: { input: { steps: [{ at: '2026-11-23T08:00:00Z' }, { at: '2026-02-30T08:00:00Z; "' }] } },
    })
    expect(data).toBeUndefined()
    expect(errors?.[0]?.message).toMatch(/^Variable "\$input\.steps\[1\]\.at": .*is no DateTime/)
    expect(errors?.[0]?.extensions).toEqual({ code: 'BAD_USER_INPUT', variable: 'input.steps[1].at' })
    const chinese = await ask(
      running,
      door,
      { query: 'query ($at: DateTime!) { timed(at: $at) }', variables: { at: 'x' } },
      { language: 'zh' },
    )
    expect(chinese.errors?.[0]?.message).toMatch(/^变量“\$at”：.*不是有效的 DateTime/)
  })

  test('a bad literal, a missing variable, an unknown field and a syntax error are told as they are', async () => {
    const cases = [
      ['{ timed(at: "never") }', 'BAD_USER_INPUT', 'is no DateTime'],
      ['query ($at: DateTime!) { timed(at: $at) }', 'BAD_USER_INPUT', 'was not provided'],
      ['{ nothing }', 'GRAPHQL_VALIDATION_FAILED', 'Cannot query field "nothing"'],
      ['{', 'GRAPHQL_PARSE_FAILED', 'Syntax Error'],
      ['query A { hello } query B { hello }', 'OPERATION_RESOLUTION_FAILURE', 'Must provide operation name'],
    ] as const
    for (const [query, code, says] of cases) {
      const { data, errors } = await ask(running, door, { query })
      expect(data).toBeUndefined()
      expect(errors?.[0]).toMatchObject({ message: expect.stringContaining(says), extensions: { code } })
    }
  })

  test('a null where a default let it through is the fault of the caller', async () => {
    const cases = [
      ['query ($at: DateTime = "2026-11-23T08:00:00Z") { timed(at: $at) }', { at: null }, 'Argument "at" of non-null'],
      ['query ($id: ID = "x") { nodes(ids: [$id]) { id } }', { id: null }, 'Argument "ids" has invalid value'],
      ['query ($if: Boolean = true) { hello @include(if: $if) }', { if: null }, 'Argument "if" of non-null'],
      [
        'query ($if: Boolean = true) { things { nodes { id @skip(if: $if) } totalCount @skip(if: $if) } }',
        { if: null },
        'Argument "if" of non-null',
      ],
    ] as const
    for (const [query, variables, says] of cases) {
      const { errors } = await ask(running, door, { query, variables })
      expect(errors).toHaveLength(1)
      expect(errors![0]).toMatchObject({
        message: expect.stringContaining(says),
        extensions: { code: 'BAD_USER_INPUT' },
      })
    }
  })

  test('an answer that does not fit its type is our fault', async () => {
    const { errors } = await ask(running, door, { query: '{ things { totalCount } odd }' })
    expect(errors).toEqual([expect.objectContaining({ path: ['odd'] })])
    expect(errors![0]).toMatchObject({ extensions: { code: 'INTERNAL_SERVER_ERROR' } })
    expect(errors![0]!.message).not.toContain('secret')
  })

  test('a service that is too busy says so', async () => {
    const { errors } = await ask(running, door, { query: '{ busy }' })
    expect(errors?.[0]?.extensions.code).toBe('SERVICE_UNAVAILABLE')
  })
})

test('when nothing could be answered for want of the database, the status is 503', async () => {
  const post = (query: string) =>
    fetch(`${running.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    })
  const refused = await post('{ busy }')
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toBe('1')
  expect((await post('{ busy hello }')).status).toBe(200)
})

test('a database out of reach is no fault of the caller, and readyz tells it', async () => {
  const broken = await run()
  try {
    const { secret } = await broken.token()
    await broken.database.close()
    const answer = await ask(broken, 'http', { query: '{ caller }' }, { token: secret })
    expect(['SERVICE_UNAVAILABLE', 'INTERNAL_SERVER_ERROR']).toContain(answer.errors?.[0]?.extensions.code)
    const ready = await fetch(`${broken.url}/readyz`)
    expect(ready.status).toBe(503)
    expect((await fetch(`${broken.url}/healthz`)).status).toBe(200)
  } finally {
    await broken.stop()
  }
})

itOnPostgres('when no connection to the database comes free, the status is 503 after two seconds', async () => {
  const database = openPostgres(await createPostgresDatabase(), 1)
  const crowded = await run({}, { schema: toySchema(), database })
  const { secret } = await crowded.token()
  const holding = database.db.connection().execute(connection => sql`select pg_sleep(5)`.execute(connection))
  try {
    const response = await fetch(`${crowded.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}`, 'accept-language': 'en' },
      body: JSON.stringify({ query: '{ caller }' }),
    })
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'SERVICE_UNAVAILABLE' } }] })
  } finally {
    await holding
    await crowded.end()
  }
})
