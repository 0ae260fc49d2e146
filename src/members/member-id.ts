import type { Db } from '../database/client.ts'
import { refuse } from '../errors.ts'
import { type IdType, memberTypes, parseId, readId } from '../ids.ts'
import { memberType } from './policy.ts'
import { findKinds, type MemberRow } from './store.ts'

/** The member that was found, if its id has this type; null when an id of another kind led to it: that is the id of nothing. */
export function ofType<Row extends Pick<MemberRow, 'kind'>>(member: Row | null, type: IdType): Row | null {
  return member && memberType(member) === type ? member : null
}

/** A member as it is named: by its UUID, and by its kind where the one who names it knows it. A row is such a key. */
export interface MemberKey {
  readonly id: string
  readonly kind?: MemberRow['kind']
}

/**
 * The member that an id names. Whether there is such a member, and of that kind, is for the service to tell.
 * @throws InvalidInput for no id or the id of something else
 */
export function readMemberKey(id: string): MemberKey {
  const uuid = readId(id, ...memberTypes)
  return { id: uuid, kind: parseId(id)!.type.toUpperCase() as MemberRow['kind'] }
}

/**
 * The UUID in the id of a member. Whether there is such a member is for the service to tell; an id with the prefix of
 * another kind than the member's is the id of nothing.
 * @param field where the input has the id
 * @throws InvalidInput for no id or the id of something else; for a wrong prefix InputRefused with NOT_FOUND
 */
export async function readMemberId(db: Db, id: string, field: readonly string[]): Promise<string> {
  const uuid = readId(id, ...memberTypes)
  const kind = (await findKinds(db, [uuid])).get(uuid)
  if (kind === undefined || memberType({ kind }) === parseId(id)?.type) return uuid
  refuse('NOT_FOUND', field, 'There is no such member.', '没有这个成员。')
}

/**
 * The UUIDs in the ids of members, in one look-up. Whether there are such members is for the service to tell.
 * @throws InvalidInput for no id, the id of something else, or a prefix of another kind than the member's
 */
export async function readMemberIds(db: Db, ids: readonly string[]): Promise<string[]> {
  const uuids = ids.map(id => readId(id, ...memberTypes))
  const kinds = uuids.length > 0 ? await findKinds(db, uuids) : new Map<string, MemberRow['kind']>()
  for (const [i, uuid] of uuids.entries()) {
    const kind = kinds.get(uuid)
    if (kind !== undefined) readId(ids[i]!, memberType({ kind }))
  }
  return uuids
}
