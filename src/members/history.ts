import { sql } from 'kysely'
import { type Actor, actorReference } from '../access/actor.ts'
import { actorName } from '../access/store.ts'
import type { Db, Tx } from '../database/client.ts'
import { json } from '../database/json.ts'
import { type Page, type PageArgs, type PageOrder, readPage } from '../database/page.ts'
import type { FieldChange, ProfileRevisionRow } from './store.ts'

const latestFirst: PageOrder = {
  name: 'revisions',
  direction: 'desc',
  keys: [{ expression: sql.ref('memberRevisions.version'), type: 'int' }],
}

/** Keeps who made this version of a member, when, what of it changed, and why. */
export async function insertRevision(
  tx: Tx,
  revision: {
    memberId: string
    version: number
    at: Date
    actor: Actor
    reason: string | null
    changes: readonly FieldChange[]
  },
): Promise<void> {
  const { actor, changes, ...rest } = revision
  await tx
    .insertInto('memberRevisions')
    .values({
      ...rest,
      actor: actorReference(actor),
      onBehalfOf: actor.kind === 'OFFICER' ? actor.memberId : null,
      changes: json(changes) as never,
    })
    .execute()
}

/** A page of the edits of one member, the latest first. @throws InvalidInput as every page */
export function pageRevisions(db: Db, memberId: string, args: PageArgs): Promise<Page<ProfileRevisionRow>> {
  const query = db
    .selectFrom('memberRevisions')
    .selectAll('memberRevisions')
    .select(actorName(sql.ref<string>('memberRevisions.actor')).as('by'))
    .where('memberId', '=', memberId)
    .$castTo<ProfileRevisionRow>()
  return readPage(query, latestFirst, args)
}
