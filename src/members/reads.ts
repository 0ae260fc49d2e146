import { type SqlBool, sql } from 'kysely'
import type { Actor } from '../access/actor.ts'
import { actorName } from '../access/store.ts'
import type { Db } from '../database/client.ts'
import type { PageOrder } from '../database/page.ts'
import { findRelated } from '../reads/related.ts'
import { listing, manyBy, oneBy, source } from '../reads/source.ts'
import { type ContactRow, type MemberRow, type ProfileRevisionRow, type ReferenceRow, visibleMembers } from './store.ts'

/** What of a profile and a registration lists filter and order by. */
const listedBy = new Set(['names', 'fields', 'capabilities', 'region', 'associationKind', 'externalReferences'])

/** The members that the actor may see: those that left are for the secretariat. */
export const members = source<MemberRow>('members', {
  visible: (db, actor) => db.selectFrom('members').where(visibleMembers(actor)),
  news: {
    subject: 'id',
    types: ['member.registered', 'member.profile', 'member.contacts', 'member.membership'],
    moves: event => {
      if (event.type === 'member.contacts') return false
      const { fields } = event.detail as { fields?: readonly string[] }
      return fields === undefined || fields.some(field => listedBy.has(field))
    },
  },
})

export const memberById = oneBy(members, 'id')

/** One member that the actor may see. */
export async function findMember(db: Db, actor: Actor, id: string): Promise<MemberRow | undefined> {
  const [row] = await findRelated(db, actor, memberById, [id])
  return row
}

/** The contacts of a member, in the order that it gave. Who may read them is the member's policy. */
const contacts = source<ContactRow>('memberContacts', { news: { subject: 'memberId', types: ['member.contacts'] } })

export const contactsOf = manyBy(contacts, 'memberId', { order: ['memberId', 'position'] })

/** The keys of a member in other systems. */
const references = source<ReferenceRow>('memberReferences', {
  news: { subject: 'memberId', types: ['member.registered', 'member.profile'] },
})

export const referencesOf = manyBy(references, 'memberId', { order: ['system', 'value'] })

const revisions = source<ProfileRevisionRow>('memberRevisions', {
  columns: { by: actorName(sql.ref<string>('memberRevisions.actor')) },
  news: { subject: 'memberId', types: ['member.registered', 'member.profile', 'member.contacts'] },
})

/** The edits of a member's profile. Who may read them is the member's policy. */
export const revisionsOf = listing(
  revisions,
  (db, _actor, _input: object, [member]) =>
    db.selectFrom('memberRevisions').where(sql<SqlBool>`member_revisions.member_id = ${member}`),
  { of: ['uuid'], isOfSubject: true },
)

export const latestRevisionFirst: PageOrder = {
  name: 'revisions',
  direction: 'desc',
  keys: [{ expression: sql.ref('memberRevisions.version'), type: 'int' }],
}
