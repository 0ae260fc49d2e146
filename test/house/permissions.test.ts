import {
  buildSchema as buildPlainSchema,
  createSourceEventStream,
  type ExecutionResult,
  type GraphQLField,
  type GraphQLInputType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  isUnionType,
  parse,
} from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { type Permission, permissions } from '../../src/access/permissions.ts'
import { createContext } from '../../src/graphql/context.ts'
import { enforcePermissions, fieldPermission } from '../../src/graphql/permissions.ts'
import { buildSchema } from '../../src/server/schema.ts'
import { type Alliance, createAlliance, errorCodes } from '../support/alliance.ts'

const schema = buildSchema()

let alliance: Alliance
let actors: Record<string, Actor>
beforeAll(async () => {
  alliance = await createAlliance()
  const member = await alliance.member()
  const listed = await alliance.member({ status: 'LISTED' })
  actors = {
    representative: await alliance.officerOf(member, 'REPRESENTATIVE'),
    liaison: await alliance.officerOf(member, 'LIAISON'),
    viewer: await alliance.officerOf(member, 'VIEWER'),
    'officer of a listed body': await alliance.officerOf(listed, 'REPRESENTATIVE'),
    'portal without scopes': await alliance.portal([]),
    'portal that follows': await alliance.portal(['DIRECTORY_FOLLOW']),
    secretariat: await alliance.secretariat(),
  }
})
afterAll(() => alliance.close())

const leaves: Record<string, unknown> = {
  ID: 'city_00000000000000000000000000',
  String: 'x',
  Int: 1,
  Float: 1,
  Boolean: true,
  DateTime: '2030-01-01T00:00:00Z',
  Date: '2030-01-01',
  PartialDate: '2030',
  URL: 'https://yungu.example/',
  Locale: 'en',
  Cursor: 'x',
  Sha256: 'a'.repeat(64),
}

/** The least that an argument of this type takes. */
function least(type: GraphQLInputType): unknown {
  if (isNonNullType(type)) return least(type.ofType)
  if (isListType(type)) return [least(type.ofType)]
  if (isEnumType(type)) return type.getValues()[0]!.name
  if (isInputObjectType(type))
    return Object.fromEntries(
      Object.values(type.getFields())
        .filter(field => isNonNullType(field.type))
        .map(field => [field.name, least(field.type)]),
    )
  return leaves[type.name]
}

/** A document that asks for one root field with as little as it takes. */
function leastDocument(operation: string, field: GraphQLField<unknown, unknown>) {
  const needed = field.args.filter(argument => isNonNullType(argument.type))
  const declared = needed.map(({ name, type }) => `$${name}: ${type}`).join(', ')
  const given = needed.map(({ name }) => `${name}: $${name}`).join(', ')
  let type: unknown = field.type
  while (isNonNullType(type) || isListType(type)) type = type.ofType
  const isComposite = isObjectType(type) || isInterfaceType(type) || isUnionType(type)
  return {
    document: `${operation} ${declared && `(${declared})`} { ${field.name}${given && `(${given})`} ${isComposite ? '{ __typename }' : ''} }`,
    variables: Object.fromEntries(needed.map(({ name, type }) => [name, least(type)])),
  }
}

const guarded = (['query', 'mutation'] as const).flatMap(operation => {
  const root = operation === 'query' ? schema.getQueryType()! : schema.getMutationType()!
  return Object.values(root.getFields()).flatMap(field => {
    const permission = fieldPermission(root, field)
    return permission === 'PUBLIC' ? [] : [{ operation, field, permission, name: field.name }]
  })
})

/** Mutations that need no permission: those by which people come in and go out. */
const open = ['acceptInvitation', 'signIn', 'signOut']

describe('every guarded root field', () => {
  it('is here: all mutations among them but those of coming in and going out', () => {
    expect(
      guarded
        .filter(({ operation }) => operation === 'mutation')
        .map(({ name }) => name)
        .concat(open)
        .sort(),
    ).toEqual(Object.keys(schema.getMutationType()!.getFields()).sort())
  })

  it.each(guarded)(
    '$name refuses whoever lacks $permission, and does nothing',
    async ({ operation, field, permission }) => {
      const { document, variables } = leastDocument(operation, field)
      const before = await alliance.traces()
      const lacking = Object.entries(actors).filter(([, actor]) => !actor.permissions.has(permission))
      expect(lacking.length).toBeGreaterThan(0)
      expect(errorCodes(await alliance.as(alliance.anonymous).query(document, variables))).toEqual(['UNAUTHENTICATED'])
      for (const [name, actor] of lacking)
        expect(errorCodes(await alliance.as(actor).query(document, variables)), name).toEqual(['FORBIDDEN'])
      expect(await alliance.traces()).toEqual(before)
    },
  )

  it.each(guarded)('$name lets in whoever holds $permission', async ({ operation, field, permission }) => {
    const { document, variables } = leastDocument(operation, field)
    const holding = Object.entries(actors).filter(([, actor]) => actor.permissions.has(permission))
    expect(holding.length).toBeGreaterThan(0)
    for (const [name, actor] of holding) {
      const codes = errorCodes(await alliance.as(actor).query(document, variables))
      expect(codes, name).not.toContain('FORBIDDEN')
      expect(codes, name).not.toContain('UNAUTHENTICATED')
    }
  })
})

describe('a field of an object', () => {
  it('needs what the field of its interface needs, or the service does not start', () => {
    const sdl = (own: string) => `
      directive @public on FIELD_DEFINITION
      directive @requires(permission: Permission!) on FIELD_DEFINITION
      enum Permission { CONTACTS_READ }
      interface Body { name: String @public }
      type Query implements Body { name: String ${own} }`
    expect(() => enforcePermissions(buildPlainSchema(sdl('@public')))).not.toThrow()
    expect(() => enforcePermissions(buildPlainSchema(sdl('@requires(permission: CONTACTS_READ)')))).toThrow(
      'Query.name needs CONTACTS_READ and Body.name PUBLIC',
    )
  })
})

const followed = Object.values(schema.getSubscriptionType()!.getFields()).flatMap(field => {
  const permission = fieldPermission(schema.getSubscriptionType()!, field)
  return permission === 'PUBLIC' ? [] : [{ field, permission, name: field.name }]
})

describe('every guarded subscription', () => {
  it('is here: that of the directory among them', () => {
    expect(followed.map(({ name }) => name)).toContain('memberChanged')
  })

  it.each(followed)(
    '$name begins for whoever holds $permission, and for nobody else',
    async ({ field, permission }) => {
      const { document } = leastDocument('subscription', field)
      /** The codes of the refusal; none when the subscription began. */
      const begin = async (actor: Actor) => {
        const contextValue = createContext(alliance.services, { actor, locale: 'en' })
        const source = await createSourceEventStream({ schema, document: parse(document), contextValue })
        return Symbol.asyncIterator in source ? [] : errorCodes(source as ExecutionResult)
      }
      expect(await begin(alliance.anonymous)).toEqual(['UNAUTHENTICATED'])
      const outcomes = await Promise.all(
        Object.entries(actors).map(async ([name, actor]) => ({
          name,
          codes: await begin(actor),
          holds: actor.permissions.has(permission),
        })),
      )
      for (const { name, codes, holds } of outcomes) expect(codes, name).toEqual(holds ? [] : ['FORBIDDEN'])
      expect(new Set(outcomes.map(({ holds }) => holds)).size).toBe(2)
    },
  )
})

/** Who holds what: a change here is a change of the alliance's rules, and is made on purpose. */
const holders: Record<Permission, readonly string[]> = {
  PROFILE_WRITE: ['representative', 'liaison', 'officer of a listed body', 'secretariat'],
  PROFILE_HISTORY_READ: ['representative', 'liaison', 'viewer', 'officer of a listed body', 'secretariat'],
  CONTACTS_READ: ['representative', 'liaison', 'viewer', 'officer of a listed body', 'secretariat'],
  DIRECTORY_FOLLOW: ['representative', 'liaison', 'viewer', 'portal that follows', 'secretariat'],
  MEMBERS_REGISTER: ['secretariat'],
  MEMBERSHIP_DECIDE: ['secretariat'],
  MEMBERSHIP_HISTORY_READ: ['representative', 'liaison', 'viewer', 'officer of a listed body', 'secretariat'],
  CREDIT_CODE_REVIEW: ['secretariat'],
  OFFICES_MANAGE: ['secretariat'],
  ANNOUNCEMENTS_WRITE: ['secretariat'],
  INBOX_READ: ['representative', 'liaison', 'viewer'],
  ANNOUNCEMENTS_ACKNOWLEDGE: ['representative', 'liaison'],
  ACCESS_MANAGE: ['secretariat'],
  INITIATIVE_MANAGE: ['secretariat'],
  INITIATIVE_SIGN: ['representative', 'officer of a listed body'],
  OFFICERS_READ: ['representative', 'liaison', 'viewer', 'officer of a listed body', 'secretariat'],
  OFFICERS_MANAGE: ['representative', 'officer of a listed body', 'secretariat'],
  INITIATIVE_WITHDRAW: ['representative', 'officer of a listed body', 'secretariat'],
}

describe('permissions', () => {
  it.each(permissions)('%s is held by those who should hold it', permission => {
    const found = Object.entries(actors).filter(([, actor]) => actor.permissions.has(permission))
    expect(found.map(([name]) => name).sort()).toEqual([...holders[permission]].sort())
  })
})
