import { inChinese } from '../bare-sql.ts'

/**
 * What PostGraphile is given besides the tables, in its own database, as its guides advise: columns that are computed,
 * lists with filters that its own arguments can't say, and the change of a profile with its revision and outbox row.
 */
export const postgraphileSql = `
  create function regions_name(r regions) returns text language sql stable as $$ select ${inChinese('r.names')} $$;
  create function members_name(m members) returns text language sql stable as $$ select ${inChinese('m.names')} $$;
  create function members_summary(m members) returns text language sql stable as $$ select ${inChinese('m.summaries')} $$;
  create function vocabulary_terms_label(t vocabulary_terms) returns text language sql stable as $$
    select ${inChinese('t.labels')} $$;
  create function projects_title(p projects) returns text language sql stable as $$ select ${inChinese('p.titles')} $$;

  create function members_field_terms(m members) returns setof vocabulary_terms language sql stable rows 4 as $$
    select t.* from unnest(m.fields) with ordinality f (code, n)
    join vocabulary_terms t on t.vocabulary = 'FIELD' and t.code = f.code order by f.n
  $$;
  comment on function members_field_terms(members) is E'@behavior -connection +list\\n@simpleCollections only';

  create function members_in(kind text, facet text) returns setof members language sql stable as $$
    select m.* from member_facets f join members m on m.id = f.member_id
    where f.facet = members_in.facet and f.shelf in (members_in.kind, 'JOINED ' || members_in.kind)
    order by f.pinyin_key, f.stroke_key, f.member_id
  $$;
  create function projects_of(field text) returns setof projects language sql stable as $$
    select p.* from projects p where p.field = projects_of.field order by p.created_at desc, p.id desc
  $$;

  create function update_summary(id uuid, expected integer, summary text) returns members language sql volatile as $$
    with before as (
      select m.id, m.version, m.summaries from members m
      where m.id = update_summary.id and m.version = update_summary.expected for no key update
    ), changed as (
      update members m
      set version = m.version + 1, updated_at = greatest(m.updated_at, now()),
        summaries = before.summaries || jsonb_build_object('zh-Hans', update_summary.summary)
      from before where m.id = before.id
      returning m.*
    ), revision as (
      insert into member_revisions (member_id, version, at, actor, changes)
      select c.id, c.version, c.updated_at, 'account:bench', jsonb_build_array(
        jsonb_build_object('field', 'summaries', 'before', b.summaries, 'after', c.summaries))
      from changed c join before b on b.id = c.id
    ), event as (
      insert into outbox (type, subject, detail, audience, actor, request_id, at)
      select 'member.profile', c.id,
        jsonb_build_object('version', c.version, 'fields', jsonb_build_array('summaries')),
        'PUBLIC', 'account:bench', 'bench', c.updated_at
      from changed c
    )
    select * from changed
  $$`
