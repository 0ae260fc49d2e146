import { type RawBuilder, sql } from 'kysely'
import { programRequest } from '../../src/access/request.ts'
import { issueOfficerToken, issueSecretariatToken } from '../../src/access/tokens.ts'
import { type Db, openPostgres } from '../../src/database/client.ts'
import { migrate } from '../../src/database/migrate.ts'
import { loadPlaces, loadVocabularies } from '../../src/dataset/places.ts'
import { latinKey, pinyinKey, searchText, strokeKey } from '../../src/name-keys.ts'

/** How much of everything there is; the rest follows from these. */
export interface BigSizes {
  readonly members: number
  readonly events: number
  readonly announcements: number
}

/** Whom the lists of a big alliance are asked as. */
export interface BigCallers {
  readonly secretariatToken: string
  /** Of a member to which one announcement in four is addressed. */
  readonly officerToken: string
}

const stems = [...'云谷星河青岚锦川明远启辰瀚海凌霄智汇天枢格物光年溯源栖梧澄宇若木玄鸟朔方翠屏嘉禾']
const lines = ['数字孪生', '虚拟现实', '文旅科技', '数字人', '算力', '沉浸影像', '空间计算', '工业仿真', '元宇宙']
const bodies = ['有限公司', '科技有限公司', '股份有限公司', '协会', '产业联盟', '研究院']

/** A piece of a name with its part of every key: names are made in SQL by putting pieces together. */
interface Piece {
  readonly sort: 'stem' | 'line' | 'body'
  readonly n: number
  readonly zh: string
  readonly pinyin: string
  readonly stroke: string
  readonly latin: string
  readonly initials: string
}

function pieces(): Piece[] {
  const piece = (sort: Piece['sort']) => (zh: string, n: number) => {
    const pinyin = pinyinKey(zh)
    const initials = pinyin.replace(/(\w)\S*\s?/g, '$1')
    return { sort, n, zh, pinyin, stroke: strokeKey(zh), latin: latinKey({ 'zh-Hans': zh }), initials }
  }
  const pairs = stems.flatMap(a => stems.map(b => a + b))
  return [...pairs.map(piece('stem')), ...lines.map(piece('line')), ...bodies.map(piece('body'))]
}

/** A number from 0 to 1 that depends on a row and a salt alone. */
const chance = (row: string, salt: number) =>
  sql.raw(`((hashint8extended(${row}, ${salt}) & 1048575) / 1048576::float8)`)
const pick = (number: RawBuilder<unknown>) => sql`floor(${number})::int`
/** A UUIDv7 that ascends with `n`. */
const uuid = (n: string, salt: number) =>
  sql.raw(
    `(lpad(to_hex(1650000000000 + ${n} * 1000::bigint), 12, '0') || '7' || substr(md5((${n})::text || ':${salt}'), 1, 3) || '8' || substr(md5((${n})::text || ':${salt}'), 4, 15))::uuid`,
  )

/** Runs what fills tables without their triggers and indexes, and makes these afterwards: it is many times faster. */
async function withoutIndexes(db: Db, tables: readonly string[], fill: () => Promise<void>): Promise<void> {
  const { rows } = await sql<{ name: string; definition: string }>`
    select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
    from pg_index where indrelid = any(${tables}::text[]::regclass[])
      and not exists (select from pg_constraint where conindid = indexrelid)`.execute(db)
  for (const { name } of rows) await sql`drop index ${sql.raw(name)}`.execute(db)
  for (const table of tables) await sql`alter table ${sql.ref(table)} disable trigger all`.execute(db)
  await fill()
  for (const table of tables) await sql`alter table ${sql.ref(table)} enable trigger all`.execute(db)
  for (const { definition } of rows) await sql.raw(definition).execute(db)
  // These went with the indexes; the migration gives them.
  for (const { name } of rows.filter(({ name }) => name.endsWith('_parts')))
    await sql`alter index ${sql.raw(name)} alter column 1 set statistics 1000`.execute(db)
}

async function fillMembers(db: Db, count: number): Promise<void> {
  await sql`create temp table pieces (sort text, n integer, zh text, pinyin text, stroke text, latin text, initials text)`.execute(
    db,
  )
  await sql`insert into pieces select * from jsonb_populate_recordset(null::pieces, ${JSON.stringify(pieces())}::jsonb)`.execute(
    db,
  )
  // Invented cities and districts beside the real places, so that there are some hundred of them.
  await sql`
    insert into regions (id, code, level, parent_code, province_code, names, short_names, time_zone, source, search)
    select gen_random_uuid(), left(p.code, 2) || 60 + n || '00', 'PREFECTURE_CITY', p.code, p.code,
      jsonb_build_object('zh-Hans', '云城' || n, 'en', 'Cloud City ' || n), '{}', 'Asia/Shanghai', 'invented', '云城' || n
    from regions p, generate_series(1, 9) n where p.code like '__0000' on conflict do nothing`.execute(db)
  await sql`
    insert into regions (id, code, level, parent_code, province_code, names, short_names, time_zone, source, search)
    select gen_random_uuid(), left(c.code, 4) || 70 + n, 'DISTRICT', c.code, c.province_code,
      jsonb_build_object('zh-Hans', '云区' || n, 'en', 'Cloud District ' || n), '{}', 'Asia/Shanghai', 'invented', '云区' || n
    from regions c, generate_series(1, 4) n where c.code like '____00' and c.code not like '__0000'
    on conflict do nothing`.execute(db)
  // Some cities have far more members than others, and one in four members names its district.
  await sql`
    create temp table seats as
    select code, row_number() over (order by md5(code)) - 1 as n from regions where code not like '__0000' and code like '____00'`.execute(
    db,
  )
  await sql`
    create temp table words as
    select vocabulary, code, row_number() over (partition by vocabulary order by position) - 1 as n from vocabulary_terms`.execute(
    db,
  )
  await sql`
    insert into vocabulary_terms select v, 'invented_' || n, 1000 + n, jsonb_build_object('en', 'Invented ' || n), 'invented'
    from unnest(array['FIELD', 'CAPABILITY']) v, generate_series(1, 30) n`.execute(db)
  await sql`
    insert into words select vocabulary, code, position - 1000 + (select count(*) from words where words.vocabulary = t.vocabulary) - 1
    from vocabulary_terms t where source = 'invented'`.execute(db)
  await sql`create temp table cities as select seats.code, seats.n, r.names->>'zh-Hans' as zh from seats join regions r using (code)`.execute(
    db,
  )
  await sql`alter table cities add pinyin text, add stroke text, add latin text, add initials text`.execute(db)
  const { rows: named } = await sql<{ code: string; zh: string }>`select code, zh from cities`.execute(db)
  const keyed = named.map(({ code, zh }) => {
    const lines = searchText({ 'zh-Hans': zh }, []).split('\n')
    const initials = lines.find(line => /^[a-z0-9]{1,6}$/.test(line)) ?? ''
    return { code, pinyin: pinyinKey(zh), stroke: strokeKey(zh), latin: latinKey({ 'zh-Hans': zh }), initials }
  })
  await sql`
    update cities set pinyin = k.pinyin, stroke = k.stroke, latin = k.latin, initials = k.initials
    from jsonb_to_recordset(${JSON.stringify(keyed)}::jsonb) k (code text, pinyin text, stroke text, latin text, initials text)
    where k.code = cities.code`.execute(db)
  // A few hundred choices of terms, of which every member has one: some terms are common, others rare.
  await sql`
    create temp table choices as
    select vocabulary, n, array(
      select distinct words.code from generate_series(1, 1 + n % most) k
      join words on words.vocabulary = v.vocabulary and words.n = floor(power(${chance('choices.n * 8 + k', 6)}, 2) * v.size)::int
    ) as codes
    from (select vocabulary, count(*) as size, case vocabulary when 'FIELD' then 4 else 3 end as most from words group by 1) v,
      generate_series(0, 599) choices (n)`.execute(db)
  await sql`analyze pieces, cities, choices`.execute(db)
  await sql`
    insert into members (id, kind, association_kind, region_code, version, status, joining_number, joined_on, names,
      summaries, fields, capabilities, founded, size, sources, pinyin_key, stroke_key, latin_key, search, created_at, updated_at)
    select ${uuid('i', 1)}, kind,
      case when kind = 'ASSOCIATION' then (array['ASSOCIATION', 'ALLIANCE', 'RESEARCH_INSTITUTE', 'UNIVERSITY', 'MEDIA',
        'HOSPITAL', 'THINK_TANK', 'COORDINATION_BODY'])[1 + floor(power(${chance('i', 2)}, 3) * 8)] end,
      case when ${chance('i', 3)} < 0.75 then c.code else left(c.code, 4) || 71 + floor(${chance('i', 4)} * 4) end,
      1, status,
      case when status <> 'LISTED' then i end, case when status <> 'LISTED' then date '2023-01-01' end,
      jsonb_build_object('zh-Hans', c.zh || a.zh || b.zh || l.zh || e.zh, 'en', initcap(c.latin) || ' ' || initcap(a.latin || b.latin) || ' ' || l.latin || ' Ltd'),
      jsonb_build_object('zh-Hans', c.zh || a.zh || '面向城市与产业，提供' || l.zh || '方面的平台、标准与人才服务。'),
      f.codes, p.codes,
      '2020', floor(${chance('i', 9)} * 500), '[]',
      c.pinyin || ' ' || a.pinyin || ' ' || b.pinyin || ' ' || l.pinyin || ' ' || e.pinyin,
      c.stroke || a.stroke || b.stroke || l.stroke || e.stroke,
      c.latin || ' ' || a.latin || b.latin || ' ' || l.latin || ' ltd',
      c.zh || a.zh || b.zh || l.zh || e.zh || chr(10) || c.latin || a.latin || b.latin || l.latin || e.latin || chr(10) ||
        c.initials || a.initials || b.initials || l.initials || e.initials || chr(10) ||
        c.latin || ' ' || a.latin || b.latin || ' ' || l.latin || ' ltd',
      timestamptz '2023-01-01Z' + i * interval '30 seconds',
      timestamptz '2023-01-01Z' + floor(${chance('i', 10)} * 3e7) * interval '1 second' + i * interval '50 seconds'
    from (
      select i,
        case when i <= 343 then 'CITY' when ${chance('i', 11)} < 0.13 then 'ASSOCIATION' else 'COMPANY' end as kind,
        case when luck < 0.97 then 'LISTED' when luck < 0.99 then 'ADMITTED' when luck < 0.993 then 'SUSPENDED'
          when luck < 0.998 then 'WITHDRAWN' else 'EXPELLED' end as status,
        ${pick(sql`power(${chance('i', 13)}, 4) * (select count(*) from cities)`)} as city,
        ${pick(sql`${chance('i', 14)} * ${sql.lit(stems.length ** 2)}`)} as stem,
        ${pick(sql`${chance('i', 15)} * ${sql.lit(stems.length ** 2)}`)} as stem2,
        ${pick(sql`power(${chance('i', 16)}, 2) * ${sql.lit(lines.length)}`)} as line,
        ${pick(sql`${chance('i', 17)} * 3`)} as body,
        ${pick(sql`${chance('i', 5)} * 600`)} as field,
        ${pick(sql`${chance('i', 7)} * 600`)} as capability
      from (select i, ${chance('i', 12)} as luck from generate_series(1, ${count}::int) i) dice
    ) m
    join cities c on c.n = city
    join pieces a on a.sort = 'stem' and a.n = stem
    join pieces b on b.sort = 'stem' and b.n = stem2
    join pieces l on l.sort = 'line' and l.n = line
    join pieces e on e.sort = 'body' and e.n = body + case when kind = 'ASSOCIATION' then 3 else 0 end
    join choices f on f.vocabulary = 'FIELD' and f.n = field
    join choices p on p.vocabulary = 'CAPABILITY' and p.n = capability`.execute(db)
  await sql`
    insert into member_references select 'portal', i::text, ${uuid('i', 1)} from generate_series(1, ${count}::int, 3) i`.execute(
    db,
  )
  await sql`
    insert into member_revisions (member_id, version, at, actor, changes)
    select ${uuid('i', 1)}, version, now(), 'program:seed', '[]'
    from generate_series(1, ${count}::int) i, generate_series(1, case when i % 1000 = 1 then 300 else 1 end) version`.execute(
    db,
  )
}

/** As the migration fills them, since the triggers were off. */
async function fillFacets(db: Db): Promise<void> {
  await sql`
    insert into member_facets
    select facet,
      case when m.status in ('WITHDRAWN', 'EXPELLED') then 'LEFT ' when m.status <> 'LISTED' then 'JOINED ' else '' end || m.kind,
      m.id, m.pinyin_key, m.stroke_key, m.latin_key, coalesce(m.joining_number, 2147483647)
    from members m, member_facets_of(m.status, m.association_kind, m.region_code, m.fields, m.capabilities) facet`.execute(
    db,
  )
  await sql`insert into member_search select id, search from members`.execute(db)
}

async function fillAnnouncements(db: Db, count: number): Promise<void> {
  await sql`
    insert into announcements (id, version, status, category, urgency, titles, search, bodies, attachments, audience,
      is_public, acknowledge_by, pinned_until, publish_at, published_at, retracted_at, retraction_reason, created_at, updated_at)
    select ${uuid('i', 2)}, 1, status, (array['NOTICE', 'NEWS', 'EVENT', 'POLICY', 'CALL', 'RELEASE'])[1 + floor(power(${chance('i', 21)}, 2) * 6)],
      case when ${chance('i', 22)} < 0.9 then 'NORMAL' when ${chance('i', 22)} < 0.98 then 'URGENT' else 'CRITICAL' end,
      jsonb_build_object('zh-Hans', '关于' || a.zh || b.zh || l.zh || '工作的通知'),
      '关于' || a.zh || b.zh || l.zh || '工作的通知' || chr(10) || a.latin || b.latin || l.latin,
      jsonb_build_object('zh-Hans', repeat('各成员单位：请按要求办理。', 10)), '[]',
      '{"include": [{"public": true, "allMembers": true, "kinds": [], "regions": [], "members": []}], "exclude": []}',
      ${chance('i', 23)} < 0.6, case when i % 3 = 0 then at + interval '30 days' end,
      case when status = 'PUBLISHED' and i > ${count} - 10 then now() + interval '30 days' end,
      case when status = 'SCHEDULED' then now() + interval '100 days' end,
      case when status in ('PUBLISHED', 'RETRACTED') then at end, case when status = 'RETRACTED' then at end,
      case when status = 'RETRACTED' then 'example' end, at, at
    from (
      select i, timestamptz '2020-01-01Z' + i * interval '15 minutes' as at,
        case when i % 10007 = 0 then 'SCHEDULED' when luck < 0.01 then 'DRAFT' when luck < 0.025 then 'RETRACTED' else 'PUBLISHED' end as status
      from (select i, ${chance('i', 24)} as luck from generate_series(1, ${count}::int) i) dice
    ) m
    join pieces a on a.sort = 'stem' and a.n = ${pick(sql`${chance('i', 25)} * ${sql.lit(stems.length ** 2)}`)}
    join pieces b on b.sort = 'stem' and b.n = ${pick(sql`${chance('i', 26)} * ${sql.lit(stems.length ** 2)}`)}
    join pieces l on l.sort = 'line' and l.n = ${pick(sql`power(${chance('i', 27)}, 2) * ${sql.lit(lines.length)}`)}`.execute(
    db,
  )
  await sql`
    insert into announcement_revisions (announcement_id, version, at, actor, change, snapshot)
    select id, n, now(), 'program:seed', 'DRAFTED', jsonb_build_object('titles', titles, 'bodies', bodies)
    from announcements, generate_series(1, case when right(id::text, 3) = '000' then 200 else 1 end) n`.execute(db)
  // Most reach few members, some hundreds, and the latest everybody who has joined.
  await sql`
    create temp table joined as
    select id, row_number() over (order by md5(id::text)) - 1 as n, row_number() over (order by pinyin_key, stroke_key, id) as place
    from members where status <> 'LISTED'`.execute(db)
  await sql`create unique index on joined (n)`.execute(db)
  await sql`analyze joined`.execute(db)
  await sql`
    insert into announcement_recipients (announcement_id, member_id, published_at, is_public, is_asked, acknowledged_at, acknowledged_by, place)
    select a.id, j.id, a.published_at, a.is_public, a.acknowledge_by is not null,
      case when j.n % 3 = 0 then now() end, case when j.n % 3 = 0 then 'program:seed' end, j.place
    from (select *, hashint8extended(hashtext(id::text), 31) & 1048575 as dice, row_number() over (order by listed_at desc) as age
      from announcements where published_at is not null) a,
      (select count(*) as count from joined) total,
      lateral (
        select distinct n % total.count as n from (
          select 0 as n where dice % 4 = 0
          union all
          select dice + k from generate_series(1, case when age <= 5 then total.count when dice % 100 = 1 then 500 else dice % 12 end) k
        ) chosen
      ) chosen
      join joined j on j.n = chosen.n`.execute(db)
}

/** Seventy years of an alliance whose council of sixty, chairs and host change every year. */
async function fillOffices(db: Db): Promise<void> {
  await sql`
    insert into office_terms (id, office, member_id, from_day, until_day, created_at, updated_at)
    select ${uuid('(year * 100 + seat)', 5)}, office, j.id, date '1980-01-01' + year * interval '1 year',
      case when office <> 'PERMANENT_CHAIR' or year < 45 then (date '1981-01-01' + year * interval '1 year')::date end, now(), now()
    from generate_series(0, 69) year
    cross join generate_series(1, 70) seat
    cross join lateral (select case when seat <= 60 then 'COUNCIL' when seat <= 65 then 'ROTATING_CHAIR' when seat <= 69 then 'PERMANENT_CHAIR' else 'SECRETARIAT_HOST' end as office) o
    join joined j on j.n = (year * 7 + seat) % (select count(*) from joined)
    where office <> 'PERMANENT_CHAIR' or year <= 45`.execute(db)
  await sql`
    insert into office_term_changes (term_id, version, at, actor, change, office, from_day, until_day, reason)
    select id, n, now(), 'program:seed', 'GRANTED', office, from_day, until_day, 'example'
    from office_terms, generate_series(1, case when right(id::text, 2) = '00' then 200 else 1 end) n`.execute(db)
}

/**
 * Three versions, the second of which asks for renewal. One member in two signed the first, and some of these a later one
 * or withdrew.
 */
async function fillInitiative(db: Db, members: number): Promise<void> {
  await sql`
    insert into initiative_versions (id, version, number, status, requires_renewal, titles, bodies, hashes, sha256,
      created_at, updated_at, opened_at, superseded_at)
    select ${uuid('n', 6)}, 2, n, case when n = 3 then 'OPEN' else 'SUPERSEDED' end, n = 2,
      '{"zh-Hans": "虚构的倡议"}', jsonb_build_object('zh-Hans', '第' || n || '版'), '{"zh-Hans": "0"}', '0', at, at, at,
      case when n < 3 then at + interval '1 year' end
    from generate_series(1, 3) n, lateral (select timestamptz '2022-01-01Z' + n * interval '1 year' as at) opening`.execute(
    db,
  )
  await sql`
    insert into initiative_signatures (id, version_id, member_id, member_names, account_id, person, signed_at, sha256,
      binding, code, countersigned_at, countersigned_by, renewed_at, withdrawn_at, withdrawn_by, withdrawal_reason, kind,
      association_kind, region_code, is_left)
    select ${uuid(`(i * 4 + n)`, 7)}, ${uuid('n', 6)}, m.id, m.names, a.id, '代表' || i, at, '0', '0', md5(i || ':' || n),
      case when ${chance('i * 4 + n', 41)} < 0.8 then at end, case when ${chance('i * 4 + n', 41)} < 0.8 then 'program:seed' end,
      case when n < latest then at + interval '1 year' end,
      case when isWithdrawn then at + interval '1 day' end, case when isWithdrawn then 'program:seed' end,
      case when isWithdrawn then 'example' end, m.kind, m.association_kind, m.region_code,
      m.status in ('WITHDRAWN', 'EXPELLED')
    from generate_series(1, ${members}::int, 2) i
    cross join lateral (select case when ${chance('i', 42)} < 0.5 then 1 when ${chance('i', 42)} < 0.9 then 2 else 3 end as latest) l
    cross join generate_series(1, latest) n
    cross join lateral (
      select n = latest and ${chance('i', 43)} < 0.05 as isWithdrawn,
        timestamptz '2022-01-01Z' + n * interval '1 year' + floor(${chance('i * 4 + n', 44)} * 31000000) * interval '1 second' as at
    ) s
    join members m on m.id = ${uuid('i', 1)}
    cross join (select id from accounts limit 1) a`.execute(db)
}

async function fillAccess(db: Db, count: number): Promise<void> {
  await sql`
    insert into accounts (id, name, email, created_at) select ${uuid('i', 3)}, '联络员' || i, 'o' || i || '@example.org', now()
    from generate_series(1, ${count}::int) i`.execute(db)
  await sql`
    insert into officers (account_id, member_id, role, created_at)
    select ${uuid('i', 3)}, j.id, 'LIAISON', now() from generate_series(1, ${count}::int) i
    join joined j on j.n = i % (select count(*) from joined)`.execute(db)
  await sql`
    insert into portals (id, name, contact, purpose, scopes, created_at)
    select ${uuid('i', 4)}, '云谷门户' || i, 'p@example.org', 'example', '{DIRECTORY_FOLLOW}', now() from generate_series(1, ${count}::int / 20) i`.execute(
    db,
  )
  await sql`
    insert into tokens (id, kind, secret_hash, account_id, member_id, created_at, created_by, expires_at, revoked_at, revoked_by, revoked_reason)
    select gen_random_uuid(), 'OFFICER', '\\x00', account_id, member_id, now(), 'program:seed', now() + interval '90 days',
      case when k > 1 then now() end, case when k > 1 then 'program:seed' end, case when k > 1 then 'rotated' end
    from officers, generate_series(1, 3) k`.execute(db)
  await sql`
    insert into tokens (id, kind, secret_hash, portal_id, created_at, created_by, expires_at)
    select gen_random_uuid(), 'PORTAL', '\\x00', id, now(), 'program:seed', now() + interval '90 days' from portals`.execute(
    db,
  )
}

/** Officers beyond those with tokens, invitations of years, of which the latest are pending, and their mails. */
async function fillPeople(db: Db, count: number): Promise<void> {
  await sql`
    insert into accounts (id, name, email, created_at) select ${uuid('i', 8)}, '人员' || i, 'p' || i || '@example.org', now()
    from generate_series(1, ${count}::int) i`.execute(db)
  await sql`
    insert into officers (id, account_id, member_id, role, created_at)
    select ${uuid('i', 9)}, ${uuid('i', 8)}, ${uuid('i', 1)},
      case when ${chance('i', 51)} < 0.05 then 'VIEWER' when ${chance('i', 51)} < 0.4 then 'REPRESENTATIVE' else 'LIAISON' end,
      timestamptz '2020-01-01Z' + i * interval '1 hour' from generate_series(1, ${count}::int) i`.execute(db)
  await sql`
    insert into mails (id, purpose, about, recipient, locale, subject, text, state, attempts, created_at, next_attempt_at, sent_at)
    select ${uuid('i', 10)}, 'INVITATION', ${uuid('i', 11)}, 'p' || i || '@example.org', 'zh-Hans', '邀请', '邀请', state, 1, now(),
      case when state = 'WAITING' then now() end, case when state = 'SENT' then now() end
    from generate_series(1, ${count}::int) i
    cross join lateral (select case when i % 1000 = 1 then 'FAILED' when i > ${count}::int - 20 then 'WAITING' else 'SENT' end as state) s`.execute(
    db,
  )
  await sql`
    insert into invitations (id, kind, member_id, role, name, email, locale, actor, created_at, expires_at, mail_id, accepted_at, revoked_at, revoked_by)
    select ${uuid('i', 11)}, 'OFFICER', case when i % 3 = 0 then ${uuid('1', 1)} else ${uuid('i', 1)} end, 'LIAISON', '人员' || i,
      'p' || i || '@example.org', 'zh-Hans', 'program:seed', now(),
      now() + case when i > ${count}::int - 50 then interval '10 days' else interval '-10 days' end, ${uuid('i', 10)},
      case when luck < 0.7 then now() end, case when luck > 0.98 then now() end, case when luck > 0.98 then 'program:seed' end
    from (select i, ${chance('i', 52)} as luck from generate_series(1, ${count}::int) i) dice`.execute(db)
}

async function fillJournal(db: Db, count: number, members: number): Promise<void> {
  await sql`
    insert into event_log (seq, type, subject, detail, audience, audience_members, actor, at)
    select i, 'member.profile', ${uuid(`(i % ${members} + 1)`, 1)}, '{"version": 2, "fields": ["summaries"]}', 'SUBJECT', '{}', 'program:seed', now()
    from generate_series(1, ${count}::int) i`.execute(db)
  await sql`update journal_head set seq = ${count}::bigint`.execute(db)
}

/**
 * Fills an empty PostgreSQL database with a big invented alliance, the same in every run.
 * @param onStep hears what was done
 */
export async function seedBig(
  connectionString: string,
  sizes: BigSizes,
  onStep: (step: string) => void = () => undefined,
): Promise<BigCallers> {
  const database = openPostgres(connectionString, 1, { patient: true, named: false })
  const { db } = database
  try {
    await migrate(database)
    const now = new Date()
    await db.transaction().execute(async tx => {
      await loadPlaces(tx, now)
      await loadVocabularies(tx)
    })
    await sql`set maintenance_work_mem = '512MB'`.execute(db)
    await sql`set work_mem = '256MB'`.execute(db)
    const member = ['members', 'member_references', 'member_revisions']
    await withoutIndexes(db, member, () => fillMembers(db, sizes.members))
    onStep('members')
    await sql`analyze members`.execute(db)
    await withoutIndexes(db, ['member_facets', 'member_search'], () => fillFacets(db))
    onStep('facets')
    const announcement = ['announcements', 'announcement_revisions', 'announcement_recipients']
    await withoutIndexes(db, announcement, () => fillAnnouncements(db, sizes.announcements))
    onStep('announcements')
    await withoutIndexes(db, ['event_log'], () => fillJournal(db, sizes.events, sizes.members))
    await withoutIndexes(db, ['office_terms', 'office_term_changes'], () => fillOffices(db))
    await fillAccess(db, Math.ceil(sizes.members / 50))
    const people = ['accounts', 'officers', 'mails', 'invitations']
    await withoutIndexes(db, people, () => fillPeople(db, Math.ceil(sizes.members / 4)))
    await withoutIndexes(db, ['initiative_signatures'], () => fillInitiative(db, sizes.members))
    onStep('journal, offices and access')
    await sql`vacuum analyze`.execute(db)
    onStep('statistics')
    const request = programRequest(db, now, 'seed')
    const busy = await sql<{ id: string }>`select id from joined where n = 0`.execute(db)
    const { secret: secretariatToken } = await issueSecretariatToken(request, {
      name: '秘书处',
      email: 'big@example.org',
    })
    await sql`update members set status = 'ADMITTED' where id = ${busy.rows[0]!.id}`.execute(db)
    const { secret: officerToken } = await issueOfficerToken(request, {
      name: '联络员',
      email: 'officer@example.org',
      memberId: busy.rows[0]!.id,
      role: 'LIAISON',
    })
    return { secretariatToken, officerToken }
  } finally {
    await database.close()
  }
}
