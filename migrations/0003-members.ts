import { type Kysely, sql } from 'kysely'

/** The directory: members, their contacts, keys elsewhere, revisions and changes of status. */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table members (
      id uuid primary key,
      kind text not null check (kind in ('CITY', 'ASSOCIATION', 'COMPANY')),
      association_kind text check (association_kind in (
        'ALLIANCE', 'ASSOCIATION', 'COMMITTEE', 'INSTITUTION', 'RESEARCH_INSTITUTE', 'STANDARDS_GROUP', 'UNIVERSITY',
        'ACADEMY', 'GOVERNMENT_DEPARTMENT', 'ZONE_AUTHORITY', 'PUBLIC_INSTITUTION', 'COMPUTE_CENTER',
        'INNOVATION_PLATFORM', 'THINK_TANK', 'COORDINATION_BODY', 'MEDIA', 'HOSPITAL'
      )),
      region_code text collate "C" references regions (code),
      version integer not null default 1,
      status text not null default 'LISTED'
        check (status in ('LISTED', 'ADMITTED', 'SUSPENDED', 'WITHDRAWN', 'EXPELLED')),
      joining_number integer unique,
      joined_on date,
      names jsonb not null,
      summaries jsonb not null default '{}',
      descriptions jsonb not null default '{}',
      logo_url text,
      website_url text,
      fields text[] not null default '{}',
      capabilities text[] not null default '{}',
      founded text,
      size integer check (size >= 0),
      parent_id uuid references members (id),
      lead_id uuid references members (id),
      credit_code text unique,
      credit_code_reviewed boolean not null default false,
      sources jsonb not null default '[]',
      pinyin_key text collate "C" not null,
      stroke_key text collate "C" not null,
      latin_key text collate "C" not null,
      search text collate "C" not null,
      created_at timestamptz(3) not null,
      updated_at timestamptz(3) not null,
      check ((kind = 'ASSOCIATION') = (association_kind is not null)),
      check (kind <> 'CITY' or region_code is not null),
      check ((joining_number is null) = (joined_on is null))
    )`.execute(db)
  for (const keys of [['pinyin_key', 'stroke_key'], ['stroke_key', 'pinyin_key'], ['latin_key'], ['updated_at']])
    await sql`create index on members (${sql.join([...keys, 'id'].map(key => sql.ref(key)))})`.execute(db)
  await sql`create index on members (coalesce(joining_number, 2147483647), id)`.execute(db)
  await sql`create index on members (region_code, kind)`.execute(db)
  await sql`create index on members using gin (fields)`.execute(db)
  await sql`create index on members using gin (capabilities)`.execute(db)

  await sql`
    create table member_references (
      system text not null,
      value text not null,
      member_id uuid not null references members (id),
      primary key (system, value)
    )`.execute(db)
  await sql`create index on member_references (member_id)`.execute(db)

  await sql`
    create table member_contacts (
      member_id uuid not null references members (id),
      position integer not null,
      role text not null,
      name text not null,
      phone text,
      email text,
      primary key (member_id, position)
    )`.execute(db)

  await sql`
    create table member_revisions (
      member_id uuid not null references members (id),
      version integer not null,
      at timestamptz(3) not null,
      actor text not null,
      on_behalf_of uuid references members (id),
      reason text,
      changes jsonb not null,
      primary key (member_id, version)
    )`.execute(db)

  await sql`
    create table membership_transitions (
      id uuid primary key,
      member_id uuid not null references members (id),
      from_status text not null check (from_status in ('LISTED', 'ADMITTED', 'SUSPENDED', 'WITHDRAWN', 'EXPELLED')),
      to_status text not null check (to_status in ('LISTED', 'ADMITTED', 'SUSPENDED', 'WITHDRAWN', 'EXPELLED')),
      at timestamptz(3) not null,
      actor text not null,
      reason text not null,
      document text
    )`.execute(db)
  await sql`create index on membership_transitions (member_id, id)`.execute(db)
}
