import type { Context } from '../graphql/context.ts'
import type { MembershipDecisionInput, Resolvers } from '../graphql/generated.ts'
import { payload } from '../graphql/payload.ts'
import { memberTypes, readId } from '../ids.ts'
import { demandHistory } from '../members/policy.ts'
import type { Decision } from './policy.ts'
import { decideMembership } from './service.ts'

/** The resolver of the mutation that makes this decision. */
function deciding(decision: Decision) {
  return (_: unknown, { id, input }: { id: string; input: MembershipDecisionInput }, { request }: Context) =>
    payload('member', () => decideMembership(request, readId(id, ...memberTypes), decision, input))
}

export const membershipResolvers: Resolvers = {
  Membership: {
    transitions: (member, _, { request, loaders }) => {
      demandHistory(request.actor, member.id)
      return loaders.memberTransitions.load(member.id)
    },
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
