import { type Kysely, type SqlBool, sql } from 'kysely'
import type { Db } from '../../../src/database/client.ts'
import type { PageOrder } from '../../../src/database/page.ts'
import type { DB } from '../../../src/database/tables.ts'
import type { Translations } from '../../../src/languages.ts'
import { type LooseQuery, listing, manyBy, type Source } from '../../../src/reads/source.ts'

/** The tables of `seed-projects.ts`. */
export interface ProjectTables {
  projects: {
    id: string
    field: string
    titles: Translations
    regionCode: string | null
    leadId: string | null
    createdAt: Date
  }
  projectParticipants: {
    projectId: string
    position: number
    memberId: string
    role: 'PARTNER' | 'ADVISER' | 'OBSERVER'
  }
  projectMilestones: { projectId: string; position: number; title: string; due: string; done: boolean }
}

export type ProjectRow = ProjectTables['projects']
export type ParticipantRow = ProjectTables['projectParticipants']
type MilestoneRow = ProjectTables['projectMilestones']

const withProjects = (db: Db) => db as unknown as Kysely<DB & ProjectTables>

/**
 * A source as the house's own `source` makes it, which knows the tables of the migrations alone.
 * @param subject the column that events would name; nothing changes here, but answers may be kept as if it did
 */
function tableOfBench<Table extends keyof ProjectTables & string>(
  table: Table,
  subject: keyof ProjectTables[Table] & string,
  whole: readonly (keyof ProjectTables[Table] & string)[],
): Source<ProjectTables[Table]> {
  return {
    table,
    isReference: false,
    news: { subject, types: [], moves: () => true },
    visible: db => withProjects(db).selectFrom(table) as unknown as LooseQuery,
    column: name => sql.ref(`${table}.${name}`),
    whole,
  }
}

/** Projects; of one field of work, or of all. */
export const projectList = listing(
  tableOfBench('projects', 'id', ['id', 'field', 'titles', 'regionCode', 'leadId', 'createdAt']),
  (db, _actor, { field }: { readonly field?: string | null }) => {
    const query = withProjects(db).selectFrom('projects')
    return field ? query.where('projects.field', '=', field) : query
  },
)

/** By the moment when they were entered. */
export const byCreation = (direction: 'asc' | 'desc'): PageOrder => ({
  name: `projects ${direction}`,
  direction,
  keys: [
    { expression: sql.ref('projects.createdAt'), type: 'timestamptz' },
    { expression: sql.ref('projects.id'), type: 'uuid' },
  ],
})

/** Who takes part in a project. */
export const participantsOf = listing(
  tableOfBench('projectParticipants', 'projectId', ['projectId', 'position', 'memberId', 'role']),
  (db, _actor, _input: object, [project]) =>
    withProjects(db)
      .selectFrom('projectParticipants')
      .where(sql<SqlBool>`project_participants.project_id = ${project}`),
  { of: ['uuid'], isOfSubject: true },
)

export const byPosition: PageOrder = {
  name: 'participants',
  direction: 'asc',
  keys: [{ expression: sql.ref('projectParticipants.position'), type: 'int' }],
}

const milestones: Source<MilestoneRow> = tableOfBench('projectMilestones', 'projectId', [
  'projectId',
  'position',
  'title',
  'due',
  'done',
])

/** What a project is to reach, in order. */
export const milestonesOf = manyBy(milestones, 'projectId', { order: ['projectId', 'position'] })
