import type { PageArgs } from '../../../src/database/page.ts'
import { fieldsOf, pageOf } from '../../../src/graphql/fields.ts'
import { type Locale, translated } from '../../../src/languages.ts'
import { memberById } from '../../../src/members/reads.ts'
import { regionByCode } from '../../../src/regions/reads.ts'
import {
  byCreation,
  byPosition,
  milestonesOf,
  type ParticipantRow,
  type ProjectRow,
  participantsOf,
  projectList,
} from './reads.ts'

const { from, one, many, page } = fieldsOf<ProjectRow>()
const participant = fieldsOf<ParticipantRow>()

interface ProjectsArgs extends PageArgs {
  readonly filter?: { readonly field?: string | null } | null
  readonly orderBy?: { readonly by: 'CREATED'; readonly direction?: 'ASC' | 'DESC' | null } | null
}

/** The bench's own noun, in the form of the house's nouns. */
export const projectResolvers = {
  Query: {
    projects: pageOf(projectList, ({ filter, orderBy }: ProjectsArgs) => ({
      input: { field: filter?.field },
      order: byCreation(orderBy?.direction === 'DESC' ? 'desc' : 'asc'),
    })),
  },
  Project: {
    title: from(['titles'], ({ titles }, { locale }: { locale?: Locale | null }, context) =>
      translated(titles, locale ?? context.locale),
    ),
    region: one(regionByCode, 'regionCode'),
    lead: one(memberById, 'leadId'),
    participants: page(participantsOf, [['id'], ({ id }) => [id]], () => ({ input: {}, order: byPosition })),
    milestones: many(milestonesOf, 'id'),
  },
  ProjectParticipant: {
    member: participant.one(memberById, 'memberId'),
  },
}
