import { BREAK, type DocumentNode, type GraphQLSchema, getNamedType, TypeInfo, visit, visitWithTypeInfo } from 'graphql'
import type { Actor } from '../access/actor.ts'

/**
 * The types of the SDL with values that depend on the caller's account or token, and not only on its member and its
 * permissions. Documents that select one are executed for each token; all others once for all officers of a member.
 */
export const personalTypes: ReadonlySet<string> = new Set(['AnnouncementReceipt', 'Viewer'])

/** What of an actor personal types alone may look at. */
const personalFields = ['tokenId', 'accountId', 'portalId', 'name', 'role', 'expiresAt']

/** Whether a document selects anything of a personal type. */
export function selectsPersonal(schema: GraphQLSchema, document: DocumentNode): boolean {
  const types = new TypeInfo(schema)
  let found = false
  visit(
    document,
    visitWithTypeInfo(types, {
      enter: () => {
        const names = [getNamedType(types.getType())?.name, types.getParentType()?.name]
        found ||= names.some(name => name !== undefined && personalTypes.has(name))
        return found ? BREAK : undefined
      },
    }),
  )
  return found
}

/** Something that many are to share looked at who one caller is. */
export class LooksAtCaller extends Error {}

const shared = new WeakMap<Actor, Actor>()

/**
 * The actor as it stands for all who share a result: reading what differs between them is an error, so that a field
 * whose type should be in `personalTypes` fails rather than telling one caller of another.
 */
export function impersonal(actor: Actor): Actor {
  const known = shared.get(actor)
  if (known) return known
  const without: Actor = { ...actor }
  for (const field of personalFields.filter(name => name in actor))
    Object.defineProperty(without, field, {
      get: () => {
        throw new LooksAtCaller(
          `A live result depends on the caller's ${field}: name the field's type in personalTypes.`,
        )
      },
    })
  shared.set(actor, without)
  return without
}
