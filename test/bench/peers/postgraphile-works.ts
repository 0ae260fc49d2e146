/** The works in the schema that PostGraphile makes of the tables, and its answers in the shape of the service's. */

const profileDocument = `query Profile($id: UUID!) {
  member: memberByRowId(rowId: $id) {
    kind
    id: rowId
    names
    summary
    fields: fieldTermsList { code label }
    region: regionByRegionCode { code name }
    status
  }
}`

const pageDocument = `query Page($kind: String!, $facet: String!) {
  members: membersIn(kind: $kind, facet: $facet, first: 50) {
    nodes { kind id: rowId name region: regionByRegionCode { name } status }
    pageInfo { hasNextPage endCursor }
  }
}`

const dashboardDocument = `query Dashboard($field: String!) {
  projects: projectsOf(field: $field, first: 20) {
    nodes {
      id: rowId
      title
      region: regionByRegionCode { name }
      lead: memberByLeadId { id: rowId name region: regionByRegionCode { name } }
      participants: projectParticipantsByProjectId(first: 10) {
        nodes { role member: memberByMemberId { name region: regionByRegionCode { name } } }
      }
      milestones: projectMilestonesByProjectId { nodes { title due done } }
    }
  }
}`

const updateDocument = `mutation Update($id: UUID!, $version: Int!, $summary: String!) {
  updateProfile: updateSummary(input: { id: $id, expected: $version, summary: $summary }) {
    member: result { id: rowId version summary }
  }
}`

/** The body of a request for each work. */
export const postgraphileBody = {
  profile: (id: string) => ({ query: profileDocument, variables: { id } }),
  page: (kind: string, facet: string) => ({ query: pageDocument, variables: { kind, facet } }),
  dashboard: (field: string) => ({ query: dashboardDocument, variables: { field } }),
  update: (id: string, version: number, summary: string) => ({
    query: updateDocument,
    variables: { id, version, summary },
  }),
}

const types: Record<string, string> = { CITY: 'City', ASSOCIATION: 'Association', COMPANY: 'Company' }

interface Nodes<Node> {
  readonly nodes: readonly Node[]
}
interface Member {
  readonly kind?: string
  readonly id?: string
  readonly name?: string
  readonly names?: Record<string, string>
  readonly summary?: string | null
  readonly fields?: unknown
  readonly status?: string
  readonly region?: unknown
  readonly version?: number
}
interface Project {
  readonly lead: Member | null
  readonly participants: Nodes<{ readonly role: string; readonly member: Member | null }>
  readonly milestones: Nodes<unknown>
}
interface Answer {
  readonly data: {
    readonly member?: Member | null
    readonly members?: Nodes<Member> & { readonly pageInfo: unknown }
    readonly projects?: Nodes<Project>
    readonly updateProfile?: { readonly member: Member | null }
  }
}

/** Moves what the service has within `profile` and `membership` there; says nothing of what was not asked. */
function shapeMember(member: Member | null): object | null {
  if (member === null) return null
  const { kind, name, names, summary, fields, status, ...rest } = member
  const listed =
    names &&
    Object.entries(names)
      .map(([locale, text]) => ({ locale, text }))
      .sort((a, b) => Number(b.locale === 'zh-Hans') - Number(a.locale === 'zh-Hans'))
  return {
    ...(kind !== undefined && { __typename: types[kind] }),
    ...rest,
    profile: Object.fromEntries(
      Object.entries({ name, names: listed, summary, fields }).filter(([, value]) => value !== undefined),
    ),
    ...(status !== undefined && { membership: { status } }),
  }
}

/** An answer of PostGraphile as the service would have given it. */
export function shapeAnswer(answer: unknown): unknown {
  const { member, members, projects, updateProfile } = (answer as Answer).data
  if (member !== undefined) return { data: { member: shapeMember(member) } }
  if (members) return { data: { members: { ...members, nodes: members.nodes.map(shapeMember) } } }
  if (updateProfile) return { data: { updateProfile: { member: shapeMember(updateProfile.member), userErrors: [] } } }
  const shapeProject = (project: Project) => ({
    ...project,
    lead: shapeMember(project.lead),
    participants: {
      nodes: project.participants.nodes.map(node => ({ role: node.role, member: shapeMember(node.member) })),
    },
    milestones: project.milestones.nodes,
  })
  return { data: { projects: projects && { nodes: projects.nodes.map(shapeProject) } } }
}
