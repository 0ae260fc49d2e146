import {
  type GraphQLArgument,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isAbstractType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isRequiredArgument,
} from 'graphql'
import type { Permission } from '../../src/access/permissions.ts'
import type { World } from './plan-world.ts'

/** Draws whole numbers from 0 up to, but not including, `below`: the same ones for the same seed (mulberry32). */
function drawing(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

/** A document with what it is run with, twice: the second time with other values where there are variables. */
export interface Asking {
  readonly source: string
  readonly operationName: string
  readonly variables: readonly [Record<string, unknown>, Record<string, unknown>]
}

/** Names that a careless program takes for something else. */
const oddAliases = ['constructor', 'toString', 'then', 'toJSON', 'length', 'hasOwnProperty', '__proto__', '_']

const texts = ['云谷', 'yun', '%_', 'zz', '数字', 'Yungu']
const moments = ['2026-11-24T00:00:00Z', '2026-11-24T08:00:00.000+08:00', '2027-01-01T00:00:00Z']
const days = ['2025-12-31', '2026-01-01', '2026-11-25', '2027-01-01']
const locales = ['zh-Hans', 'en', 'zh-Hant', 'zh-CN', 'en-GB']

/** An object in GraphQL's own notation, in which a variable may stand. */
type Literal = string

interface Variable {
  readonly definition: string
  readonly values: readonly [unknown, unknown]
}

/**
 * Makes documents of whatever schema: any field, under fragments that overlap and with variables and directives. All are
 * valid but for the few whose merged arguments or variables conflict; what is wrong with others comes out when they run.
 * @param size about how many fields and fragments
 * @param mayReach whether the caller has a permission; of the fields that it may not reach a few are asked for all the same
 */
export function makeAsking(
  { seed, size }: { readonly seed: number; readonly size: number },
  schema: GraphQLSchema,
  world: World,
  mayReach: (permission: Permission) => boolean,
): Asking {
  const draw = drawing(seed)
  const chance = (percent: number) => draw(100) < percent
  const pick = <T>(list: readonly T[]): T => list[draw(list.length)]!
  const variables = new Map<string, Variable>()
  const fragments = new Map<string, { on: GraphQLCompositeType; text: string }>()
  /** What a key of the answer stands for, so that fields of one key can be merged. */
  const keys = new Map<string, string>()
  let budget = size

  function stringOf(name: string, path: readonly string[]): string {
    if (name === 'code' || name === 'regions' || name === 'province' || name === 'region') return pick(world.codes)
    if (name === 'version' || path.includes('initiativeVersion')) return pick(world.ids.version)
    if (name === 'id' || name === 'ids' || name === 'member' || name === 'members' || name === 'portal') {
      if (chance(8)) return pick(world.ids.wrong)
      if (path.includes('announcement')) return pick(world.ids.announcement)
      if (path.includes('member') || path.includes('officeTerms') || name === 'members') return pick(world.ids.member)
      return pick([...world.ids.member, ...world.ids.announcement, ...world.ids.other])
    }
    if (name === 'after' || name === 'before') {
      const own = world.cursors.get(path[0]!)
      if (own && chance(85)) return pick(own)
      return chance(50) ? 'nonsense' : pick([...world.cursors.values()].flat())
    }
    if (name === 'fields') return pick(['digital_twin', 'virtual_human', 'no_such_term'])
    if (name === 'capabilities') return pick(['computing_power', 'real_time_rendering'])
    if (name === 'system') return 'crm.example.org'
    if (name === 'value') return pick(['A-1', 'B-2'])
    return pick(texts)
  }

  function leafOf(type: GraphQLInputType, name: string, path: readonly string[]): unknown {
    const named = getNamedType(type)
    if (isEnumType(named)) return pick(named.getValues()).name
    switch (named.name) {
      case 'Boolean':
        return chance(50)
      case 'Int':
        return chance(4) ? pick([0, -1, 101]) : pick([1, 1, 2, 2, 3, 5, 20])
      case 'DateTime':
        return pick(moments)
      case 'Date':
        return pick(days)
      case 'Locale':
        return pick(locales)
      default:
        return stringOf(name, path)
    }
  }

  /** A value as a variable would carry it. */
  function drawValue(type: GraphQLInputType, name: string, path: readonly string[]): unknown {
    const nullable = getNullableType(type)
    if (nullable === type && chance(8)) return null
    if (isListType(nullable)) return Array.from({ length: draw(3) }, () => drawValue(nullable.ofType, name, path))
    if (!isInputObjectType(nullable)) return leafOf(nullable, name, path)
    const given = Object.values(nullable.getFields()).filter(
      field => isNonNullType(field.type) || chance(nullable.name.endsWith('Filter') ? 15 : 50),
    )
    return Object.fromEntries(given.map(field => [field.name, drawValue(field.type, field.name, path)]))
  }

  function written(value: unknown, type: GraphQLInputType): Literal {
    const nullable = getNullableType(type)
    if (value === null) return 'null'
    if (isListType(nullable)) return `[${(value as unknown[]).map(one => written(one, nullable.ofType)).join(', ')}]`
    if (isInputObjectType(nullable)) {
      const fields = nullable.getFields()
      const parts = Object.entries(value as object).map(([name, one]) => `${name}: ${written(one, fields[name]!.type)}`)
      return `{${parts.join(', ')}}`
    }
    return isEnumType(nullable) ? (value as string) : JSON.stringify(value)
  }

  function variableOf(type: GraphQLInputType, name: string, path: readonly string[]): Literal {
    const variable = `v${variables.size}`
    const value = () => drawValue(type, name, path)
    const nullable = getNullableType(type)
    const isNeeded = isNonNullType(type)
    const given = () => (isNeeded ? (value() ?? undefined) : chance(25) ? undefined : chance(10) ? null : value())
    // Null for what is needed, where a default lets the document pass, is an error only as it runs.
    const withDefault = chance(40)
    const fallback = withDefault ? ` = ${written(drawValue(isNeeded ? type : nullable, name, path), type)}` : ''
    const values: [unknown, unknown] = withDefault
      ? [pick([undefined, value(), value(), ...(chance(20) ? [null] : [])]), value()]
      : [given(), given()]
    const declared = withDefault && isNeeded && !fallback.endsWith('null') ? nullable : type
    variables.set(variable, { definition: `$${variable}: ${declared}${fallback}`, values })
    return `$${variable}`
  }

  function argument(arg: { readonly name: string; readonly type: GraphQLInputType }, path: readonly string[]): Literal {
    const nullable = getNullableType(arg.type)
    if (chance(20)) return variableOf(arg.type, arg.name, path)
    if (isInputObjectType(nullable) && chance(30)) {
      const inner = Object.values(nullable.getFields()).filter(field => isNonNullType(field.type) || chance(15))
      return `{${inner.map(field => `${field.name}: ${argument(field, path)}`).join(', ')}}`
    }
    const value = drawValue(arg.type, arg.name, path)
    return value === null && isNonNullType(arg.type)
      ? written(leafOf(nullable, arg.name, path), arg.type)
      : written(value, arg.type)
  }

  const wanting = { first: 45, last: 6, after: 12, before: 4, filter: 20, orderBy: 20, locale: 40 } as Record<
    string,
    number
  >

  function args(field: GraphQLField<unknown, unknown>): Literal {
    const chosen = field.args.filter(
      (arg: GraphQLArgument) => isRequiredArgument(arg) || chance(wanting[arg.name] ?? 30),
    )
    const named = new Set(chosen.map(arg => arg.name))
    // What can't go together is asked for now and then only.
    const given = chosen.filter(
      ({ name }) =>
        !(
          (name === 'last' && named.has('first')) ||
          (name === 'before' && !named.has('last')) ||
          (name === 'after' && named.has('last'))
        ) || chance(5),
    )
    if (given.length === 0) return ''
    return `(${given.map(arg => `${arg.name}: ${argument(arg, [field.name])}`).join(', ')})`
  }

  function directives(): string {
    if (!chance(12)) return ''
    const name = pick(['skip', 'include'])
    if (chance(50)) return ` @${name}(if: ${name === 'include' ? chance(80) : chance(20)})`
    const known = [...variables].filter(([, { definition }]) => definition.includes(': Boolean!'))
    if (known.length > 0 && (known.length > 2 || chance(60))) return ` @${name}(if: $${pick(known)[0]})`
    const variable = `v${variables.size}`
    variables.set(variable, { definition: `$${variable}: Boolean!`, values: [chance(50), chance(50)] })
    return ` @${name}(if: $${variable})`
  }

  /** The key of a field in the answer: with other arguments another one. */
  function keyed(field: GraphQLField<unknown, unknown>): string {
    const signature = `${field.name}: ${String(field.type)} ${field.args.map(({ name }) => name)}`
    const asked = [...keys].filter(([, meaning]) => meaning.startsWith(`${signature}\n`))
    if (asked.length > 0 && chance(60)) {
      const [key, meaning] = pick(asked)
      const text = meaning.slice(meaning.indexOf('\n') + 1)
      return key === field.name ? `${field.name}${text}` : `${key}: ${field.name}${text}`
    }
    const text = args(field)
    const meaning = `${signature}\n${text}`
    const free = [field.name, `a${keys.size}`, ...(chance(5) ? [pick(oddAliases)] : [])].filter(
      key => (keys.get(key) ?? meaning) === meaning,
    )
    const key = chance(20) ? free.at(-1)! : free[0]!
    keys.set(key, meaning)
    return key === field.name ? `${field.name}${text}` : `${key}: ${field.name}${text}`
  }

  function isAllowed(field: GraphQLField<unknown, unknown>): boolean {
    const { permission, isCode } = field.extensions as { permission?: Permission | 'PUBLIC'; isCode?: boolean }
    if (isCode && !chance(3)) return false
    return permission === 'PUBLIC' || permission === undefined || mayReach(permission) || chance(2)
  }

  function selectField(parent: GraphQLCompositeType, depth: number): string {
    if (!('getFields' in parent) || chance(6)) return `${chance(20) ? 't: ' : ''}__typename`
    const fields = Object.values(parent.getFields() as Record<string, GraphQLField<unknown, unknown>>)
    const possible = fields.filter(field => isAllowed(field) && (depth < 11 || isLeafType(getNamedType(field.type))))
    if (possible.length === 0) return '__typename'
    // Most fields are leaves; the others are where it becomes interesting.
    const composite = possible.filter(field => isCompositeType(getNamedType(field.type)))
    // Members have fields of all sorts: however many nouns there are, they are asked for.
    const members = depth === 0 && chance(25) ? possible.filter(({ name }) => /^members?$/.test(name)) : []
    const field = pick(members.length > 0 ? members : composite.length > 0 && chance(65) ? composite : possible)
    budget--
    const type = getNamedType(field.type)
    const text = `${keyed(field)}${directives()}`
    return isCompositeType(type) ? `${text} ${select(type, depth + 1)}` : text
  }

  /** The types on which a fragment within `parent` may be. */
  function conditionsFor(parent: GraphQLCompositeType): GraphQLCompositeType[] {
    const objects = isAbstractType(parent) ? schema.getPossibleTypes(parent) : [parent as GraphQLObjectType]
    return [...new Set<GraphQLCompositeType>([parent, ...objects, ...objects.flatMap(type => type.getInterfaces())])]
  }

  function selectFragment(parent: GraphQLCompositeType, depth: number): string {
    budget--
    const conditions = conditionsFor(parent)
    const known = [...fragments].filter(([, { on, text }]) => text !== '' && conditions.includes(on))
    if (known.length > 0 && chance(40)) return `...${pick(known)[0]}${directives()}`
    const on = pick(conditions)
    if (chance(60))
      return `...${on === parent && chance(50) ? '' : ` on ${on.name}`}${directives()} ${select(on, depth)}`
    const name = `F${fragments.size}`
    // Without a text it is not spread within itself.
    fragments.set(name, { on, text: '' })
    fragments.set(name, { on, text: select(on, depth) })
    return `...${name}${directives()}`
  }

  function select(parent: GraphQLCompositeType, depth: number): string {
    const parts: string[] = []
    const most = 1 + draw(depth === 0 ? 3 : 4)
    while (parts.length < most && (parts.length === 0 || budget > 0))
      parts.push(
        chance(isAbstractType(parent) ? 45 : 12) && depth < 11 && budget > 0
          ? selectFragment(parent, depth)
          : selectField(parent, budget > 0 ? depth : 11),
      )
    return `{ ${parts.join(' ')} }`
  }

  const body = select(schema.getQueryType()!, 0)
  const definitions = [...variables.values()].map(({ definition }) => definition).join(', ')
  const operation = `query Asked${definitions && `(${definitions})`} ${body}`
  const others = chance(15) ? ['query Other { asOf }', 'mutation Changing { __typename }'] : []
  const named = [...fragments].map(([name, { on, text }]) => `fragment ${name} on ${on.name} ${text}`)
  const valuesOf = (time: 0 | 1) =>
    Object.fromEntries(
      [...variables].flatMap(([name, { values }]) => (values[time] === undefined ? [] : [[name, values[time]]])),
    )
  return {
    source: [...others, operation, ...named].join('\n'),
    operationName: 'Asked',
    variables: [valuesOf(0), valuesOf(1)],
  }
}
