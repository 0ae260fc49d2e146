import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { isScheduling, publishDue, type Scheduler, startScheduler } from '../../src/announcements/scheduler.ts'
import { type Database, openPostgres } from '../../src/database/client.ts'
import { parseId } from '../../src/ids.ts'
import type { JournalEvent } from '../../src/journal/catalog.ts'
import { type Alliance, createAlliance, type TestMember } from '../support/alliance.ts'
import { itOnPostgres, onPostgres } from '../support/database.ts'
import { done, drafted, eventsSoFar } from './story.ts'

let alliance: Alliance
let staff: Actor
let member: TestMember
const running: Scheduler[] = []
const errors: unknown[] = []
/** When each of the errors was met, in milliseconds. */
const erredAt: number[] = []

beforeAll(async () => {
  alliance = await createAlliance()
  alliance.clock.now = new Date()
  staff = await alliance.secretariat()
  member = await alliance.member()
})
afterEach(async () => {
  for (const scheduler of running.splice(0)) await scheduler.stop()
})
afterAll(() => alliance.close())

const uuidOf = (id: string) => parseId(id)!.uuid

/** A scheduler on the true clock, as a process has one, or on another. */
function start(db = alliance.db, now = () => new Date()): Scheduler {
  const scheduler = startScheduler({ db, now, wake: () => undefined }, error => {
    errors.push(error)
    erredAt.push(performance.now())
  })
  running.push(scheduler)
  return scheduler
}

/** An announcement that is to be published so many milliseconds from now. */
async function scheduled(inMilliseconds: number, changes: object = {}): Promise<string> {
  const publishAt = new Date(Date.now() + inMilliseconds)
  // Scheduled before that moment, as it must be.
  alliance.clock.now = new Date(Math.min(Date.now(), publishAt.getTime() - 1000))
  const { id } = await drafted(alliance, staff, changes)
  await done(alliance, staff, 'schedule', { id, expectedVersion: 1, publishAt: publishAt.toISOString() })
  return id
}

const rowOf = (id: string) =>
  alliance.db.selectFrom('announcements').selectAll().where('id', '=', uuidOf(id)).executeTakeFirstOrThrow()

/** Looks again and again, for 20 s at most, until something is so. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (await isSo()) return
    await sleep(20)
  }
  throw new Error('It did not come about.')
}

/** Waits until the announcements have left SCHEDULED. */
function settled(ids: readonly string[]): Promise<void> {
  return until(async () => {
    const { waiting } = await alliance.db
      .selectFrom('announcements')
      .select(sql<number>`count(*)`.as('waiting'))
      .where('id', '=', sql<string>`any(${ids.map(uuidOf)}::uuid[])`)
      .where('status', '=', 'SCHEDULED')
      .executeTakeFirstOrThrow()
    return waiting === 0
  })
}

/** The moment at which each was to be published, by its revision, and how late it was. */
async function lateness(id: string): Promise<number> {
  const revision = await alliance.db
    .selectFrom('announcementRevisions')
    .select(sql<string>`snapshot ->> 'publishAt'`.as('publishAt'))
    .where('announcementId', '=', uuidOf(id))
    .where('change', '=', 'SCHEDULED')
    .executeTakeFirstOrThrow()
  return (await rowOf(id)).publishedAt!.getTime() - Date.parse(revision.publishAt)
}

/** How many times each of the announcements was published: by its revisions, and by the journal since `since`. */
async function publications(ids: readonly string[], since: number) {
  const revisions = await alliance.db
    .selectFrom('announcementRevisions')
    .select(['announcementId', 'actor'])
    .where('change', '=', 'PUBLISHED')
    .where('announcementId', '=', sql<string>`any(${ids.map(uuidOf)}::uuid[])`)
    .execute()
  const events = await alliance.db
    .selectFrom('outbox')
    .select(['subject', 'actor'])
    .where('type', '=', 'announcement.published')
    .where('id', '>', since)
    .execute()
  expect(new Set([...revisions, ...events].map(({ actor }) => actor))).toEqual(new Set(['scheduler']))
  return {
    byRevisions: revisions.map(({ announcementId }) => announcementId).sort(),
    byEvents: events.map(({ subject }) => subject).sort(),
  }
}

describe('a scheduler', () => {
  it('publishes what it knows of, and not before its time', async () => {
    const scheduler = start()
    const ids = [await scheduled(600), await scheduled(900)]
    scheduler.wake()
    await settled(ids)
    for (const id of ids) {
      const row = await rowOf(id)
      expect(row).toMatchObject({ status: 'PUBLISHED', publishAt: null, version: 3 })
      expect(await lateness(id)).toBeGreaterThanOrEqual(0)
    }
  })

  it('sees what others scheduled without being woken', async () => {
    start()
    await settled([await scheduled(100)])
  })

  it('publishes at once what fell due while nothing ran', async () => {
    const ids = [
      await scheduled(-3_600_000),
      await scheduled(-1000, { acknowledgeBy: new Date(Date.now() - 500).toISOString() }),
    ]
    const since = await eventsSoFar(alliance)
    start()
    await settled(ids)
    const once = ids.map(uuidOf).sort()
    expect(await publications(ids, since)).toEqual({ byRevisions: once, byEvents: once })
    // The deadline had passed, yet the member can do what it was asked.
    alliance.clock.now = new Date()
    const officer = await alliance.officerOf(member)
    expect(await done(alliance, officer, 'acknowledge', { id: ids[1] })).toMatchObject({ status: 'PUBLISHED' })
  })

  it('leaves alone what is unscheduled, and stops', async () => {
    const id = await scheduled(3_600_000)
    await done(alliance, staff, 'unschedule', { id, expectedVersion: 2 })
    const later = await scheduled(3_600_000)
    let clock = new Date()
    let looks = 0
    const now = () => {
      looks++
      return clock
    }
    const scheduler = start(alliance.db, now)
    await until(() => looks > 1)
    await scheduler.stop()
    clock = new Date(Date.now() + 7_200_000)
    looks = 0
    scheduler.wake()
    await scheduler.stop()
    expect([(await rowOf(id)).status, (await rowOf(later)).status]).toEqual(['DRAFT', 'SCHEDULED'])
    expect(looks).toBe(0)
    start(alliance.db, now)
    await settled([later])
    expect((await rowOf(id)).status).toBe('DRAFT')
  })

  it('puts back to draft what reaches nobody by now, and says why', async () => {
    const leaving = await alliance.member()
    const id = await scheduled(-1000, { audience: { include: [{ members: [leaving.id] }] } })
    await alliance.db.updateTable('members').set({ status: 'SUSPENDED' }).where('id', '=', leaving.uuid).execute()
    const since = await eventsSoFar(alliance)
    await publishDue({ ...alliance.services, now: () => new Date() }, error => errors.push(error))
    const { announcement } = await alliance.as(staff).ask(
      `query ($id: ID!) { announcement(id: $id) {
        status publishAt publishedAt recipients { totalCount } revisions(first: 1) { nodes { change by reason } } } }`,
      { id },
    )
    expect(announcement).toEqual({
      status: 'DRAFT',
      publishAt: null,
      publishedAt: null,
      recipients: { totalCount: 0 },
      revisions: {
        nodes: [
          { change: 'UNSCHEDULED', by: 'scheduler', reason: expect.stringContaining('reached no admitted member') },
        ],
      },
    })
    const events = await alliance.db
      .selectFrom('outbox')
      .select(['type', 'subject', 'audience', 'detail'])
      .where('id', '>', since)
      .execute()
    expect(events).toEqual([
      {
        type: 'announcement.changed',
        subject: uuidOf(id),
        audience: 'SECRETARIAT',
        detail: { version: 3, change: 'UNSCHEDULED' },
      },
    ])
  })

  it('goes on past one that fails, and tries that again', async () => {
    const bad = await scheduled(-2000)
    const good = await scheduled(-1000)
    // The revision that its publication would make is there already.
    await sql`insert into announcement_revisions
      select announcement_id, 3, at, actor, 'EDITED', reason, snapshot from announcement_revisions
      where announcement_id = ${uuidOf(bad)}::uuid and version = 1`.execute(alliance.db)
    errors.length = 0
    erredAt.length = 0
    start()
    await settled([good])
    expect((await rowOf(bad)).status).toBe('SCHEDULED')
    await until(() => errors.length > 1)
    expect(erredAt[1]! - erredAt[0]!).toBeGreaterThan(990)
    await sql`delete from announcement_revisions where announcement_id = ${uuidOf(bad)}::uuid and version = 3`.execute(
      alliance.db,
    )
    await settled([bad])
    expect((await rowOf(bad)).status).toBe('PUBLISHED')
    errors.length = 0
  })
})

it('publishes exactly once with several schedulers', async () => {
  const others: Database[] = []
  if (onPostgres()) for (let i = 0; i < 3; i++) others.push(openPostgres(await connectionString(), 3))
  const ids: string[] = []
  for (let i = 0; i < 20; i++) ids.push(await scheduled(1500 - i))
  const since = await eventsSoFar(alliance)
  for (let i = 0; i < 4; i++) start(others[i]?.db)
  await settled(ids)
  for (const scheduler of running.splice(0)) await scheduler.stop()
  for (const other of others) await other.close()
  const once = ids.map(uuidOf).sort()
  expect(await publications(ids, since)).toEqual({ byRevisions: once, byEvents: once })
  expect(errors).toEqual([])
  const { total } = await alliance.db
    .selectFrom('announcementRecipients')
    .select(sql<number>`count(*)`.as('total'))
    .where('announcementId', '=', sql<string>`any(${once}::uuid[])`)
    .where('memberId', '=', member.uuid)
    .executeTakeFirstOrThrow()
  expect(total).toBe(ids.length)
})

itOnPostgres('publishes exactly once with several processes, one of which is killed', async () => {
  // Each publication takes a while and tells whose it is, so that the kill falls on one that is at work.
  await sql`create table publishers (name text)`.execute(alliance.db)
  await sql`
    create function tell() returns trigger language plpgsql as $$ begin
      insert into publishers values (current_setting('application_name'));
      perform pg_sleep(0.02);
      return new;
    end $$`.execute(alliance.db)
  await sql`create trigger tell after update on announcements for each row when (new.status = 'PUBLISHED')
    execute function tell()`.execute(alliance.db)
  const publishers = async () => {
    const { rows } = await sql<{ name: string }>`select name from publishers`.execute(alliance.db)
    return rows.map(({ name }) => name)
  }

  const children = new Map<string, ChildProcess>()
  const script = new URL('scheduler-process.ts', import.meta.url).pathname
  for (const name of ['one', 'two', 'three']) {
    const url = new URL(await connectionString())
    url.searchParams.set('application_name', name)
    const env = { ...process.env, NODE_OPTIONS: '', SCHEDULER_DATABASE: url.href }
    children.set(name, spawn(process.execPath, [script], { env, stdio: ['pipe', 'pipe', 'inherit'] }))
  }
  await Promise.all([...children.values()].map(child => once(child.stdout!, 'data')))
  const ids: string[] = []
  for (let i = 0; i < 60; i++) ids.push(await scheduled(3_600_000))
  const all = ids.map(uuidOf).sort()
  const since = await eventsSoFar(alliance)
  await sql`update announcements set publish_at = now() where id = any(${all}::uuid[])`.execute(alliance.db)

  let first: string | undefined
  await until(async () => {
    first = (await publishers())[0]
    return first !== undefined
  })
  const killed = children.get(first!)!
  killed.kill('SIGKILL')
  await settled(ids)
  for (const child of children.values()) child.stdin!.end()
  await Promise.all([...children.values()].map(child => child.exitCode ?? child.signalCode ?? once(child, 'exit')))
  expect(killed.signalCode).toBe('SIGKILL')
  expect(new Set(await publishers()).size).toBeGreaterThan(1)
  expect(await publications(ids, since)).toEqual({ byRevisions: all, byEvents: all })
})

it('is woken by what alters the schedule alone', () => {
  const event = (type: JournalEvent['type'], change?: string) => ({ type, detail: { change } }) as never
  const waking = (change: string) => isScheduling(event('announcement.changed', change))
  expect(['SCHEDULED', 'EDITED', 'UNSCHEDULED'].map(waking)).toEqual([true, true, true])
  expect(['DRAFTED', 'RETRACTED', 'REMINDED', 'ACKNOWLEDGED'].map(waking)).toEqual([false, false, false, false])
  expect(isScheduling(event('announcement.published'))).toBe(false)
})

/** The connection string of the alliance's own database. */
async function connectionString(): Promise<string> {
  const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(alliance.db)
  const url = new URL(inject('postgresUrl'))
  url.pathname = `/${rows[0]!.name}`
  return url.href
}
