import { isDeepStrictEqual } from 'node:util'
import { sql } from 'kysely'
import type { Db } from '../database/client.ts'
import { json } from '../database/json.ts'
import { nameKeys } from '../members/profile.ts'

/** One thing that was checked. */
export interface Finding {
  readonly ok: boolean
  readonly text: string
}

const pageSize = 500

/**
 * Compares the stored sort keys and search texts of all members with those that today's dictionaries give: members
 * with others sort and are found wrongly.
 * @param mend whether to write the right ones
 * @returns how many members had others
 */
async function compareKeys(db: Db, mend: boolean): Promise<number> {
  let stale = 0
  for (let after = '00000000-0000-0000-0000-000000000000'; ; ) {
    const rows = await db
      .selectFrom('members')
      .select(['id', 'names', 'pinyinKey', 'strokeKey', 'latinKey', 'search'])
      .where('id', '>', after)
      .orderBy('id')
      .limit(pageSize)
      .execute()
    for (const { id, names, ...stored } of rows) {
      const keys = nameKeys(names)
      if (isDeepStrictEqual(stored, keys)) continue
      stale++
      // Only while the names are the ones read: a change made meanwhile writes its own keys.
      if (mend)
        await db.updateTable('members').set(keys).where('id', '=', id).where('names', '=', json(names)).execute()
    }
    const last = rows.at(-1)
    if (rows.length < pageSize || !last) return stale
    after = last.id
  }
}

/** Writes the sort keys and search texts of all members anew, as after an upgrade of Node or pinyin-pro. @returns how many changed */
export function mendKeys(db: Db): Promise<number> {
  return compareKeys(db, true)
}

/** Looks over the database and tells what is and what is not as it should be. Changes nothing. */
export async function examine(db: Db): Promise<Finding[]> {
  const head = await db.selectFrom('journalHead').select('seq').executeTakeFirstOrThrow()
  const log = await db
    .selectFrom('eventLog')
    .select([sql<number>`count(*)`.as('count'), sql<number | null>`max(seq)`.as('last')])
    .executeTakeFirstOrThrow()
  const waiting = await db
    .selectFrom('outbox')
    .select([sql<number>`count(*)`.as('count'), sql<Date | null>`min(at)`.as('oldest')])
    .executeTakeFirstOrThrow()
  const overdue = await db
    .selectFrom('announcements')
    .select(sql<number>`count(*)`.as('count'))
    .where('status', '=', 'SCHEDULED')
    .where('publishAt', '<', sql<Date>`now() - interval '1 minute'`)
    .executeTakeFirstOrThrow()
  const stale = await compareKeys(db, false)
  const whole = log.count === head.seq && (log.last ?? 0) === head.seq
  return [
    {
      ok: whole,
      text: `the journal has ${log.count} events, its head is ${head.seq}${whole ? '' : ': events are missing'}`,
    },
    {
      ok: waiting.count === 0,
      text:
        waiting.count === 0
          ? 'no event waits for its place in the journal'
          : `${waiting.count} events wait since ${waiting.oldest?.toISOString()}: a running server places them within a second`,
    },
    {
      ok: overdue.count === 0,
      text: `${overdue.count} announcements are overdue${overdue.count === 0 ? '' : ': a running server publishes them at once'}`,
    },
    {
      ok: stale === 0,
      text: `${stale} members have sort keys of an older dictionary${stale === 0 ? '' : ': run `doctor --mend`'}`,
    },
  ]
}
