import { demand } from '../access/actor.ts'
import { InvalidInput, PublicError, text } from '../errors.ts'
import { type IdType, parseId } from '../ids.ts'
import { writeCursor } from '../journal/cursor.ts'
import { ofType } from '../members/member-id.ts'
import type { Context } from './context.ts'
import type { Resolvers } from './generated.ts'

const mostNodes = 100

const loadMember = async ({ loaders }: Context, uuid: string, type: IdType) =>
  ofType(await loaders.memberById.load(uuid), type)

/** How to load a thing of each type; every loader answers null for what the actor may not see. */
const load: Record<IdType, (context: Context, uuid: string, type: IdType) => Promise<object | null>> = {
  Region: ({ loaders }, uuid) => loaders.regionById.load(uuid),
  City: loadMember,
  Association: loadMember,
  Company: loadMember,
  Announcement: ({ loaders }, uuid) => loaders.announcementById.load(uuid),
  Token: ({ loaders, request }, uuid) => {
    demand(request.actor, 'ACCESS_MANAGE')
    return loaders.tokenById.load(uuid)
  },
  Portal: ({ loaders, request }, uuid) => {
    demand(request.actor, 'ACCESS_MANAGE')
    return loaders.portalById.load(uuid)
  },
}

/** A thing with the name of its SDL type, by which `node` tells them apart. */
interface Named {
  readonly __typename: IdType
}

async function loadNode(context: Context, id: string): Promise<(object & Named) | null> {
  const parsed = parseId(id)
  if (!parsed)
    throw new InvalidInput(
      text(
        `"${id.slice(0, 60)}" is no id. Use an id as a query gave it.`,
        `“${id.slice(0, 60)}”不是有效的 id。请使用查询所返回的 id。`,
      ),
    )
  try {
    const row = await load[parsed.type](context, parsed.uuid, parsed.type)
    return row && { ...row, __typename: parsed.type }
  } catch (error) {
    // What the caller may not see does not exist for it.
    if (error instanceof PublicError && (error.code === 'FORBIDDEN' || error.code === 'UNAUTHENTICATED')) return null
    throw error
  }
}

export const nodeResolvers: Resolvers = {
  Node: {
    __resolveType: node => (node as unknown as Named).__typename,
  },
  Query: {
    node: (_, { id }, context) => loadNode(context, id) as never,
    nodes: (_, { ids }, context) => {
      if (ids.length > mostNodes)
        throw new InvalidInput(
          text(
            `${ids.length} ids are too many; ask for at most ${mostNodes} at once.`,
            `一次最多查询 ${mostNodes} 个 id，此处有 ${ids.length} 个。`,
          ),
        )
      // Not awaited here: each that fails is the error of its own place in the list.
      return ids.map(id => loadNode(context, id)) as never
    },
    asOf: (_, __, { feed }) => writeCursor(feed.position()),
  },
}
