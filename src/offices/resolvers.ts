import { nextShanghaiDay, shanghaiDay } from '../days.ts'
import { type Context, holdsUntil } from '../graphql/context.ts'
import { fieldsOf, made, pageOf } from '../graphql/fields.ts'
import type { QueryAllianceArgs, QueryOfficeTermsArgs, Resolvers } from '../graphql/generated.ts'
import { payload } from '../graphql/payload.ts'
import { readId, writeId } from '../ids.ts'
import { readMemberId, readMemberKey } from '../members/member-id.ts'
import { mayReadHistory } from '../members/policy.ts'
import { memberById } from '../members/reads.ts'
import type { MemberRow } from '../members/store.ts'
import {
  askOfficeHolders,
  askOfficeTerms,
  askOfficeTermsOf,
  officeHolders,
  officeTermList,
  officeTermsOf,
} from './list.ts'
import { isWithin } from './policy.ts'
import { officeTermChangesOf } from './reads.ts'
import { correctOfficeTerm, endOffice, grantOffice } from './service.ts'
import type { AllianceDay, Office, OfficeTermChangeRow, OfficeTermRow } from './store.ts'

const { from, one, many } = fieldsOf<OfficeTermRow>()
const change = fieldsOf<OfficeTermChangeRow>()
const member = {
  officeTerms: fieldsOf<MemberRow>().page(officeTermsOf, [['id'], row => [row.id]], () => askOfficeTermsOf),
}

/** Today in Shanghai: what is answered by it holds until midnight there. */
function today(context: Context): string {
  const { now } = context.request
  holdsUntil(context, nextShanghaiDay(now))
  return shanghaiDay(now)
}

/** Those who hold an office on a day. */
function holding(office: Office) {
  return fieldsOf<AllianceDay>().page(officeHolders, [['at'], ({ at }) => [at]], () => askOfficeHolders(office))
}

const readOfficeTermId = (id: string) => readId(id, 'OfficeTerm')

export const officeResolvers: Resolvers = {
  Query: {
    alliance: made(({ at }: Partial<QueryAllianceArgs>, context): AllianceDay => ({ at: at ?? today(context) })),
    officeTerms: pageOf(officeTermList, ({ filter, orderBy }: Partial<QueryOfficeTermsArgs>) =>
      askOfficeTerms({ ...filter, member: filter?.member == null ? null : readMemberKey(filter.member) }, orderBy),
    ),
  },
  City: member,
  Association: member,
  Company: member,
  Alliance: {
    rotatingChairs: holding('ROTATING_CHAIR'),
    permanentChairs: holding('PERMANENT_CHAIR'),
    council: holding('COUNCIL'),
    secretariatHosts: holding('SECRETARIAT_HOST'),
  },
  OfficeTerm: {
    id: from(['id'], term => writeId('OfficeTerm', term.id)),
    member: one(memberById, 'memberId'),
    from: from(['fromDay'], term => term.fromDay),
    until: from(['untilDay'], term => term.untilDay),
    isResting: from(
      ['memberStatus', 'fromDay', 'untilDay'],
      // Where no right rests no day decides, and the answer may be kept beyond midnight.
      (term, _, context) => term.memberStatus === 'SUSPENDED' && isWithin(today(context), term),
    ),
    changes: many(officeTermChangesOf, 'id', [
      ['memberId'],
      (term, { request }) => mayReadHistory(request.actor, term.memberId),
    ]),
  },
  OfficeTermChange: {
    from: change.from(['fromDay'], ({ fromDay }) => fromDay),
    until: change.from(['untilDay'], ({ untilDay }) => untilDay),
  },
  Mutation: {
    grantOffice: (_, { input, idempotencyKey }, { request }) =>
      payload('term', async () => {
        const uuid = await readMemberId(request.db, input.member, ['input', 'member'])
        return grantOffice(request, { ...input, member: uuid }, idempotencyKey)
      }),
    endOffice: (_, { id, input }, { request }) =>
      payload('term', async () => endOffice(request, readOfficeTermId(id), input)),
    correctOfficeTerm: (_, { id, input }, { request }) =>
      payload('term', async () => correctOfficeTerm(request, readOfficeTermId(id), input)),
  },
}
