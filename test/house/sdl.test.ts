import {
  type GraphQLField,
  type GraphQLNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
} from 'graphql'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mappers } from '../../codegen.ts'
import { permissions } from '../../src/access/permissions.ts'
import type { Database } from '../../src/database/client.ts'
import { faultCodes } from '../../src/errors.ts'
import { fieldPermission } from '../../src/graphql/permissions.ts'
import { buildSchema, resolvers } from '../../src/server/schema.ts'
import { createDatabase } from '../support/database.ts'

const schema = buildSchema()
const types = Object.values(schema.getTypeMap()).filter(type => !type.name.startsWith('__'))
const builtIn = new Set(['ID', 'String', 'Int', 'Float', 'Boolean'])

/** The tables behind the row types of codegen.ts, with what their stores add by joins. */
const rows: Record<string, { table: string; joined?: readonly string[] }> = {
  MemberRow: { table: 'members' },
  ContactRow: { table: 'member_contacts' },
  ReferenceRow: { table: 'member_references' },
  ProfileRevisionRow: { table: 'member_revisions', joined: ['by'] },
  TransitionRow: { table: 'membership_transitions', joined: ['by'] },
  OfficeTermRow: { table: 'office_terms', joined: ['memberStatus'] },
  OfficeTermChangeRow: { table: 'office_term_changes', joined: ['by'] },
  RegionRow: { table: 'regions' },
  TermRow: { table: 'vocabulary_terms' },
  TokenRow: { table: 'tokens', joined: ['holder', 'role'] },
  PortalRow: { table: 'portals' },
  MailRow: { table: 'mails' },
  OfficerRow: { table: 'officers', joined: ['name', 'email'] },
  StaffRow: { table: 'accounts' },
  InvitationRow: { table: 'invitations', joined: ['by', 'revokedBy'] },
  AnnouncementRow: { table: 'announcements' },
  AnnouncementRevisionRow: { table: 'announcement_revisions', joined: ['by'] },
  RecipientRow: { table: 'announcement_recipients' },
  InitiativeVersionRow: { table: 'initiative_versions' },
  SignatureRow: { table: 'initiative_signatures', joined: ['state'] },
  Certificate: { table: 'initiative_signatures', joined: ['state', 'membershipStatus', 'intact'] },
}
/** Row types that are no tables: an actor, and a fault of an input. */
const objects: Record<string, readonly string[]> = {
  Actor: [],
  AllianceDay: ['at'],
  InputFault: ['code'],
  RecipientRule: ['public', 'allMembers', 'kinds', 'regions'],
}

/** Lists whose length their nature bounds, with the reason. */
const bounded = new Map([
  ['Viewer.permissions', 'each once'],
  ['Portal.scopes', 'each once'],
  ['UserError.field', 'a path of the input'],
  ['Query.vocabulary', 'the alliance keeps the list'],
  ['Announcement.titles', 'one for each language'],
  ['Announcement.bodies', 'one for each language'],
  ['Announcement.attachments', 'what its input takes'],
  ['AnnouncementAudience.include', 'what its input takes'],
  ['AnnouncementAudience.exclude', 'what its input takes'],
  ['AudienceRule.kinds', 'each once'],
  ['AudienceRule.regions', 'what its input takes'],
])

let database: Database
const columns = new Map<string, Set<string>>()
beforeAll(async () => {
  database = await createDatabase()
  const { rows: found } = await sql<{ tableName: string; columnName: string }>`
    select table_name, column_name from information_schema.columns where table_schema = 'public'`.execute(database.db)
  for (const { tableName, columnName } of found) {
    if (!columns.has(tableName)) columns.set(tableName, new Set())
    columns.get(tableName)!.add(columnName.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()))
  }
})
afterAll(() => database.close())

/** Whether our resolver maps name the field. */
const hasResolver = (type: string, field: string) =>
  resolvers.some(map => {
    const fields = (map as Record<string, unknown>)[type]
    return typeof fields === 'object' && fields !== null && Object.hasOwn(fields, field)
  })

function everyField<T>(tell: (type: GraphQLNamedType, field: GraphQLField<unknown, never>) => T | null): T[] {
  return types
    .filter(type => isObjectType(type) || isInterfaceType(type))
    .flatMap(type => Object.values(type.getFields()).flatMap(field => tell(type, field) ?? []))
}

describe('the SDL', () => {
  it('describes every type, field, argument and enum value', () => {
    const mute: string[] = []
    const hear = (name: string, description: string | null | undefined) => {
      if (!description?.trim()) mute.push(name)
    }
    for (const type of types) {
      if (!builtIn.has(type.name)) hear(type.name, type.description)
      if (isEnumType(type)) for (const value of type.getValues()) hear(`${type.name}.${value.name}`, value.description)
      if (isInputObjectType(type) || isObjectType(type) || isInterfaceType(type))
        for (const field of Object.values(type.getFields())) {
          hear(`${type.name}.${field.name}`, field.description)
          if ('args' in field)
            for (const argument of field.args)
              hear(`${type.name}.${field.name}(${argument.name})`, argument.description)
        }
    }
    // The root types of mutations and subscriptions are named in base.graphql; extensions add to them.
    expect(mute).toEqual([])
  })

  it('states a permission for every field', () => {
    const told = everyField((type, field) => fieldPermission(type as never, field as never))
    expect(told.length).toBeGreaterThan(200)
    expect([...new Set(told)].filter(permission => permission !== 'PUBLIC').sort()).toEqual([...permissions].sort())
  })

  it('has the permissions of access/permissions.ts, no more and no less', () => {
    const type = schema.getType('Permission')
    expect(isEnumType(type) && type.getValues().map(value => value.name)).toEqual([...permissions])
  })

  it('has the user errors of errors.ts, no more and no less', () => {
    const type = schema.getType('UserErrorCode')
    expect(isEnumType(type) && type.getValues().map(value => value.name)).toEqual([...faultCodes])
  })

  it('has a resolver or a column behind every field', () => {
    const bare = everyField((type, field) => {
      if (!isObjectType(type) || hasResolver(type.name, field.name)) return null
      const mapper = (mappers as Record<string, string>)[type.name]
      // Without a row of its own the type is checked by tsc: whoever returns it must return every field.
      if (!mapper)
        return ['Query', 'Mutation', 'Subscription'].includes(type.name) ? `${type.name}.${field.name}` : null
      const row = mapper.split('#')[1]!
      if (objects[row]) return objects[row].includes(field.name) ? null : `${type.name}.${field.name}`
      const behind = rows[row]
      if (!behind) return `${type.name} is mapped to ${row}, which this test does not know`
      const known = columns.get(behind.table)?.has(field.name) || behind.joined?.includes(field.name)
      return known ? null : `${type.name}.${field.name}`
    })
    expect(bare).toEqual([])
  })

  it('bounds every list that is no page by its description', () => {
    const endless = everyField((type, field) => {
      const name = `${type.name}.${field.name}`
      // A payload has an error for each field of an input that is bounded itself.
      const isPart = /(Connection|Edge)$/.test(type.name) || field.name === 'userErrors'
      const isList = field.type.toString().startsWith('[')
      return !isList || isPart || bounded.has(name) || /\b(at most|most)\b/.test(field.description ?? '') ? null : name
    })
    expect(endless).toEqual([])
  })

  it('bounds every list with a page, or says in its description how long it can get', () => {
    const unpaged = everyField((type, field) => {
      const isConnection = field.type.toString().replace('!', '').endsWith('Connection')
      const names = field.args.map(argument => argument.name)
      return isConnection && !['first', 'after', 'last', 'before'].every(name => names.includes(name))
        ? `${type.name}.${field.name}`
        : null
    })
    expect(unpaged).toEqual([])
  })
})
