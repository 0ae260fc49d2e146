import { type Actor, actorReference } from '../access/actor.ts'
import type { Tx } from '../database/client.ts'
import { json } from '../database/json.ts'
import type { FieldChange } from './store.ts'

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
