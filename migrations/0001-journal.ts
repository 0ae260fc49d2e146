import { type Kysely, sql } from 'kysely'

/** The journal: the outbox that services write to, the ordered log that listeners read, and its head. */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table outbox (
      id bigint generated always as identity primary key,
      type text not null,
      subject uuid not null,
      detail jsonb not null,
      audience text not null check (audience in ('PUBLIC', 'SUBJECT', 'MEMBERS', 'SECRETARIAT')),
      audience_members uuid[] not null default '{}',
      actor text not null,
      on_behalf_of uuid,
      request_id text,
      at timestamptz(3) not null
    )`.execute(db)
  await sql`
    create table event_log (
      seq bigint primary key,
      type text not null,
      subject uuid not null,
      detail jsonb not null,
      audience text not null check (audience in ('PUBLIC', 'SUBJECT', 'MEMBERS', 'SECRETARIAT')),
      audience_members uuid[] not null,
      actor text not null,
      on_behalf_of uuid,
      request_id text,
      at timestamptz(3) not null
    )`.execute(db)
  await sql`
    create table journal_head (
      singleton boolean primary key default true check (singleton),
      epoch uuid not null,
      seq bigint not null
    )`.execute(db)
  await sql`insert into journal_head (epoch, seq) values (gen_random_uuid(), 0)`.execute(db)
}
