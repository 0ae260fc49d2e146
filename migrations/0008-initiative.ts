import { type Kysely, sql } from 'kysely'

/**
 * The initiative: the versions of its text, and who signed them.
 *
 * A signature repeats of its member what lists ask for; a trigger keeps that true. What a member signs carries a moment
 * between the opening of the version and that of the next one, whatever the clocks of the processes say: so a version,
 * and what is due for renewal, are stretches of the order of signing, and need no index of their own.
 */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table initiative_versions (
      id uuid primary key,
      version integer not null default 1,
      number integer unique,
      status text not null default 'DRAFT' check (status in ('DRAFT', 'OPEN', 'SUPERSEDED')),
      requires_renewal boolean not null,
      titles jsonb not null,
      bodies jsonb not null,
      hashes jsonb not null,
      sha256 text not null,
      created_at timestamptz(3) not null,
      updated_at timestamptz(3) not null,
      opened_at timestamptz(3),
      superseded_at timestamptz(3),
      check ((status = 'DRAFT') = (number is null)),
      check ((status = 'DRAFT') = (opened_at is null)),
      check ((status = 'SUPERSEDED') = (superseded_at is not null))
    )`.execute(db)
  await sql`create unique index on initiative_versions (status) where status = 'OPEN'`.execute(db)
  await sql`
    create table initiative_signatures (
      id uuid primary key,
      version_id uuid not null references initiative_versions (id),
      member_id uuid not null references members (id),
      member_names jsonb not null,
      account_id uuid not null references accounts (id),
      person text not null,
      signed_at timestamptz(3) not null,
      sha256 text not null,
      binding text not null,
      code text collate "C" not null unique,
      countersigned_at timestamptz(3),
      countersigned_by text,
      renewed_at timestamptz(3),
      withdrawn_at timestamptz(3),
      withdrawn_by text,
      withdrawal_reason text,
      kind text not null check (kind in ('CITY', 'ASSOCIATION', 'COMPANY')),
      association_kind text,
      region_code text collate "C",
      is_left boolean not null,
      shelf text collate "C" not null generated always as (
        case when is_left then 'LEFT ' else '' end ||
        case when withdrawn_at is not null then 'WITHDRAWN' when renewed_at is not null then 'RENEWED' else 'CURRENT' end ||
        case when countersigned_at is not null then ' COUNTERSIGNED' else '' end
      ) stored,
      check ((countersigned_at is null) = (countersigned_by is null)),
      check ((withdrawn_at is null) = (withdrawn_by is null)),
      check ((withdrawn_at is null) = (withdrawal_reason is null))
    )`.execute(db)
  await sql`
    create unique index on initiative_signatures (member_id, version_id) where withdrawn_at is null`.execute(db)
  await sql`
    create unique index on initiative_signatures (member_id) where withdrawn_at is null and renewed_at is null`.execute(
    db,
  )
  await sql`create index on initiative_signatures (member_id, signed_at, id)`.execute(db)
  await sql`create index on initiative_signatures (signed_at)`.execute(db)
  // The code is included so that the index alone answers.
  for (const place of [null, sql`left(region_code, 2)`, sql`left(region_code, 4)`, sql`region_code`])
    for (const sort of [sql`kind`, sql`association_kind`])
      await sql`
        create index on initiative_signatures (${place ? sql`(${place}), ` : sql``}${sort}, shelf, signed_at, id)
        ${place ? sql`include (region_code)` : sql``}`.execute(db)

  await sql`
    create function list_signatures_anew() returns trigger language plpgsql as $$
    begin
      update initiative_signatures
      set association_kind = new.association_kind, region_code = new.region_code,
        is_left = new.status in ('WITHDRAWN', 'EXPELLED')
      where member_id = new.id;
      return null;
    end $$`.execute(db)
  await sql`
    create trigger members_signed after update on members
    for each row when ((old.association_kind, old.region_code, old.status) is distinct from
      (new.association_kind, new.region_code, new.status))
    execute function list_signatures_anew()`.execute(db)
}
