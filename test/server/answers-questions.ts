import {
  type GraphQLField,
  type GraphQLInterfaceType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isInterfaceType,
  isLeafType,
  isObjectType,
  isRequiredArgument,
} from 'graphql'
import { personalTypes } from '../../src/graphql/live-personal.ts'

/** A document with its variables. */
export interface Question {
  readonly query: string
  readonly variables: Record<string, unknown>
}

type Composite = GraphQLObjectType | GraphQLInterfaceType

/**
 * Everything that somebody with these permissions may select of a type, pages of two; things within things of their own
 * type, and what lies deeper, by their leaves alone.
 * @param met told every field that is selected, as `Type.field`
 */
export function selectAll(
  schema: GraphQLSchema,
  type: Composite,
  permissions: ReadonlySet<string>,
  met: (field: string) => void = () => undefined,
  depth = 4,
  above: readonly string[] = [],
): string {
  const within = [...above, type.name]
  const isGiven = (shown: GraphQLField<unknown, unknown>, of: Composite) => {
    // What is behind the field of an interface, its types say.
    const field = isInterfaceType(of) ? schema.getPossibleTypes(of)[0]!.getFields()[shown.name]! : shown
    const permission = field.extensions.permission as string
    if (permission !== 'PUBLIC' && !permissions.has(permission)) return false
    if (personalTypes.has(getNamedType(field.type).name)) return false
    // What is code is never planned, and so never kept.
    return !field.extensions.isCode && !field.args.some(isRequiredArgument)
  }
  const select = (field: GraphQLField<unknown, unknown>, of: Composite): string => {
    const named = getNamedType(field.type)
    const shown = `${of.name}.${field.name}`
    if (isLeafType(named)) {
      met(shown)
      return field.name
    }
    const isBeyond = depth === 0 || within.includes(named.name) || (named.name === 'Member' && above.length > 1)
    const inner = isBeyond
      ? leavesOf(named as Composite)
      : selectAll(schema, named as Composite, permissions, met, depth - 1, within)
    if (!inner) return ''
    met(shown)
    return `${field.name}${field.args.some(({ name }) => name === 'first') ? '(first: 2)' : ''} { ${inner} }`
  }
  const leavesOf = (of: Composite) =>
    Object.values(of.getFields())
      .filter(field => isLeafType(getNamedType(field.type)) && isGiven(field, of))
      .map(({ name }) => name)
      .join(' ')
  const fieldsOf = (of: Composite, except: readonly string[] = []) =>
    Object.values(of.getFields())
      .filter(field => isGiven(field, of) && !except.includes(field.name))
      .map(field => select(field, of))
      .join(' ')
  if (!isInterfaceType(type)) return fieldsOf(type)
  const common = Object.keys(type.getFields())
  const own = schema.getPossibleTypes(type).map(possible => {
    for (const name of common) met(`${possible.name}.${name}`)
    const fields = fieldsOf(possible, common)
    return fields.trim() ? `... on ${possible.name} { ${fields} }` : ''
  })
  return `${fieldsOf(type)} ${own.join(' ')}`
}

/** Everything that may be selected of a type by its name. */
export function selectAllOf(
  schema: GraphQLSchema,
  name: string,
  permissions: ReadonlySet<string>,
  met?: (field: string) => void,
): string {
  const type = schema.getType(name)
  if (!isObjectType(type) && !isInterfaceType(type)) throw new Error(`There is no type ${name}.`)
  return selectAll(schema, type, permissions, met)
}

/** What is asked of lists of members: the page that they begin with, and how many they are. */
const listed = 'totalCount pageInfo { hasNextPage endCursor } nodes { id version profile { name } }'

/** Of announcements: what decides on their lists, and not the cursors, which tell when paging began. */
const announced = 'totalCount pageInfo { hasNextPage hasPreviousPage } nodes { id version title }'

/** Lists of announcements by everything that they are filtered by. */
export const announcementLists: readonly Question[] = [
  '',
  '(first: 1)',
  '(last: 1)',
  '(filter: { public: true, publishedSince: "2020-01-01T00:00:00Z" })',
  '(filter: { public: false })',
  '(filter: { statuses: [RETRACTED] })',
  '(filter: { statuses: [DRAFT, SCHEDULED] })',
  '(filter: { categories: [NOTICE], urgencies: [NORMAL, URGENT] })',
  '(filter: { categories: [] })',
  '(filter: { title: "改过" })',
].map(args => ({ query: `{ announcements${args} { ${announced} } }`, variables: {} }))

/** Lists of an inbox. */
export const inboxLists: readonly Question[] = [
  '',
  '(first: 1)',
  '(filter: { unread: true })',
  '(filter: { unacknowledged: true })',
  '(filter: { unacknowledged: true, categories: [NOTICE] })',
].map(args => ({ query: `{ inbox${args} { ${announced} } }`, variables: {} }))

/** Lists by everything that lists are filtered and ordered by. */
export function listsOf(things: { readonly city: string; readonly since: string }): Question[] {
  const members = [
    '',
    '(last: 3)',
    '(first: 2)',
    ...['STROKES', 'NAME', 'JOINED', 'UPDATED'].map(by => `(first: 3, orderBy: { by: ${by}, direction: DESC })`),
    '(filter: { kinds: [COMPANY] })',
    '(filter: { associationKinds: [ALLIANCE] })',
    '(filter: { regions: ["510000"] })',
    '(filter: { regions: ["440300"], statuses: [ADMITTED] })',
    '(filter: { fields: ["digital_twin"] })',
    '(filter: { capabilities: ["computing_power"] })',
    '(filter: { statuses: [LISTED] })',
    '(filter: { statuses: [WITHDRAWN, EXPELLED, SUSPENDED] })',
    '(filter: { name: "改名" })',
    `(first: 3, filter: { updatedSince: "${things.since}" })`,
    '(filter: { externalReference: { system: "crm", value: "7" } })',
  ]
  const city = `id version associations(first: 2) { ${listed} } companies(orderBy: { by: UPDATED, direction: DESC }, first: 1) { ${listed} }`
  const rest = [
    ...members.map(args => `{ members${args} { ${listed} } }`),
    // Without the id, and without anything of the rows.
    '{ members(first: 4) { nodes { profile { summary } } } }',
    '{ members(filter: { kinds: [CITY] }) { totalCount } }',
    `{ members(filter: { kinds: [CITY] }) { nodes { ... on City { ${city} } } } }`,
    `query ($city: ID!) { member(id: $city) { ... on City { ${city} } } }`,
    '{ announcements { nodes { isPinned retractionReason } } }',
    '{ alliance(at: "2026-02-01") { council { totalCount nodes { id version } } permanentChairs { nodes { version } } } }',
    '{ officeTerms { totalCount pageInfo { endCursor } nodes { id version from until } } }',
    '{ officeTerms(filter: { offices: [COUNCIL, PERMANENT_CHAIR], on: "2026-02-01" }) { totalCount nodes { id version } } }',
    `query ($city: ID!) { officeTerms(filter: { member: $city }) { totalCount } }`,
    '{ regions(first: 5) { totalCount nodes { name province { name } parent { shortName } coordinates { longitude } } } }',
    '{ regions(filter: { name: "成都" }) { totalCount nodes { id name } } }',
    '{ vocabulary(name: FIELD) { code label } }',
  ].map(query => ({ query, variables: query.includes('$city') ? { city: things.city } : {} }))
  return [...announcementLists, ...rest]
}

/** Lists of signatories and of versions of the initiative. */
export const signatoryLists: readonly Question[] = [
  '{ initiativeVersions { totalCount nodes { id number status title } } }',
  ...[
    '',
    '(first: 1, orderBy: { by: SIGNED_AT, direction: DESC })',
    '(filter: { regions: ["510000"], countersigned: true })',
    '(filter: { states: [RENEWAL_DUE, RENEWED, WITHDRAWN] })',
  ].map(args => `{ signatories${args} { totalCount nodes { id state memberName person countersignedAt } } }`),
  // Without anything by which they are told apart.
  '{ signatories { nodes { state } } }',
].map(query => ({ query, variables: {} }))

/** What an officer sees of signatures and others do not. */
export const ownSignatures: Question = {
  query: '{ signatories(filter: { states: [WITHDRAWN] }) { totalCount nodes { id state person code } } }',
  variables: {},
}
