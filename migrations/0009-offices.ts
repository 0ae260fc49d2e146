import { type Kysely, sql } from 'kysely'

/**
 * Terms of office: which member held what, from a day until the first day on which it no longer did, and every change of
 * these. Days are those of Asia/Shanghai. A term of no day was struck.
 *
 * That a member holds no office twice at once is checked with the member held (offices/service.ts): an exclusion
 * constraint would need btree_gist, which the embedded database does not have.
 *
 * A member that leaves ends its terms with the very row that records its leaving, whoever writes that row: memberships
 * never hear of offices.
 */
export async function up(db: Kysely<never>): Promise<void> {
  const offices = sql`'ROTATING_CHAIR', 'PERMANENT_CHAIR', 'COUNCIL', 'SECRETARIAT_HOST'`
  await sql`
    create table office_terms (
      id uuid primary key,
      version integer not null default 1,
      office text not null check (office in (${offices})),
      member_id uuid not null references members (id),
      from_day date not null,
      until_day date check (until_day >= from_day),
      created_at timestamptz(3) not null,
      updated_at timestamptz(3) not null
    )`.execute(db)
  // The lists by their first and their last day, of all offices and of one, and what a member holds.
  const lastDay = sql`coalesce(until_day, '9999-12-31')`
  for (const day of [sql`from_day`, sql`(${lastDay})`]) {
    await sql`create index on office_terms (${day}, id)`.execute(db)
    await sql`create index on office_terms (office, ${day}, id)`.execute(db)
  }
  await sql`create index on office_terms (member_id, from_day, id)`.execute(db)
  // Who held something on a day: as few as hold it, however many have.
  await sql`create index on office_terms using gist (daterange(from_day, until_day))`.execute(db)

  await sql`
    create table office_term_changes (
      term_id uuid not null references office_terms (id),
      version integer not null,
      at timestamptz(3) not null,
      actor text not null,
      change text not null check (change in ('GRANTED', 'ENDED', 'STRUCK', 'CORRECTED', 'MEMBER_LEFT')),
      office text not null check (office in (${offices})),
      from_day date not null,
      until_day date,
      reason text not null,
      document text,
      primary key (term_id, version)
    )`.execute(db)

  await sql`
    create function end_terms_of_leaving_member() returns trigger language plpgsql as $$
    begin
      with left_on as (
        select (new.at at time zone 'Asia/Shanghai')::date as day
      ), ended as (
        update office_terms
        set version = version + 1, updated_at = new.at, until_day = greatest(from_day, day)
        from left_on
        where member_id = new.member_id and coalesce(until_day, 'infinity') > greatest(from_day, day)
        returning office_terms.*
      )
      insert into office_term_changes
        (term_id, version, at, actor, change, office, from_day, until_day, reason, document)
      select id, version, new.at, new.actor, 'MEMBER_LEFT', office, from_day, until_day, new.reason, new.document
      from ended;
      return null;
    end $$`.execute(db)
  await sql`
    create trigger members_left after insert on membership_transitions
    for each row when (new.to_status in ('WITHDRAWN', 'EXPELLED'))
    execute function end_terms_of_leaving_member()`.execute(db)
}
