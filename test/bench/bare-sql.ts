/**
 * The yardstick's statements, each of which makes the whole answer as JSON, and what the flat contestant shares with them.
 */

/** Whom anonymous callers see; the same condition as in the service. */
export const visible = `m.status not in ('WITHDRAWN', 'EXPELLED')`
export const inChinese = (texts: string) => `coalesce(${texts}->>'zh-Hans', ${texts}->>'en')`
export const typename = 'initcap(m.kind)'

/** The yardstick's statement for one profile: $1 is the member's UUID; one row, `body` is the member as JSON text. */
export const profileSql = `
  select json_build_object(
    '__typename', ${typename},
    'id', m.id,
    'profile', json_build_object(
      'names', (
        select json_agg(json_build_object('locale', key, 'text', value) order by key = 'zh-Hans' desc, key)
        from jsonb_each_text(m.names)
      ),
      'summary', ${inChinese('m.summaries')},
      'fields', (
        select coalesce(json_agg(json_build_object('code', t.code, 'label', ${inChinese('t.labels')}) order by f.n), '[]')
        from unnest(m.fields) with ordinality f (code, n)
        join vocabulary_terms t on t.vocabulary = 'FIELD' and t.code = f.code
      )
    ),
    'region', case when r.code is not null then json_build_object('code', r.code, 'name', ${inChinese('r.names')}) end,
    'membership', json_build_object('status', m.status)
  )::text as body
  from members m left join regions r on r.code = m.region_code
  where m.id = $1 and ${visible}`

/**
 * The yardstick's statement for a page of 50: $1 is the kind, $2 the facet of the place (`member_facets`, which has those
 * that joined on a shelf of their own); one row,
 * `body` is the connection as JSON text.
 */
export const pageSql = `
  select json_build_object(
    'nodes', coalesce(json_agg(json_build_object(
      '__typename', ${typename},
      'id', m.id,
      'profile', json_build_object('name', ${inChinese('m.names')}),
      'region', case when r.code is not null then json_build_object('name', ${inChinese('r.names')}) end,
      'membership', json_build_object('status', m.status)
    ) order by n) filter (where n <= 50), '[]'),
    'pageInfo', json_build_object(
      'hasNextPage', count(*) > 50,
      'endCursor', max(json_build_array(found.pinyin_key, found.stroke_key, m.id)::text) filter (where n = least(50, total))
    )
  )::text as body
  from (
    select *, count(*) over () as total, row_number() over (order by pinyin_key, stroke_key, member_id) as n
    from (
      (
        select member_id, pinyin_key, stroke_key from member_facets where facet = $2 and shelf = $1
        order by pinyin_key, stroke_key, member_id limit 51
      ) union all (
        select member_id, pinyin_key, stroke_key from member_facets where facet = $2 and shelf = 'JOINED ' || $1
        order by pinyin_key, stroke_key, member_id limit 51
      )
      order by pinyin_key, stroke_key, member_id
      limit 51
    ) first
  ) found
  join members m on m.id = found.member_id
  left join regions r on r.code = m.region_code`

/**
 * The yardstick's statement for an update: $1 is the member's UUID, $2 the version expected, $3 the Chinese summary, $4
 * the actor, $5 the id of the request. It writes the rows that the service writes: member, revision and outbox. One row,
 * `body` is the member as JSON text; none when the version is another.
 */
export const updateSql = `
  with before as (
    select id, version, summaries from members where id = $1 and version = $2 for no key update
  ), changed as (
    update members m
    set version = m.version + 1, updated_at = greatest(m.updated_at, now()),
      summaries = before.summaries || jsonb_build_object('zh-Hans', $3::text)
    from before where m.id = before.id
    returning m.id, m.version, m.summaries, before.summaries as summaries_before, m.updated_at
  ), revision as (
    insert into member_revisions (member_id, version, at, actor, on_behalf_of, reason, changes)
    select id, version, updated_at, $4, null, null, jsonb_build_array(
      jsonb_build_object('field', 'summaries', 'before', summaries_before, 'after', summaries))
    from changed
  ), event as (
    insert into outbox (type, subject, detail, audience, audience_members, actor, on_behalf_of, request_id, at)
    select 'member.profile', id, jsonb_build_object('version', version, 'fields', jsonb_build_array('summaries')),
      'PUBLIC', '{}', $4, null, $5, updated_at
    from changed
  )
  select json_build_object(
    'id', id, 'version', version, 'profile', json_build_object('summary', ${inChinese('summaries')})
  )::text as body
  from changed`

/**
 * The yardstick's statement for a dashboard: $1 is the field of work; one row, `body` is the connection as JSON text:
 * the 20 latest projects with their leads, first 10 participants, milestones and cities.
 */
export const dashboardSql = `
  select json_build_object('nodes', coalesce(json_agg(json_build_object(
      'id', p.id,
      'title', ${inChinese('p.titles')},
      'region', case when r.code is not null then json_build_object('name', ${inChinese('r.names')}) end,
      'lead', case when m.id is not null then json_build_object(
        'id', m.id,
        'profile', json_build_object('name', ${inChinese('m.names')}),
        'region', case when mr.code is not null then json_build_object('name', ${inChinese('mr.names')}) end
      ) end,
      'participants', json_build_object('nodes', participants.nodes),
      'milestones', milestones.list
    ) order by p.created_at desc, p.id desc), '[]'))::text as body
  from (
    select * from projects where field = $1 order by created_at desc, id desc limit 20
  ) p
  left join regions r on r.code = p.region_code
  left join members m on m.id = p.lead_id and ${visible}
  left join regions mr on mr.code = m.region_code
  cross join lateral (
    select coalesce(json_agg(json_build_object(
      'role', found.role,
      'member', case when m.id is not null then json_build_object(
        'profile', json_build_object('name', ${inChinese('m.names')}),
        'region', case when r.code is not null then json_build_object('name', ${inChinese('r.names')}) end
      ) end
    ) order by found.position), '[]') as nodes
    from (
      select * from project_participants where project_id = p.id order by position limit 10
    ) found
    left join members m on m.id = found.member_id and ${visible}
    left join regions r on r.code = m.region_code
  ) participants
  cross join lateral (
    select coalesce(json_agg(json_build_object('title', title, 'due', due, 'done', done) order by position), '[]') as list
    from project_milestones where project_id = p.id
  ) milestones`
