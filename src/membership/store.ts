import { type Insertable, type Selectable, sql } from 'kysely'
import type { Tx } from '../database/client.ts'
import type { MembershipTransitions } from '../database/tables.ts'

/** One change of status, with the name of the one who decided. */
export type TransitionRow = Selectable<MembershipTransitions> & { by: string }

/** Keeps a change of status. */
export async function insertTransition(tx: Tx, transition: Insertable<MembershipTransitions>): Promise<void> {
  await tx.insertInto('membershipTransitions').values(transition).execute()
}

/** The next number in the order of joining. Others who ask wait until this transaction ends, so that none is left out. */
export async function takeJoiningNumber(tx: Tx): Promise<number> {
  await sql`select pg_advisory_xact_lock(hashtext('members joining number'))`.execute(tx)
  const { next } = await tx
    .selectFrom('members')
    .select(sql<number>`coalesce(max(joining_number), 0) + 1`.as('next'))
    .executeTakeFirstOrThrow()
  return next
}

/** The tokens by which anybody acts for a member that were not revoked: of its officers, and of the portals that it runs. */
export async function findTokensActingFor(tx: Tx, memberId: string): Promise<string[]> {
  const portals = tx.selectFrom('portals').select('portals.id').where('portals.memberId', '=', memberId)
  const tokens = await tx
    .selectFrom('tokens')
    .select('id')
    .where(eb => eb.or([eb('memberId', '=', memberId), eb('portalId', 'in', portals)]))
    .where('revokedAt', 'is', null)
    .execute()
  return tokens.map(({ id }) => id)
}
