import type { Actor } from '../../src/access/actor.ts'
import type { Locale } from '../../src/languages.ts'
import type { Alliance, TestMember } from '../support/alliance.ts'

/** A term as the API shows it. */
export interface Term {
  readonly id: string
  readonly version: number
  readonly office: string
  readonly member: { readonly id: string } | null
  readonly from: string
  readonly until: string | null
  readonly isResting: boolean
}

/** What came of a mutation. */
export interface Outcome {
  readonly term: Term | null
  readonly userErrors: readonly { readonly code: string; readonly field: readonly string[]; readonly message: string }[]
}

export const termFields = 'id version office member { id } from until isResting'

const shown = `{ term { ${termFields} } userErrors { code field message } }`

export const documents = {
  grant: `mutation ($input: GrantOfficeInput!, $key: String) { out: grantOffice(input: $input, idempotencyKey: $key) ${shown} }`,
  end: `mutation ($id: ID!, $input: EndOfficeInput!) { out: endOffice(id: $id, input: $input) ${shown} }`,
  correct: `mutation ($id: ID!, $input: CorrectOfficeTermInput!) { out: correctOfficeTerm(id: $id, input: $input) ${shown} }`,
} as const

export type Offices = ReturnType<typeof officesOf>

/** Terms in an alliance, changed by one of its staff. */
export function officesOf(alliance: Alliance, staff: Actor) {
  const send = async (what: keyof typeof documents, variables: Record<string, unknown>, locale: Locale = 'en') =>
    (await alliance.as(staff, locale).ask<{ out: Outcome }>(documents[what], variables)).out
  const grant = (member: TestMember, input: object, locale?: Locale) =>
    send(
      'grant',
      { input: { office: 'COUNCIL', member: member.id, from: '2026-01-01', reason: '理事会决定', ...input } },
      locale,
    )
  return {
    send,
    /** Gives an office, the council from 2026-01-01 on where the input says nothing else. */
    grant,
    /** The same, which must be done. */
    granted: async (member: TestMember, input: object = {}): Promise<Term> => {
      const { term, userErrors } = await grant(member, input)
      if (!term) throw new Error(JSON.stringify(userErrors))
      return term
    },
    end: (term: Term, on: string, more: object = {}) =>
      send('end', { id: term.id, input: { expectedVersion: term.version, on, reason: '辞任', ...more } }),
    correct: (term: Term, input: object) =>
      send('correct', { id: term.id, input: { expectedVersion: term.version, reason: '录入有误', ...input } }),
    /** Decides on the membership of a member as it stands now. */
    decide: async (member: TestMember, decision: string, more: object = {}) => {
      const row = await alliance.db
        .selectFrom('members')
        .select('version')
        .where('id', '=', member.uuid)
        .executeTakeFirstOrThrow()
      const { out } = await alliance
        .as(staff)
        .ask<{ out: Outcome }>(
          `mutation ($id: ID!, $input: MembershipDecisionInput!) { out: ${decision}Member(id: $id, input: $input) { userErrors { code field message } } }`,
          { id: member.id, input: { expectedVersion: row.version, reason: '理事会决定', ...more } },
        )
      if (out.userErrors.length > 0) throw new Error(JSON.stringify(out.userErrors))
    },
    /** A term as an actor sees it by its id; null when it sees none. */
    seen: async (actor: Actor, id: string) =>
      (
        await alliance
          .as(actor)
          .ask<{ node: Term | null }>(`query ($id: ID!) { node(id: $id) { ... on OfficeTerm { ${termFields} } } }`, {
            id,
          })
      ).node,
  }
}
