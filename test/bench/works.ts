import type { IncomingHttpHeaders } from 'node:http'
import { postgraphileBody } from './peers/postgraphile-works.ts'

/** What is measured. */
export const workNames = ['profile', 'page', 'dashboard', 'update', 'fanout'] as const
export type WorkName = (typeof workNames)[number]
/** What is measured by requests over HTTP. */
export type LoadWork = Exclude<WorkName, 'fanout'>

/** The two of the fan-out: the service, and the yardstick of `bare-server.ts`. */
export type Contestant = 'ours' | 'bare'

/**
 * How a contestant is asked: by paths; by the documents of the service; by the same with UUIDs as ids and without a token;
 * or by the documents of PostGraphile's own schema.
 */
export type Dialect = 'http' | 'service' | 'plain' | 'postgraphile'

/** A member that a work is done on. */
export interface MemberTarget {
  /** The id that the service shows. */
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

const dashboardDocument = `query Dashboard($field: String!) {
  projects(filter: { field: $field }, orderBy: { by: CREATED, direction: DESC }, first: 20) {
    nodes {
      id
      title
      region { name }
      lead { id profile { name } region { name } }
      participants(first: 10) { nodes { role member { profile { name } region { name } } } }
      milestones { title due done }
    }
  }
}`

const updateDocument = `mutation Update($id: ID!, $input: UpdateProfileInput!) {
  updateProfile(id: $id, input: $input) { member { id version profile { summary } } userErrors { code message } }
}`

export const subscriptionDocument =
  'subscription Published { announcementPublished { cursor announcement { id title } } }'

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
export function profileRequest(dialect: Dialect, { id, uuid }: MemberTarget): string {
  if (dialect === 'http') return httpText('GET', `/member/${uuid}`, {})
  if (dialect === 'postgraphile') return httpText('POST', '/graphql', {}, postgraphileBody.profile(uuid))
  return graphqlText(profileDocument, { id: dialect === 'plain' ? uuid : id })
}

/** What the service makes of a code itself: 510000 is all that begins with 51, and has a facet in `member_facets`. */
export const placeFacet = (region: string) => `r${region.replace(/(00){1,2}$/, '')}`

/** A request for a page of 50. */
export function pageRequest(dialect: Dialect, { kind, region }: PageTarget): string {
  if (dialect === 'http')
    return httpText('GET', `/members?${new URLSearchParams({ kind, facet: placeFacet(region) })}`, {})
  if (dialect === 'postgraphile')
    return httpText('POST', '/graphql', {}, postgraphileBody.page(kind, placeFacet(region)))
  return graphqlText(pageDocument, { kind, region })
}

/** A request for the dashboard of a field of work. */
export function dashboardRequest(dialect: Dialect, field: string): string {
  if (dialect === 'http') return httpText('GET', `/projects?${new URLSearchParams({ field })}`, {})
  if (dialect === 'postgraphile') return httpText('POST', '/graphql', {}, postgraphileBody.dashboard(field))
  return graphqlText(dashboardDocument, { field })
}

/** A request that changes the summary of a profile at a version; the service asks who is writing. */
export function updateRequest(dialect: Dialect, { id, uuid }: MemberTarget, version: number, token: string): string {
  const summary = `以数字孪生连接城市与产业，第 ${version} 次修订。`
  if (dialect === 'http') return httpText('POST', '/update', {}, { id: uuid, version, summary })
  if (dialect === 'postgraphile')
    return httpText('POST', '/graphql', {}, postgraphileBody.update(uuid, version, summary))
  const input = { expectedVersion: version, profile: { summaries: [{ locale: 'zh-Hans', text: summary }] } }
  if (dialect === 'plain') return graphqlText(updateDocument, { id: uuid, input })
  return graphqlText(updateDocument, { id, input }, token)
}
