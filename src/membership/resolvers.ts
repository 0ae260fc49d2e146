import type { Context } from '../graphql/context.ts'
import { fieldsOf } from '../graphql/fields.ts'
import type { MembershipDecisionInput, Resolvers } from '../graphql/generated.ts'
import { payload } from '../graphql/payload.ts'
import { readMemberKey } from '../members/member-id.ts'
import { mayReadHistory } from '../members/policy.ts'
import type { MemberRow } from '../members/store.ts'
import type { Decision } from './policy.ts'
import { transitionsOf } from './reads.ts'
import { decideMembership } from './service.ts'
import type { TransitionRow } from './store.ts'

const { many } = fieldsOf<MemberRow>()
const { from } = fieldsOf<TransitionRow>()

/** The resolver of the mutation that makes this decision. */
function deciding(decision: Decision) {
  return (_: unknown, { id, input }: { id: string; input: MembershipDecisionInput }, { request }: Context) =>
    payload('member', async () => decideMembership(request, readMemberKey(id), decision, input))
}

export const membershipResolvers: Resolvers = {
  Membership: {
    transitions: many(transitionsOf, 'id', [['id'], (row, { request }) => mayReadHistory(request.actor, row.id)]),
  },
  MembershipTransition: {
    from: from(['fromStatus'], transition => transition.fromStatus),
    to: from(['toStatus'], transition => transition.toStatus),
  },
  Mutation: {
    admitMember: deciding('ADMIT'),
    suspendMember: deciding('SUSPEND'),
    reinstateMember: deciding('REINSTATE'),
    withdrawMember: deciding('WITHDRAW'),
    expelMember: deciding('EXPEL'),
  },
}
