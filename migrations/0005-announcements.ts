import { type Kysely, sql } from 'kysely'

/**
 * Announcements, their revisions, whom they reached, and who read and acknowledged them.
 * An acknowledgement is no revision: it stands with its recipient, or thousands of organisations would wait for one
 * another and make an editor's version stale.
 * A recipient repeats when the announcement was published, whether it is public and whether an acknowledgement is asked,
 * all fixed at its publication: so an index gives a member's announcements in their order.
 */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table announcements (
      id uuid primary key,
      version integer not null default 1,
      status text not null default 'DRAFT' check (status in ('DRAFT', 'SCHEDULED', 'PUBLISHED', 'RETRACTED')),
      category text not null check (category in ('NOTICE', 'EVENT', 'POLICY', 'CALL', 'RELEASE', 'NEWS')),
      urgency text not null check (urgency in ('NORMAL', 'URGENT', 'CRITICAL')),
      titles jsonb not null,
      search text collate "C" not null,
      bodies jsonb not null,
      attachments jsonb not null,
      audience jsonb not null,
      is_public boolean not null,
      acknowledge_by timestamptz(3),
      pinned_until timestamptz(3),
      publish_at timestamptz(3),
      published_at timestamptz(3),
      retracted_at timestamptz(3),
      retraction_reason text,
      created_at timestamptz(3) not null,
      updated_at timestamptz(3) not null,
      listed_at timestamptz(3) not null generated always as (coalesce(published_at, updated_at)) stored,
      check ((status = 'SCHEDULED') = (publish_at is not null)),
      check ((status in ('PUBLISHED', 'RETRACTED')) = (published_at is not null)),
      check ((status = 'RETRACTED') = (retracted_at is not null)),
      check ((status = 'RETRACTED') = (retraction_reason is not null))
    )`.execute(db)
  await sql`create index on announcements (publish_at) where status = 'SCHEDULED'`.execute(db)
  // The list of the secretariat, the list of everybody else, and what stands on top of both.
  await sql`create index on announcements (listed_at, id)`.execute(db)
  await sql`create index on announcements (listed_at, id) where is_public and published_at is not null`.execute(db)
  await sql`create index on announcements (pinned_until) where status = 'PUBLISHED'`.execute(db)
  await sql`
    create table announcement_revisions (
      announcement_id uuid not null references announcements (id),
      version integer not null,
      at timestamptz(3) not null,
      actor text not null,
      change text not null check (change in (
        'DRAFTED', 'EDITED', 'SCHEDULED', 'UNSCHEDULED', 'PUBLISHED', 'RETRACTED', 'REMINDED'
      )),
      reason text,
      snapshot jsonb not null,
      primary key (announcement_id, version)
    )`.execute(db)
  await sql`
    create table announcement_recipients (
      announcement_id uuid not null references announcements (id),
      member_id uuid not null references members (id),
      published_at timestamptz(3) not null,
      is_public boolean not null,
      is_asked boolean not null,
      acknowledged_at timestamptz(3),
      acknowledged_by text,
      reminded_at timestamptz(3),
      primary key (announcement_id, member_id)
    )`.execute(db)
  // The inbox of a member, what its officers see in the list besides the public ones, and what it has to acknowledge.
  await sql`create index on announcement_recipients (member_id, published_at, announcement_id)`.execute(db)
  await sql`
    create index on announcement_recipients (member_id, published_at, announcement_id)
    where not is_public`.execute(db)
  await sql`
    create index on announcement_recipients (member_id, published_at, announcement_id)
    where is_asked and acknowledged_at is null`.execute(db)
  await sql`
    create table announcement_reads (
      announcement_id uuid not null references announcements (id),
      account_id uuid not null references accounts (id),
      read_at timestamptz(3) not null,
      primary key (announcement_id, account_id)
    )`.execute(db)
}
