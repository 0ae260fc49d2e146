import { buildASTSchema, buildSchema, getIntrospectionQuery, getOperationAST, parse } from 'graphql'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { readSdl } from '../../src/graphql/sdl.ts'
import { countCost } from '../../src/server/cost.ts'
import { ask, doors, type Request, type Running, run, toySchema } from './harness.ts'
import { runReal } from './real.ts'

let running: Running
beforeAll(async () => {
  running = await run()
})
afterAll(() => running.end())

const deep = (levels: number) => `{ nodes(ids: ["a"]) ${'{ self '.repeat(levels)}{ id } ${'}'.repeat(levels)} }`
const page = 'query ($n: Int) { things(first: $n) { nodes { id things(first: $n) { nodes { id } } } } }'

const within: Record<string, Request> = {
  'twelve levels': { query: deep(10) },
  'thirty aliases': { query: `{ nodes(ids: []) { ${aliases(30, 'id')} } }` },
  'the standard introspection': { query: getIntrospectionQuery() },
  'the introspection of tools': {
    query: getIntrospectionQuery({
      specifiedByUrl: true,
      directiveIsRepeatable: true,
      inputValueDeprecation: true,
      oneOf: true,
    }),
  },
  'a page within a page': { query: page, variables: { n: 90 } },
  'a page too long, which the pager refuses': { query: '{ things(first: 1000000) { totalCount } }' },
}

function aliases(count: number, field: string): string {
  return Array.from({ length: count }, (_, i) => `a${i}: ${field}`).join(' ')
}

const beyond: Record<string, { request: Request; says: string; code: string }> = {
  'more than 2,000 tokens': {
    request: { query: `{ ${'__typename '.repeat(2_001)} }` },
    says: '2000 tokens',
    code: 'TOO_COSTLY',
  },
  'thirteen levels': { request: { query: deep(11) }, says: '13 levels deep; 12', code: 'TOO_COSTLY' },
  'thirteen levels by way of fragments': {
    request: {
      query: `{ nodes(ids: []) { ...A } } fragment A on Thing { self { ...B } }
        fragment B on Thing ${'{ self '.repeat(10)}{ id }${' }'.repeat(10)}`,
    },
    says: '13 levels deep',
    code: 'TOO_COSTLY',
  },
  'thirty-one aliases': {
    request: { query: `{ nodes(ids: []) { ${aliases(31, 'id')} } }` },
    says: '31 aliases; 30',
    code: 'TOO_COSTLY',
  },
  'fifty-one directives': {
    request: { query: `{ hello ${'... @include(if: true) { hello } '.repeat(51)} }` },
    says: '51 directives; 50',
    code: 'TOO_COSTLY',
  },
  'twenty-one fields at the top': {
    request: { query: `{ ${'hello '.repeat(21)} }` },
    says: '21 fields at the top; 20',
    code: 'TOO_COSTLY',
  },
  'a page of a page by a variable': {
    request: { query: page.replace('id things', 'self { id } tags { name } things'), variables: { n: 100 } },
    says: '10000 is the most',
    code: 'TOO_COSTLY',
  },
  'a page of a page by the default of a variable': {
    request: { query: page.replace('$n: Int', '$n: Int = 100').replace('id things', 'self { id } things') },
    says: '10000 is the most',
    code: 'TOO_COSTLY',
  },
  'many ids': {
    request: {
      query: 'query ($ids: [ID!]!) { nodes(ids: $ids) { things { nodes { id } } } }',
      variables: { ids: Array(500).fill('a') },
    },
    says: '10000 is the most',
    code: 'TOO_COSTLY',
  },
}

describe.each(doors)('over %s', door => {
  test.each(Object.entries(within))('%s passes', async (_, request) => {
    const { errors, extensions } = await ask(running, door, request)
    expect(errors).toBeUndefined()
    expect(extensions?.cost?.limit).toBe(10_000)
  })

  test.each(Object.entries(beyond))('%s is refused', async (_, { request, says, code }) => {
    const { data, errors } = await ask(running, door, request)
    expect(data).toBeUndefined()
    expect(errors?.map(error => error.message).join()).toContain(says)
    expect(errors?.every(error => error.extensions.code === code)).toBe(true)
  })

  test('the caller is told in Chinese, too', async () => {
    const { errors } = await ask(running, door, { query: deep(11) }, { language: 'zh-CN' })
    expect(errors?.[0]?.message).toBe('请求有 13 层嵌套，上限为 12，请拆分请求。')
    const wrong = await ask(running, door, { query: '{ nothing }' }, { language: 'zh' })
    expect(wrong.errors?.[0]?.message).toMatch(
      /^文档不符合接口定义（见 \/schema\.graphql）：Cannot query field "nothing"/,
    )
  })

  test('NUL and half surrogates are refused wherever they stand', async () => {
    for (const request of [
      { query: 'query ($name: String) { hello(name: $name) }', variables: { name: 'a\0b' } },
      { query: 'query ($name: String) { hello(name: $name) }', variables: { name: 'a\ud800b' } },
      {
        query: 'query ($input: Plan!) { planned(input: $input) }',
        variables: { input: { steps: [{ '\ude00': '' }] } },
      },
      { query: '{ hello(name: "a\\u0000b") }' },
      { query: '{ hello(name: "a\\ud800b") }' },
      { query: '{ hello(name: "a\0b") }' },
      { query: '{ hello # \ud800\n }' },
    ]) {
      const { data, errors } = await ask(running, door, request)
      expect(data).toBeUndefined()
      expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
      expect(errors?.[0]?.message).toContain('surrogate')
    }
    const { data } = await ask(running, door, {
      query: 'query ($n: String) { hello(name: $n) }',
      variables: { n: '你好 🏃' },
    })
    expect(data).toEqual({ hello: 'hello 你好 🏃' })
  })
})

test('the real schema has the same limits behind every door', async () => {
  const real = await runReal()
  const requests: [Request, string][] = [
    [{ query: `{ members(first: 1) { nodes { ${aliases(31, 'id')} } } }` }, '31 aliases; 30'],
    [{ query: `{ ${'members { totalCount } '.repeat(21)} }` }, '21 fields at the top; 20'],
    [{ query: `{ ${'__typename '.repeat(2_001)} }` }, '2000 tokens'],
    [
      {
        query:
          'query ($n: Int) { members(first: $n) { nodes { ... on City { companies(first: $n) { nodes { id } } } } } }',
        variables: { n: 100 },
      },
      '10000 is the most',
    ],
  ]
  try {
    for (const door of doors)
      for (const [request, says] of requests) {
        const { data, errors } = await ask(real, door, request)
        expect(data).toBeUndefined()
        expect(errors?.map(({ message }) => message).join()).toContain(says)
        expect(errors?.every(({ extensions }) => extensions.code === 'TOO_COSTLY')).toBe(true)
      }
  } finally {
    await real.end()
  }
})

test('every door says the same of the same request', async () => {
  for (const { request } of Object.values(beyond)) {
    const [http, socket, sse] = await Promise.all(doors.map(door => ask(running, door, request)))
    expect(socket?.errors).toEqual(http?.errors)
    expect(sse).toEqual(http)
  }
})

const costOf = (query: string, variables = {}) => {
  const document = parse(query)
  return countCost(toySchema(), document, getOperationAST(document, null)!, variables)
}

describe('the cost', () => {
  test('counts the things that may be read', () => {
    expect(costOf('{ hello }')).toBe(0)
    expect(costOf('{ things { totalCount } }')).toBe(1)
    expect(costOf('{ things { nodes { id } } }')).toBe(21)
    expect(costOf('{ things(first: 3) { nodes { id } edges { node { id } } } }')).toBe(1 + 3 + 3 * 2)
    expect(costOf('{ things(last: 7) { nodes { tags { name } } } }')).toBe(1 + 7 * (1 + 5))
    expect(costOf('query ($n: Int = 4) { things(first: $n) { nodes { id } } }')).toBe(5)
    expect(costOf('query ($n: Int = 4) { things(first: $n) { nodes { id } } }', { n: 100 })).toBe(101)
    expect(costOf('{ nodes(ids: ["a", "b"]) { id } }')).toBe(2)
    expect(costOf('mutation { act }')).toBe(0)
  })

  test('of the same document follows its variables', () => {
    const document = parse(
      'query ($n: Int = 4, $ids: [ID!]!) { things(first: $n) { nodes { id } } nodes(ids: $ids) { id } }',
    )
    const of = (variables: Record<string, unknown>) =>
      countCost(toySchema(), document, getOperationAST(document, null)!, variables)
    for (let round = 0; round < 2; round++) {
      expect(of({ ids: [] })).toBe(1 + 4)
      expect(of({ n: null, ids: [] })).toBe(1 + 20)
      expect(of({ n: 7, ids: [] })).toBe(1 + 7)
      expect(of({ n: 7, ids: ['a', 'b'] })).toBe(1 + 7 + 2)
      expect(of({ n: 7, ids: ['c', 'd'] })).toBe(1 + 7 + 2)
    }
  })

  test('of introspection is small once, and too much over and over', () => {
    const schema = buildASTSchema(parse(readSdl()))
    const of = (query: string) => {
      const document = parse(query)
      return countCost(schema, document, getOperationAST(document, null)!, {})
    }
    expect(of(getIntrospectionQuery())).toBeLessThan(3_000)
    const twice = (i: number) => `a${i}: fields { type { ${aliases(10, 'fields { args { type { name } } }')} } }`
    expect(
      of(`{ __schema { types { ${Array.from({ length: 15 }, (_, i) => twice(i)).join(' ')} } } }`),
    ).toBeGreaterThan(10_000)
  })

  test('takes the costliest of the types that a thing may have', () => {
    expect(
      costOf('{ nodes(ids: ["a"]) { ... on City { self { id } } ... on Company { self { self { id } } } } }'),
    ).toBe(3)
    expect(costOf('{ nodes(ids: ["a"]) { self { id } ... on Thing { self { id } } } }')).toBe(3)
  })

  test('of fragments within fragments is counted in no time', () => {
    const names = Array.from({ length: 150 }, (_, i) => `F${i}`)
    const fragments = names.map((name, i) =>
      i === names.length - 1
        ? `fragment ${name} on Thing { id }`
        : `fragment ${name} on Thing { ...F${i + 1} ...F${i + 1} }`,
    )
    const started = performance.now()
    costOf(`{ nodes(ids: ["a"]) { ...F0 } } ${fragments.join('\n')}`)
    expect(performance.now() - started).toBeLessThan(200)
  })

  test('of fragments that go in a circle ends, too', () => {
    expect(
      costOf(
        '{ nodes(ids: ["a"]) { ...A } } fragment A on Thing { self { ...B } } fragment B on Thing { self { ...A } }',
      ),
    ).toBe(3)
  })

  test('of a document that makes validation work hard stays bearable', async () => {
    const started = performance.now()
    await ask(running, 'http', { query: `{ nodes(ids: []) { ${'self { id } '.repeat(480)} } }` })
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  test('counts the types of a schema once', () => {
    const schema = toySchema()
    const look = vi.spyOn(schema, 'getTypeMap')
    const document = parse('{ __schema { types { name } } }')
    const costs = [1, 2, 3].map(() => countCost(schema, document, getOperationAST(document, null)!, {}))
    expect(new Set(costs).size).toBe(1)
    expect(look).toHaveBeenCalledTimes(1)
  })

  test('is nothing for fields that no schema knows', () => {
    const document = parse('{ unknown { a } }')
    expect(countCost(buildSchema('type Query { a: Int }'), document, getOperationAST(document, null)!, {})).toBe(0)
  })
})
