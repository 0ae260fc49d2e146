import { connection } from '../graphql/connection.ts'
import type { Context } from '../graphql/context.ts'
import { fieldsOf } from '../graphql/fields.ts'
import type { Resolvers } from '../graphql/generated.ts'
import { payload } from '../graphql/payload.ts'
import { readId, writeId } from '../ids.ts'
import { readMemberId } from '../members/member-id.ts'
import { memberById } from '../members/reads.ts'
import { portalById, tokenById } from './reads.ts'
import type { Request } from './request.ts'
import { findPortalKeys, type PortalRow, pagePortals, pageTokens, type TokenRow } from './store.ts'
import {
  type IssuedToken,
  issueOfficerToken,
  issuePortalKey,
  issueSecretariatToken,
  registerPortal,
  revokeToken,
} from './tokens.ts'

/** Shows a token just issued, with its secret for this once. */
async function issued({ loaders }: Context, issue: () => Promise<IssuedToken>) {
  let secret: string | null = null
  const outcome = await payload('token', async () => {
    const token = await issue()
    secret = token.secret
    return (await loaders.one(tokenById, token.tokenId))!
  })
  return { ...outcome, secret }
}

const token = fieldsOf<TokenRow>()
const portal = fieldsOf<PortalRow>()

/** The live keys of each of these portals. */
async function findKeys({ db, now }: Request, portals: readonly PortalRow[]): Promise<TokenRow[][]> {
  const ids = portals.map(({ id }) => id)
  const found = Map.groupBy(await findPortalKeys(db, ids, now), key => key.portalId)
  return ids.map(id => found.get(id) ?? [])
}

export const accessResolvers: Resolvers = {
  Query: {
    viewer: (_, __, { request }) => request.actor,
    tokens: async (_, { filter, ...page }, { request }) => {
      const { member, portal, ...rest } = filter ?? {}
      const memberId = member == null ? null : await readMemberId(request.db, member)
      const portalId = portal == null ? null : readId(portal, 'Portal')
      return connection(await pageTokens(request.db, { ...rest, memberId, portalId }, request.now, page))
    },
    portals: async (_, page, { request }) => connection(await pagePortals(request.db, page)),
  },
  Viewer: {
    kind: actor => (actor.kind === 'ANONYMOUS' || actor.kind === 'PROGRAM' ? null : actor.kind),
    name: actor => (actor.kind === 'ANONYMOUS' ? null : actor.name),
    member: (actor, _, { loaders }) => (actor.kind === 'OFFICER' ? loaders.one(memberById, actor.memberId) : null),
    role: actor => (actor.kind === 'OFFICER' ? actor.role : null),
    permissions: actor => [...actor.permissions],
    expiresAt: actor => ('expiresAt' in actor ? actor.expiresAt : null),
  },
  Token: {
    id: token.from(['id'], row => writeId('Token', row.id)),
    member: token.one(memberById, 'memberId'),
    portal: token.one(portalById, 'portalId'),
  },
  Portal: {
    id: portal.from(['id'], row => writeId('Portal', row.id)),
    member: portal.one(memberById, 'memberId'),
    keys: (row, _, { loaders }) => loaders.batch(findKeys, row),
  },
  Mutation: {
    issueOfficerToken: (_, { input: { member, ...person } }, context) =>
      issued(context, async () => {
        const memberId = await readMemberId(context.request.db, member, ['input', 'member'])
        return issueOfficerToken(context.request, { ...person, memberId })
      }),
    issueSecretariatToken: (_, { input }, context) =>
      issued(context, () => issueSecretariatToken(context.request, input)),
    issuePortalKey: (_, { portal, expiresAt }, context) =>
      issued(context, () => issuePortalKey(context.request, readId(portal, 'Portal'), expiresAt)),
    registerPortal: (_, { input: { member, ...input }, idempotencyKey }, { request, loaders }) =>
      payload('portal', async () => {
        const memberId = member == null ? null : await readMemberId(request.db, member, ['input', 'member'])
        const id = await registerPortal(request, { ...input, memberId }, idempotencyKey)
        return (await loaders.one(portalById, id))!
      }),
    revokeToken: (_, { id, reason }, { request }) =>
      payload('token', () => revokeToken(request, readId(id, 'Token'), reason)),
  },
}
