import { type Kysely, sql } from 'kysely'

/**
 * What keeps lists quick however long they are.
 *
 * `member_facets` has each member once for each thing that a list may ask of it, with the keys of the orders: so an index
 * has "the companies in 5101", "who offers rendering" or "the admitted of Sichuan" as one stretch in each order, and a
 * page reads what it shows. It changes only with what it repeats: an edit of a profile that leaves name, place, terms and
 * status alone writes nothing here, and enters the member in seven indexes instead of twelve.
 *
 * `text_parts` makes a text findable by any stretch of it: its parts of three characters, one from each place. pg_trgm
 * would not do: it wants three characters where Chinese words have two, and knows no Chinese letters under the locale C.
 */
export async function up(db: Kysely<never>): Promise<void> {
  // Of a text shorter than three the parts that begin with it are asked for: those at the end of the text are shorter.
  await sql`
    create function text_parts(value text) returns tsvector language sql immutable strict parallel safe as $$
      select array_to_tsvector(array(select substr(value, place, 3) from generate_series(1, length(value)) place))
    $$`.execute(db)

  // ADMITTED ALLIANCE r5101: the status, unless it is the usual one, and the sort of association may stand before the
  // rest, which is a place (r), a field of work (f), a capability (c) or nothing.
  await sql`
    create function member_facets_of(
      status text, association_kind text, region_code text, fields text[], capabilities text[]
    ) returns setof text language sql immutable parallel safe as $$
      select distinct status_part || kind_part || rest
      from unnest(array['', case when status <> 'LISTED' then status || ' ' end]) status_part,
        unnest(array['', association_kind || ' ']) kind_part,
        unnest(array[
          '',
          'r' || left(region_code, 2),
          case when right(region_code, 4) <> '0000' then 'r' || left(region_code, 4) end,
          case when right(region_code, 2) <> '00' then 'r' || region_code end
        ] || array(select 'f' || code from unnest(fields) code) || array(select 'c' || code from unnest(capabilities) code)) rest
      where status_part || kind_part || rest is not null
    $$`.execute(db)
  await sql`
    create table member_facets (
      facet text collate "C" not null,
      shelf text collate "C" not null,
      member_id uuid not null,
      pinyin_key text collate "C" not null,
      stroke_key text collate "C" not null,
      latin_key text collate "C" not null,
      joining integer not null
    )`.execute(db)
  const facets = (members: ReturnType<typeof sql>) => sql`
    select facet,
      case when m.status in ('WITHDRAWN', 'EXPELLED') then 'LEFT ' when m.status <> 'LISTED' then 'JOINED ' else '' end || m.kind,
      m.id, m.pinyin_key, m.stroke_key, m.latin_key, coalesce(m.joining_number, 2147483647)
    from ${members} m,
      member_facets_of(m.status, m.association_kind, m.region_code, m.fields, m.capabilities) facet`
  await sql`insert into member_facets ${facets(sql`members`)}`.execute(db)
  await sql`alter table member_facets add primary key (member_id, facet)`.execute(db)
  for (const keys of [['pinyin_key', 'stroke_key'], ['stroke_key', 'pinyin_key'], ['latin_key'], ['joining']])
    await sql`
      create index on member_facets (${sql.join(['facet', 'shelf', ...keys, 'member_id'].map(key => sql.ref(key)))})`.execute(
      db,
    )
  // By how common a facet is, a list chooses where to begin.
  await sql`alter table member_facets alter column facet set statistics 1000`.execute(db)

  await sql`create table member_search (member_id uuid primary key, search text collate "C" not null)`.execute(db)
  await sql`insert into member_search select id, search from members`.execute(db)
  // What is not sorted in yet is read by every search: it is kept short.
  await sql`
    create index member_search_parts on member_search using gin (text_parts(search))
    with (gin_pending_list_limit = 256)`.execute(db)
  await sql`alter index member_search_parts alter column 1 set statistics 1000`.execute(db)

  await sql`
    create function list_new_members() returns trigger language plpgsql as $$
    begin
      insert into member_facets ${facets(sql`entered`)};
      insert into member_search select id, search from entered;
      return null;
    end $$`.execute(db)
  await sql`
    create trigger members_entered after insert on members
    referencing new table as entered for each statement execute function list_new_members()`.execute(db)
  await sql`
    create function list_member_anew() returns trigger language plpgsql as $$
    begin
      delete from member_facets where member_id = old.id;
      insert into member_facets ${facets(sql`(select new.*)`)};
      if old.search <> new.search then
        update member_search set search = new.search where member_id = new.id;
      end if;
      return null;
    end $$`.execute(db)
  await sql`
    create function list_gone_members() returns trigger language plpgsql as $$
    begin
      delete from member_facets using gone where member_id = gone.id;
      delete from member_search using gone where member_id = gone.id;
      return null;
    end $$`.execute(db)
  await sql`
    create trigger members_gone after delete on members
    referencing old table as gone for each statement execute function list_gone_members()`.execute(db)
  const listed = [
    'kind',
    'association_kind',
    'region_code',
    'status',
    'joining_number',
    'fields',
    'capabilities',
    'pinyin_key',
    'stroke_key',
    'latin_key',
    'search',
  ]
  const all = (row: string) => sql.join(listed.map(column => sql.ref(`${row}.${column}`)))
  await sql`
    create trigger members_changed after update on members
    for each row when ((${all('old')}) is distinct from (${all('new')})) execute function list_member_anew()`.execute(
    db,
  )

  for (const replaced of [
    'members_pinyin_key_stroke_key_id_idx',
    'members_stroke_key_pinyin_key_id_idx',
    'members_latin_key_id_idx',
    'members_updated_at_id_idx',
    'members_coalesce_id_idx',
    'members_region_code_kind_idx',
    'members_fields_idx',
    'members_capabilities_idx',
  ])
    await sql`drop index ${sql.ref(replaced)}`.execute(db)
  // The last change moves with every edit, so this order stays with the member itself. The code is included so that the
  // index alone answers.
  for (const place of [null, sql`left(region_code, 2)`, sql`left(region_code, 4)`, sql`region_code`])
    await sql`
      create index on members (${place ? sql`(${place}), ` : sql``}kind, status, updated_at, id)
      ${place ? sql`include (region_code)` : sql``}`.execute(db)

  // A recipient keeps its place in the list by pinyin as it was at the publication.
  await sql`alter table announcement_recipients add column place integer`.execute(db)
  await sql`
    update announcement_recipients set place = listed.place
    from (
      select announcement_id, member_id,
        row_number() over (partition by announcement_id order by pinyin_key, stroke_key, id) as place
      from announcement_recipients join members on members.id = member_id
    ) listed
    where announcement_recipients.announcement_id = listed.announcement_id
      and announcement_recipients.member_id = listed.member_id`.execute(db)
  await sql`alter table announcement_recipients alter column place set not null`.execute(db)
  await sql`create index on announcement_recipients (announcement_id, place)`.execute(db)
  await sql`
    create index on announcement_recipients (announcement_id, place) where acknowledged_at is null`.execute(db)
  await sql`
    create index on announcement_recipients (announcement_id, place) where acknowledged_at is not null`.execute(db)

  await sql`
    create index announcements_parts on announcements using gin (text_parts(search))
    with (gin_pending_list_limit = 256)`.execute(db)
  await sql`alter index announcements_parts alter column 1 set statistics 1000`.execute(db)
  await sql`create index on announcements (status, category, urgency, listed_at, id)`.execute(db)
  await sql`
    create index on announcements (status, category, urgency, listed_at, id)
    where is_public and published_at is not null`.execute(db)

  // Tokens of a sort, of a member, of a portal, the latest first.
  await sql`drop index tokens_member_id_idx, tokens_portal_id_idx`.execute(db)
  await sql`create index on tokens (member_id, id) where member_id is not null`.execute(db)
  await sql`create index on tokens (portal_id, id) where portal_id is not null`.execute(db)
  await sql`create index on tokens (kind, id)`.execute(db)
}
