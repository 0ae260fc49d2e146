import { demand } from '../access/actor.ts'
import { portalById, tokenById } from '../access/reads.ts'
import { announcementById } from '../announcements/reads.ts'
import { InvalidInput, PublicError, text } from '../errors.ts'
import { type IdType, parseId } from '../ids.ts'
import { signatureById, versionById } from '../initiative/reads.ts'
import { writeCursor } from '../journal/cursor.ts'
import { mailById } from '../mail/reads.ts'
import { ofType } from '../members/member-id.ts'
import { memberById } from '../members/reads.ts'
import { invitationById, officerById } from '../officers/reads.ts'
import { officeTermById } from '../offices/reads.ts'
import { regionById } from '../regions/reads.ts'
import { type Context, holdsUntil } from './context.ts'
import { fieldsOf } from './fields.ts'
import type { Resolvers } from './generated.ts'

const { from } = fieldsOf<object>()

const mostNodes = 100

const loadMember = async ({ loaders }: Context, uuid: string, type: IdType) =>
  ofType(await loaders.one(memberById, uuid), type)

/** How to load a thing of each type; every loader answers null for what the actor may not see. */
const load: Record<IdType, (context: Context, uuid: string, type: IdType) => Promise<object | null>> = {
  Region: ({ loaders }, uuid) => loaders.one(regionById, uuid),
  City: loadMember,
  Association: loadMember,
  Company: loadMember,
  Announcement: ({ loaders }, uuid) => loaders.one(announcementById, uuid),
  OfficeTerm: ({ loaders }, uuid) => loaders.one(officeTermById, uuid),
  Token: ({ loaders, request }, uuid) => {
    demand(request.actor, 'ACCESS_MANAGE')
    return loaders.one(tokenById, uuid)
  },
  Portal: ({ loaders, request }, uuid) => {
    demand(request.actor, 'ACCESS_MANAGE')
    return loaders.one(portalById, uuid)
  },
  Mail: ({ loaders, request }, uuid) => {
    demand(request.actor, 'ACCESS_MANAGE')
    return loaders.one(mailById, uuid)
  },
  Officer: ({ loaders, request }, uuid) => {
    demand(request.actor, 'OFFICERS_READ')
    return loaders.one(officerById, uuid)
  },
  Invitation: ({ loaders, request }, uuid) => {
    demand(request.actor, 'OFFICERS_MANAGE')
    return loaders.one(invitationById, uuid)
  },
  InitiativeVersion: ({ loaders }, uuid) => loaders.one(versionById, uuid),
  Signature: ({ loaders }, uuid) => loaders.one(signatureById, uuid),
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
    asOf: from([], (_, __, context) => {
      holdsUntil(context, null)
      return writeCursor(context.feed.position())
    }),
  },
}
