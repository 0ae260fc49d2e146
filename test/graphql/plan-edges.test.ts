import { makeExecutableSchema } from '@graphql-tools/schema'
import { execute, type GraphQLSchema, type OperationDefinitionNode, parse, validate } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createContext } from '../../src/graphql/context.ts'
import { fieldsOf } from '../../src/graphql/fields.ts'
import { enforcePermissions } from '../../src/graphql/permissions.ts'
import { createPlanner } from '../../src/graphql/planner.ts'
import { type Alliance, createAlliance, places } from '../support/alliance.ts'

let alliance: Alliance
beforeAll(async () => {
  alliance = await createAlliance()
})
afterAll(() => alliance.close())

/** What the planner and plain execution answer, and what the planner told of. */
async function both(schema: GraphQLSchema, source: string, variables: Record<string, unknown> = {}) {
  const document = parse(source)
  expect(validate(schema, document)).toEqual([])
  const faults: unknown[] = []
  const planner = createPlanner(schema, error => faults.push(error))
  const context = () => createContext(alliance.services, { actor: alliance.anonymous, locale: 'en' })
  const planned = await planner.answer(
    document,
    document.definitions[0] as OperationDefinitionNode,
    variables,
    context(),
  )
  const plain = await execute({ schema, document, variableValues: variables, contextValue: context() })
  return { planned, plain, faults }
}

const { from } = fieldsOf<object>()

/** A thing whose fields are what a resolver could answer by mistake or on purpose. */
const thing = {
  text: 'a',
  number: 2 ** 31,
  small: -0,
  float: 0.1,
  notANumber: Number.NaN,
  colour: 'RED',
  noColour: 'PINK',
  flag: 1,
  id: 7,
  ids: ['a', 'a'],
  holes: ['a', null],
  missing: undefined,
  nothing: null,
  called: () => 'called',
  awaited: Promise.resolve('awaited'),
  failing: undefined as unknown,
  things: new Set(['a']),
  inner: { text: 'inner' },
}

const odd = enforcePermissions(
  makeExecutableSchema({
    typeDefs: `
      directive @public on OBJECT | FIELD_DEFINITION
      enum Colour { RED GREEN }
      type Query { thing: Thing @public  later: String @public  refused: String @public }
      type Thing @public {
        text: String! number: Int small: Int float: Float! notANumber: Float colour: Colour! noColour: Colour flag: Boolean
        id: ID! ids: [ID!]! holes: [String!] open: [String] missing: String nothing: String! called: String
        awaited: String failing: String things: [String!] inner: Thing
      }`,
    resolvers: {
      Query: {
        thing: from([], () => ({ ...thing, open: thing.holes })),
        later: from([], () => Promise.reject(new Error('refused')) as unknown),
        refused: from([], () => {
          throw new Error('refused')
        }),
      },
      Thing: { failing: from([], () => Promise.reject(new Error('late')) as unknown) },
    },
  }),
)

describe('a plan', () => {
  it.each(['text', 'small', 'float', 'colour', 'ids', 'open', 'inner { text }'])('shows %s as it is', async field => {
    const { planned, plain } = await both(odd, `{ thing { ${field} } }`)
    expect(plain.errors).toBeUndefined()
    expect(JSON.stringify(planned)).toBe(JSON.stringify(plain.data))
  })

  it.each(['id', 'flag'])('shows %s as its scalar writes it', async field => {
    const { planned, plain } = await both(odd, `{ thing { ${field} } }`)
    expect(JSON.stringify(planned ?? plain.data)).toBe(JSON.stringify(plain.data))
  })

  it.each(['number', 'notANumber', 'noColour', 'holes', 'missing', 'nothing', 'failing'])(
    'leaves the error of %s to plain execution',
    async field => {
      const { planned, plain, faults } = await both(odd, `{ thing { text ${field} } }`)
      expect(planned).toBeUndefined()
      expect(plain.errors).toHaveLength(1)
      expect(plain.errors![0]!.path!.slice(0, 2)).toEqual(['thing', field])
      expect(faults).toEqual([])
    },
  )

  it.each(['called', 'awaited', 'things'])('leaves %s to plain execution, which knows how', async field => {
    const { planned, plain } = await both(odd, `{ thing { ${field} } }`)
    expect(planned).toBeUndefined()
    expect(plain.errors).toBeUndefined()
  })

  it('tells of what a resolver threw that was not meant for callers', async () => {
    const { planned, plain, faults } = await both(odd, '{ refused }')
    expect(planned).toBeUndefined()
    expect(plain.errors).toHaveLength(1)
    expect(faults).toEqual([new Error('refused')])
    expect((await both(odd, '{ later }')).planned).toBeUndefined()
  })

  it('leaves an answer with a property like no other to plain execution', async () => {
    const { planned, plain } = await both(odd, '{ __proto__: thing { text } }')
    expect(planned).toBeUndefined()
    expect(Object.keys(plain.data!)).toEqual(['__proto__'])
  })

  it('leaves introspection, mutations and unknown operations to plain execution', async () => {
    expect((await both(odd, '{ __schema { queryType { name } } }')).planned).toBeUndefined()
    expect((await both(alliance.schema, 'mutation { __typename }')).planned).toBeUndefined()
    const context = createContext(alliance.services, { actor: alliance.anonymous, locale: 'en' })
    const several = parse('query A { asOf } query B { asOf }')
    expect(
      await createPlanner(alliance.schema, () => undefined).answer(several, undefined, {}, context),
    ).toBeUndefined()
  })
})

describe('a plan of the directory', () => {
  beforeAll(async () => {
    const { member } = alliance
    let parent = await member({ kind: 'CITY' })
    for (let i = 0; i < 99; i++) {
      const next = await member({
        kind: i % 2 ? 'COMPANY' : 'ASSOCIATION',
        region: i % 3 ? places.jinjiang : null,
        profile: i % 5 ? { parentId: parent.uuid } : {},
      })
      if (i % 7 === 0) parent = next
    }
  }, 120_000)

  const agree = async (source: string, variables?: Record<string, unknown>) => {
    const { planned, plain, faults } = await both(alliance.schema, source, variables)
    expect(plain.errors).toBeUndefined()
    expect(faults).toEqual([])
    expect(JSON.stringify(planned)).toBe(JSON.stringify(plain.data))
    return planned
  }

  it('reads a hundred rows that name each other, on several ways', async () => {
    await agree(`{
      members(first: 100) {
        nodes { ...Kin ... on Company { profile { parent { ... on Association { region { name } } } } } }
        edges { cursor node { ... on City { companies(first: 100) { nodes { ...Kin } } } } }
      }
    }
    fragment Kin on Member { id profile { parent { id region { code } profile { parent { id version } } } } }`)
  })

  it('reads as deep as a document may go', async () => {
    await agree(
      '{ members(first: 3) { nodes { profile { parent { profile { parent { profile { parent { id } } } } } } } } }',
    )
  })

  it('reads an empty page', async () => {
    await agree(`{ members(first: 1, filter: { name: "no such name" }) {
      nodes { id externalReferences { value } } edges { cursor } pageInfo { startCursor endCursor hasNextPage } totalCount } }`)
  })

  it('answers the same whichever way its conditions are met, for many at once', async () => {
    const { schema, services } = alliance
    const document = parse(`query ($a: Boolean!, $b: Boolean = true, $n: Int = 2) {
      members(first: $n) { nodes { id ...F @include(if: $a) profile @skip(if: $b) { name } } }
    }
    fragment F on Member { region { name @skip(if: $b) code } }`)
    const planner = createPlanner(schema, error => {
      throw error
    })
    const context = () => createContext(services, { actor: alliance.anonymous, locale: 'en' })
    const all = [true, false].flatMap(a =>
      [true, false, undefined].flatMap(b => [1, 50, undefined].map(n => ({ a, b, n }))),
    )
    await Promise.all(
      [...all, ...all].map(async ({ a, b, n }) => {
        const variables = { a, ...(b !== undefined && { b }), ...(n !== undefined && { n }) }
        const planned = await planner.answer(document, document.definitions[0] as never, variables, context())
        const plain = await execute({ schema, document, variableValues: variables, contextValue: context() })
        expect(JSON.stringify(planned)).toBe(JSON.stringify(plain.data))
      }),
    )
  })

  it('leaves to plain execution what would be too much for one plan', async () => {
    const aliases = Array.from({ length: 60 }, (_, i) => `a${i}: externalReferences { value }`).join(' ')
    expect((await both(alliance.schema, `{ members(first: 2) { nodes { ${aliases} } } }`)).planned).toBeUndefined()
    const kin = [0, 1, 2, 3, 4].map(
      i =>
        `fragment F${i} on Member { id profile { parent { ${i < 4 ? `...F${i + 1}` : 'id'} } lead { ${i < 4 ? `...F${i + 1}` : 'id'} } } }`,
    )
    const { planned, plain } = await both(alliance.schema, `{ members(first: 2) { nodes { ...F0 } } } ${kin.join(' ')}`)
    expect(planned).toBeUndefined()
    expect(plain.errors).toBeUndefined()
  })

  it('is made once for all ways that lead to the same', async () => {
    // Were every level compiled for every type and alias above it, this would be 18 to the power of 6.
    const kin = [0, 1, 2, 3, 4, 5].map(i => {
      const ways = [0, 1, 2, 3, 4, 5].map(way => `w${way}: profile { parent { ${i < 5 ? `...F${i + 1}` : 'id'} } }`)
      return `fragment F${i} on Member { id ${ways.join(' ')} }`
    })
    await agree(`{ members(first: 1, filter: { kinds: [CITY] }) { nodes { ...F0 } } } ${kin.join(' ')}`)
  })
})
