import {
  defaultFieldResolver,
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLInterfaceType,
  type GraphQLObjectType,
  type GraphQLSchema,
  isInterfaceType,
  isObjectType,
} from 'graphql'
import { demand } from '../access/actor.ts'
import { type Permission, permissions } from '../access/permissions.ts'
import type { Context } from './context.ts'

interface Directed {
  readonly directives?: readonly {
    readonly name: { readonly value: string }
    readonly arguments?: readonly { readonly value: { readonly kind: string; readonly value?: unknown } }[]
  }[]
}

/** What `@public` or `@requires` on this element says; undefined when it says nothing. */
function stated(node: Directed | null | undefined): Permission | 'PUBLIC' | undefined {
  for (const directive of node?.directives ?? []) {
    if (directive.name.value === 'public') return 'PUBLIC'
    if (directive.name.value === 'requires') return directive.arguments?.[0]?.value.value as Permission
  }
  return undefined
}

/**
 * What a field needs: its own statement, else its type's.
 * Root fields speak for themselves. @throws Error when nothing is stated, so that the service does not start
 */
export function fieldPermission(
  type: GraphQLObjectType | GraphQLInterfaceType,
  field: GraphQLField<unknown, Context>,
): Permission | 'PUBLIC' {
  const isRoot = ['Query', 'Mutation', 'Subscription'].includes(type.name)
  const permission = stated(field.astNode) ?? (isRoot ? undefined : stated(type.astNode))
  if (permission === undefined)
    throw new Error(`${type.name}.${field.name} states no permission: write @public or @requires in the SDL.`)
  if (permission !== 'PUBLIC' && !permissions.includes(permission))
    throw new Error(`${type.name}.${field.name} requires ${permission}, which access/permissions.ts does not know.`)
  return permission
}

/** As graphql-js's own, but a row without the field is a fault of ours and not null. */
const strictFieldResolver: GraphQLFieldResolver<unknown, Context> = (source, args, context, info) => {
  const value = defaultFieldResolver(source, args, context, info)
  if (value === undefined)
    throw new Error(`${info.parentType.name}.${info.fieldName} has neither a resolver nor a value behind it.`)
  return value
}

/** @throws Error when a field of an object needs another permission than the same field of an interface of it */
function demandAgreement(type: GraphQLObjectType, field: GraphQLField<unknown, Context>): void {
  const own = fieldPermission(type, field)
  for (const parent of type.getInterfaces()) {
    const inherited = parent.getFields()[field.name]
    const needed = inherited && fieldPermission(parent, inherited)
    // `Node.id` is public of whatever type: who may not see a thing gets no thing to ask.
    if (needed !== undefined && needed !== own && parent.name !== 'Node')
      throw new Error(
        `${type.name}.${field.name} needs ${own} and ${parent.name}.${field.name} ${needed}: state the same in the SDL.`,
      )
  }
}

/**
 * Puts the permission stated in the SDL before every resolver of the schema, and a strict resolver where there is none.
 * Every field of Mutation begins with loaders that have read nothing.
 * @throws Error when a field states none, or another than the interface that it is of
 */
export function enforcePermissions(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (type.name.startsWith('__') || !(isObjectType(type) || isInterfaceType(type))) continue
    for (const field of Object.values(type.getFields())) {
      const permission = fieldPermission(type, field)
      if (isInterfaceType(type)) continue
      demandAgreement(type, field)
      const changes = type === schema.getMutationType()
      // For the planner, which can't see behind what is put before the resolvers here.
      const isCode = field.resolve !== undefined && field.extensions.read === undefined
      field.extensions = { ...field.extensions, permission, isCode }
      const resolve = field.resolve ?? strictFieldResolver
      field.resolve = resolve
      if (permission === 'PUBLIC' && !changes) continue
      field.resolve = (source, args, context: Context, info) => {
        if (permission !== 'PUBLIC') demand(context.request.actor, permission)
        if (changes) context.renewLoaders()
        return resolve(source, args, context, info)
      }
      const { subscribe } = field
      if (subscribe && permission !== 'PUBLIC')
        field.subscribe = (source, args, context: Context, info) => {
          demand(context.request.actor, permission)
          return subscribe(source, args, context, info)
        }
    }
  }
  return schema
}
