import type { Context } from '../graphql/context.ts'
import type { MembershipDecisionInput, Resolvers } from '../graphql/generated.ts'
import { payload } from '../graphql/payload.ts'
import { readMemberId } from '../members/member-id.ts'
import { mayReadHistory } from '../members/policy.ts'
import type { Decision } from './policy.ts'
import { decideMembership } from './service.ts'

/** The resolver of the mutation that makes this decision. */
function deciding(decision: Decision) {
  return (_: unknown, { id, input }: { id: string; input: MembershipDecisionInput }, { request }: Context) =>
    payload('member', async () => decideMembership(request, await readMemberId(request.db, id), decision, input))
}

export const membershipResolvers: Resolvers = {
  Membership: {
    transitions: (member, _, { request, loaders }) =>
      mayReadHistory(request.actor, member.id) ? loaders.memberTransitions.load(member.id) : null,
  },
  MembershipTransition: {
    from: transition => transition.fromStatus,
    to: transition => transition.toStatus,
  },
  Mutation: {
    admitMember: deciding('ADMIT'),
    suspendMember: deciding('SUSPEND'),
    reinstateMember: deciding('REINSTATE'),
    withdrawMember: deciding('WITHDRAW'),
    expelMember: deciding('EXPEL'),
  },
}
