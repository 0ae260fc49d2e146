import { type Kysely, sql } from 'kysely'

/** Places and shared vocabularies: what members refer to. */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table vocabulary_terms (
      vocabulary text not null check (vocabulary in ('FIELD', 'CAPABILITY')),
      code text not null,
      position integer not null,
      labels jsonb not null,
      source text not null,
      primary key (vocabulary, code)
    )`.execute(db)
  await sql`
    create table regions (
      id uuid primary key,
      code text collate "C" not null unique check (code ~ '^[0-9]{6}$'),
      level text not null check (level in (
        'PROVINCE', 'DIRECT_MUNICIPALITY', 'SUB_PROVINCIAL_CITY', 'PREFECTURE_CITY', 'COUNTY_LEVEL_CITY', 'DISTRICT'
      )),
      parent_code text collate "C" references regions (code),
      province_code text collate "C" not null references regions (code) deferrable initially deferred,
      iso3166 text unique,
      names jsonb not null,
      short_names jsonb not null,
      longitude double precision,
      latitude double precision,
      time_zone text not null,
      source text not null,
      search text not null,
      check ((longitude is null) = (latitude is null))
    )`.execute(db)
}
