import { isDeepStrictEqual } from 'node:util'
import type { Db } from '../database/client.ts'
import { writeId } from '../ids.ts'
import { memberType } from './policy.ts'
import { type Profile, profileColumns } from './profile.ts'
import { type FieldChange, findKinds, type MemberRow } from './store.ts'

/** Columns whose field of the SDL's `Profile` has another name. */
const fieldNames: Partial<Record<keyof Profile, string>> = { parentId: 'parent', leadId: 'lead' }

/** What differs between two profiles; parent and lead as the ids that the API shows. */
export async function compareProfiles(db: Db, before: Profile, after: Profile): Promise<FieldChange[]> {
  const changed = profileColumns.filter(
    column => before[column] !== after[column] && !isDeepStrictEqual(before[column], after[column]),
  )
  const bodies = changed.filter(column => column === 'parentId' || column === 'leadId')
  const uuids = bodies.flatMap(column => [before[column], after[column]]).filter(uuid => uuid !== null)
  const kinds = uuids.length > 0 ? await findKinds(db, uuids) : new Map<string, MemberRow['kind']>()
  const shown = (profile: Profile, column: keyof Profile): unknown => {
    if (column !== 'parentId' && column !== 'leadId') return profile[column]
    const uuid = profile[column]
    return uuid && writeId(memberType({ kind: kinds.get(uuid)! }), uuid)
  }
  return changed.map(column => ({
    field: fieldNames[column] ?? column,
    before: shown(before, column),
    after: shown(after, column),
  }))
}
