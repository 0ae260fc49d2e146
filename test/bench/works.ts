import type { IncomingHttpHeaders } from 'node:http'
import { parseId } from '../../src/ids.ts'

/** What is measured. */
export const workNames = ['profile', 'page', 'update', 'fanout'] as const
export type WorkName = (typeof workNames)[number]

/** Who does it: the service, and the yardstick of `bare-server.ts`. */
export const contestants = ['ours', 'bare'] as const
export type Contestant = (typeof contestants)[number]

/** A member that a work is done on. */
export interface MemberTarget {
  /** The id that the API shows. */
  readonly id: string
  readonly uuid: string
}

/** A list that a page is asked of. */
export interface PageTarget {
  readonly kind: string
  /** GB/T 2260 code. */
  readonly region: string
}

const profileDocument = `query Profile($id: ID!) {
  member(id: $id) {
    __typename
    id
    profile { names { locale text } summary fields { code label } }
    region { code name }
    membership { status }
  }
}`

const pageDocument = `query Page($kind: MemberKind!, $region: String!) {
  members(filter: { kinds: [$kind], regions: [$region] }, orderBy: { by: PINYIN }, first: 50) {
    nodes { __typename id profile { name } region { name } membership { status } }
    pageInfo { hasNextPage endCursor }
  }
}`

const updateDocument = `mutation Update($id: ID!, $input: UpdateProfileInput!) {
  updateProfile(id: $id, input: $input) { member { id version profile { summary } } userErrors { code message } }
}`

export const subscriptionDocument =
  'subscription Published { announcementPublished { cursor announcement { id title } } }'

/** Whom anonymous callers see; the same condition as in the service. */
const visible = `m.status not in ('WITHDRAWN', 'EXPELLED')`
const inChinese = (texts: string) => `coalesce(${texts}->>'zh-Hans', ${texts}->>'en')`
const typename = 'initcap(m.kind)'

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
 * The yardstick's statement for a page of 50: $1 is the kind, $2 the pattern of the region's codes; one row, `body` is
 * the connection as JSON text.
 */
export const pageSql = `
  select json_build_object(
    'nodes', coalesce(json_agg(json_build_object(
      '__typename', typename,
      'id', id,
      'profile', json_build_object('name', name),
      'region', case when region is not null then json_build_object('name', region) end,
      'membership', json_build_object('status', status)
    ) order by n) filter (where n <= 50), '[]'),
    'pageInfo', json_build_object(
      'hasNextPage', count(*) > 50,
      'endCursor', max(json_build_array(pinyin_key, stroke_key, id)::text) filter (where n = least(50, total))
    )
  )::text as body
  from (
    select *, count(*) over () as total
    from (
      select ${typename} as typename, m.id, ${inChinese('m.names')} as name, ${inChinese('r.names')} as region, m.status,
        m.pinyin_key, m.stroke_key, row_number() over (order by m.pinyin_key, m.stroke_key, m.id) as n
      from members m left join regions r on r.code = m.region_code
      where m.kind = $1 and m.region_code like $2 and ${visible}
      order by m.pinyin_key, m.stroke_key, m.id
      limit 51
    ) found
  ) page`

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
      'SUBJECT', '{}', $4, null, $5, updated_at
    from changed
  )
  select json_build_object(
    'id', id, 'version', version, 'profile', json_build_object('summary', ${inChinese('summaries')})
  )::text as body
  from changed`

/** The text of an HTTP/1.1 request for a connection that is kept open. */
function httpText(method: string, path: string, headers: IncomingHttpHeaders, body?: unknown): string {
  const content = body === undefined ? '' : JSON.stringify(body)
  const all: IncomingHttpHeaders = {
    host: '127.0.0.1',
    accept: 'application/json',
    ...headers,
    ...(body !== undefined && {
      'content-type': 'application/json',
      'content-length': `${Buffer.byteLength(content)}`,
    }),
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${content}`
}

function graphqlText(query: string, variables: unknown, token?: string): string {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return httpText('POST', '/graphql', headers, { query, variables })
}

/** A request for one profile. */
export function profileRequest(contestant: Contestant, { id, uuid }: MemberTarget): string {
  return contestant === 'ours' ? graphqlText(profileDocument, { id }) : httpText('GET', `/member/${uuid}`, {})
}

/** A request for a page of 50. */
export function pageRequest(contestant: Contestant, { kind, region }: PageTarget): string {
  if (contestant === 'ours') return graphqlText(pageDocument, { kind, region })
  // What the service makes of a code itself: 510000 is all that begins with 51.
  const pattern = `${region.replace(/(00){1,2}$/, '')}%`
  return httpText('GET', `/members?${new URLSearchParams({ kind, region: pattern })}`, {})
}

/** A request that changes the summary of a profile at a version; the service asks who is writing. */
export function updateRequest(
  contestant: Contestant,
  { id, uuid }: MemberTarget,
  version: number,
  token: string,
): string {
  const summary = `以数字孪生连接城市与产业，第 ${version} 次修订。`
  if (contestant === 'bare') return httpText('POST', '/update', {}, { id: uuid, version, summary })
  const input = { expectedVersion: version, profile: { summaries: [{ locale: 'zh-Hans', text: summary }] } }
  return graphqlText(updateDocument, { id, input }, token)
}

/**
 * An answer as both contestants must give it: without extensions, ids as UUIDs, and cursors, which each may write as it
 * likes, only as there or not.
 */
export function comparable(answer: unknown): unknown {
  if (Array.isArray(answer)) return answer.map(comparable)
  if (typeof answer !== 'object' || answer === null) return answer
  return Object.fromEntries(
    Object.entries(answer)
      .filter(([key]) => key !== 'extensions')
      .map(([key, value]) => {
        if (key === 'id') return [key, parseId(String(value))?.uuid ?? value]
        if (key === 'endCursor') return [key, typeof value]
        return [key, comparable(value)]
      }),
  )
}
