import { sql } from 'kysely'
import { type Actor, actorReference } from '../access/actor.ts'
import { actorName } from '../access/store.ts'
import type { Db, Tx } from '../database/client.ts'
import { json } from '../database/json.ts'
import { type Page, type PageArgs, type PageOrder, pageAlike, readPages } from '../database/page.ts'
import type { FieldChange, ProfileRevisionRow } from './store.ts'

const latestFirst: PageOrder = {
  name: 'revisions',
  direction: 'desc',
  keys: [{ expression: sql.ref('memberRevisions.version'), type: 'int' }],
}

/** Keeps who made versions of members, when, what of them changed, and why. */
export async function insertRevisions(
  tx: Tx,
  revisions: readonly {
    memberId: string
    version: number
    at: Date
    actor: Actor
    reason: string | null
    changes: readonly FieldChange[]
  }[],
): Promise<void> {
  if (revisions.length === 0) return
  await tx
    .insertInto('memberRevisions')
    .values(
      revisions.map(({ actor, changes, ...rest }) => ({
        ...rest,
        actor: actorReference(actor),
        onBehalfOf: actor.kind === 'OFFICER' ? actor.memberId : null,
        changes: json(changes) as never,
      })),
    )
    .execute()
}

/** The list of the edits of one member, among many that are read together. */
export interface ProfileRevisionList {
  readonly memberId: string
  readonly args: PageArgs
}

/**
 * A page of the edits of each of many members, the latest first: one statement for all that ask for the same page.
 * @returns the pages in the order of the lists, or the error of a page as `readPages` throws it
 */
export function pageProfileRevisions(
  db: Db,
  lists: readonly ProfileRevisionList[],
): Promise<(Page<ProfileRevisionRow> | Error)[]> {
  return pageAlike(
    lists,
    ({ args }) => JSON.stringify(args),
    group => {
      const queries = group.map(({ memberId }) =>
        db
          .selectFrom('memberRevisions')
          .selectAll('memberRevisions')
          .select(actorName(sql.ref<string>('memberRevisions.actor')).as('by'))
          .where('memberId', '=', memberId)
          .$castTo<ProfileRevisionRow>(),
      )
      return readPages(db, queries, latestFirst, group[0]!.args)
    },
  )
}
