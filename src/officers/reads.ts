import { type SqlBool, sql } from 'kysely'
import type { PageOrder } from '../database/page.ts'
import { listing, oneBy, source } from '../reads/source.ts'
import { type InvitationRow, type InvitationState, isInState, names } from './invitation-store.ts'
import { type OfficerRow, ofScope } from './store.ts'

/** Those who act for members: for an officer those of the own member, for the staff all. */
const officers = source<OfficerRow>('officers', {
  visible: (db, actor) =>
    db
      .selectFrom('officers')
      .innerJoin('accounts', 'accounts.id', 'officers.accountId')
      .where(ofScope(actor, 'officers.member_id')),
  columns: { name: sql.ref('accounts.name'), email: sql.ref('accounts.email') },
  // With a token an officer gets its role, or is made; its event is about the token.
  news: { subject: null, types: ['officer.changed', 'token.issued'] },
})

export const officerById = oneBy(officers, 'id')

/** A member by its UUID. An id of another kind than the member's is the id of nothing. */
type MemberNamed = { readonly id: string; readonly kind?: string } | null

/** Which officers to list; null is no condition. */
export interface OfficerFilter {
  readonly member: MemberNamed
  /** Those that are true. */
  readonly roles: { readonly [Role in OfficerRow['role']]?: boolean } | null
}

const isOf = (member: NonNullable<MemberNamed>, column: string) =>
  sql<SqlBool>`${sql.ref(column)} = ${member.id} and exists (
    select from members where members.id = ${sql.ref(column)} and members.kind = ${member.kind})`

/** Officers, of which each role is a stretch of an index. */
export const officerList = listing(officers, (db, actor, { member, roles }: OfficerFilter) => {
  const all = officers.visible(db, actor)
  const query = member ? all.where(isOf(member, 'officers.member_id')) : all
  if (!roles) return query
  const named = Object.keys(roles)
  return named.length > 0
    ? named.map(role => query.where('officers.role', '=', sql.lit(role)))
    : query.where(sql<SqlBool>`false`)
})

export const firstOfficers: PageOrder = {
  name: 'officers',
  direction: 'asc',
  keys: [
    { expression: sql.ref('officers.created_at'), type: 'timestamptz' },
    { expression: sql.ref('officers.id'), type: 'uuid' },
  ],
}

/** Invitations, by the same rule. */
const invitations = source<InvitationRow>('invitations', {
  visible: (db, actor) => db.selectFrom('invitations').where(ofScope(actor, 'invitations.member_id')),
  columns: names,
  news: { subject: 'id', types: ['invitation.changed'] },
})

export const invitationById = oneBy(invitations, 'id')

/** Which invitations to list; null is no condition. */
export interface InvitationFilter {
  readonly member: MemberNamed
  /** Those that are true. */
  readonly states: { readonly [State in InvitationState]?: boolean } | null
  readonly now: Date
}

export const invitationList = listing(invitations, (db, actor, { member, states, now }: InvitationFilter) => {
  const all = invitations.visible(db, actor)
  const query = member ? all.where(isOf(member, 'invitations.member_id')) : all
  if (!states) return query
  const named = Object.keys(states) as InvitationState[]
  return named.length > 0 ? named.map(state => query.where(isInState(state, now))) : query.where(sql<SqlBool>`false`)
})

export const latestInvitations: PageOrder = {
  name: 'invitations',
  direction: 'desc',
  keys: [{ expression: sql.ref('invitations.id'), type: 'uuid' }],
}
