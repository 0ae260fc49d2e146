/** The one schema that Apollo Server, Yoga and Mercurius serve, as their guides would have it written. */
import { readFileSync } from 'node:fs'
import { makeExecutableSchema } from '@graphql-tools/schema'
import {
  type Context,
  type Member,
  type Participant,
  type Project,
  pageMembers,
  pageProjects,
  type Region,
  type Term,
  updateSummaries,
} from './data.ts'

type Texts = Readonly<Record<string, string>>
type InLocale = { readonly locale?: string | null }

const translated = (texts: Texts, locale: string | null | undefined) =>
  texts[locale ?? 'zh-Hans'] ?? texts['zh-Hans'] ?? Object.values(texts)[0] ?? null

const types = { CITY: 'City', ASSOCIATION: 'Association', COMPANY: 'Company' } as const

const member = {
  profile: (row: Member) => row,
  membership: (row: Member) => row,
  region: (row: Member, _: unknown, { region }: Context) => (row.regionCode ? region.load(row.regionCode) : null),
}

interface MembersArgs {
  readonly filter?: Parameters<typeof pageMembers>[0] | null
  readonly first: number
  readonly after?: string | null
}
interface ProjectsArgs {
  readonly filter?: { readonly field?: string | null } | null
  readonly orderBy?: { readonly direction?: 'ASC' | 'DESC' | null } | null
  readonly first: number
}
interface UpdateArgs {
  readonly id: string
  readonly input: {
    readonly expectedVersion: number
    readonly profile: { readonly summaries?: readonly { readonly locale: string; readonly text: string }[] }
  }
}

const resolvers = {
  Query: {
    member: (_: unknown, { id }: { id: string }, context: Context) => context.member.load(id),
    members: (_: unknown, { filter, first, after }: MembersArgs) => pageMembers(filter ?? {}, first, after),
    projects: (_: unknown, { filter, orderBy, first }: ProjectsArgs) =>
      pageProjects(filter?.field, orderBy?.direction === 'DESC' ? 'desc' : 'asc', first),
  },
  Mutation: {
    updateProfile: async (_: unknown, { id, input }: UpdateArgs) => {
      const changed = await updateSummaries(id, input.expectedVersion, input.profile.summaries ?? [])
      return { member: changed, userErrors: changed ? [] : [{ code: 'CONFLICT', message: 'Somebody was faster.' }] }
    },
  },
  Member: { __resolveType: (row: Member) => types[row.kind] },
  City: member,
  Association: member,
  Company: member,
  Profile: {
    name: (row: Member, { locale }: InLocale) => translated(row.names, locale),
    names: (row: Member) =>
      Object.entries(row.names)
        .map(([locale, text]) => ({ locale, text }))
        .sort((a, b) => Number(b.locale === 'zh-Hans') - Number(a.locale === 'zh-Hans')),
    summary: (row: Member, { locale }: InLocale) => translated(row.summaries, locale),
    fields: async (row: Member, _: unknown, { field }: Context) =>
      (await Promise.all(row.fields.map(code => field.load(code)))).filter(term => term !== null),
  },
  Term: { label: (term: Term, { locale }: InLocale) => translated(term.labels, locale) },
  Region: { name: (region: Region, { locale }: InLocale) => translated(region.names, locale) },
  Project: {
    title: (project: Project, { locale }: InLocale) => translated(project.titles, locale),
    region: (project: Project, _: unknown, { region }: Context) =>
      project.regionCode ? region.load(project.regionCode) : null,
    lead: (project: Project, _: unknown, context: Context) =>
      project.leadId ? context.member.load(project.leadId) : null,
    participants: async ({ id }: Project, { first }: { first: number }, { participants }: Context) => ({
      nodes: await participants.load({ projectId: id, first }),
    }),
    milestones: ({ id }: Project, _: unknown, { milestones }: Context) => milestones.load(id),
  },
  ProjectParticipant: {
    member: ({ memberId }: Participant, _: unknown, context: Context) => context.member.load(memberId),
  },
}

export const schema = makeExecutableSchema({
  typeDefs: readFileSync(new URL('./schema.graphql', import.meta.url), 'utf8'),
  resolvers,
})
