import type { Context } from '../graphql/context.ts'
import { fieldsOf, pageOf } from '../graphql/fields.ts'
import type { QueryTokensArgs, Resolvers } from '../graphql/generated.ts'
import { payload } from '../graphql/payload.ts'
import { readId, writeId } from '../ids.ts'
import { readMemberId, readMemberKey } from '../members/member-id.ts'
import { memberById } from '../members/reads.ts'
import { latestPortals, latestTokens, portalById, portalList, tokenById, tokenList } from './reads.ts'
import type { Request } from './request.ts'
import { signIn, signOut } from './sign-in.ts'
import { findPortalKeys, type PortalRow, type TokenRow } from './store.ts'
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

/** The UUIDs of the live keys of each of these portals. */
async function findKeys({ db, now }: Request, portals: readonly PortalRow[]): Promise<string[][]> {
  const ids = portals.map(({ id }) => id)
  const found = Map.groupBy(await findPortalKeys(db, ids, now), key => key.portalId)
  return ids.map(id => (found.get(id) ?? []).map(key => key.id))
}

export const accessResolvers: Resolvers = {
  Query: {
    viewer: (_, __, { request }) => request.actor,
    tokens: pageOf(tokenList, ({ filter }: Partial<QueryTokensArgs>, { request }) => ({
      order: latestTokens,
      input: {
        kinds: filter?.kinds ? Object.fromEntries(filter.kinds.map(kind => [kind, true])) : null,
        member: filter?.member == null ? null : readMemberKey(filter.member),
        portalId: filter?.portal == null ? null : readId(filter.portal, 'Portal'),
        live: filter?.live === true,
        ended: filter?.live === false,
        now: request.now,
      },
    })),
    portals: pageOf(portalList, () => ({ order: latestPortals, input: {} })),
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
    keys: async (row, _, { loaders }) => {
      const ids = await loaders.batch(findKeys, row)
      return Promise.all(ids.map(async id => (await loaders.one(tokenById, id))!))
    },
  },
  Mutation: {
    signIn: async (_, { input: { idToken, member, staff } }, { request, entry, loaders }) => {
      const outcome = await payload('signedIn', () => {
        const named = member == null ? null : readMemberKey(member)
        return signIn(request, entry, { idToken, member: named, isStaff: staff ?? false })
      })
      const { secret = null, expiresAt = null, choices = [] } = outcome.signedIn ?? {}
      const members = await Promise.all(choices.map(id => loaders.one(memberById, id)))
      return { secret, expiresAt, members: members.filter(one => one !== null), userErrors: outcome.userErrors }
    },
    signOut: (_, __, { request }) => payload('done', () => signOut(request)),
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
