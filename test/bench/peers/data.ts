/** How the peers read and write: Kysely and DataLoader, as their guides show them. */
import DataLoader from 'dataloader'
import { CamelCasePlugin, Kysely, PostgresDialect, type Selectable, sql } from 'kysely'
import pg from 'pg'
import { json } from '../../../src/database/json.ts'
import type { DB } from '../../../src/database/tables.ts'
import { poolSize } from '../contestants.ts'
import type { ProjectTables } from '../projects/reads.ts'
import { placeFacet } from '../works.ts'

export type Member = Selectable<DB['members']>
export type Region = Selectable<DB['regions']>
export type Term = Selectable<DB['vocabularyTerms']>
export type Project = Selectable<ProjectTables['projects']>
export type Participant = Selectable<ProjectTables['projectParticipants']>
export type Milestone = Selectable<ProjectTables['projectMilestones']>

// A day is no moment: as text.
pg.types.setTypeParser(pg.types.builtins.DATE, value => value)

const db = new Kysely<DB & ProjectTables>({
  dialect: new PostgresDialect({
    pool: new pg.Pool({ connectionString: process.env.DATABASE_URL, max: poolSize }),
  }),
  plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
})

const hidden = ['WITHDRAWN', 'EXPELLED'] as const

function byKey<Row>(find: (keys: readonly string[]) => Promise<Row[]>, keyOf: (row: Row) => string) {
  return new DataLoader<string, Row | null>(async keys => {
    const rows = new Map((await find(keys)).map(row => [keyOf(row), row]))
    return keys.map(key => rows.get(key) ?? null)
  })
}

/** What a resolver is given: loaders of one request. */
export interface Context {
  readonly member: DataLoader<string, Member | null>
  readonly region: DataLoader<string, Region | null>
  readonly field: DataLoader<string, Term | null>
  readonly participants: DataLoader<{ readonly projectId: string; readonly first: number }, Participant[], string>
  readonly milestones: DataLoader<string, Milestone[]>
}

/** Makes the loaders of one request. */
export function createContext(): Context {
  return {
    member: byKey(
      ids => db.selectFrom('members').selectAll().where('id', 'in', ids).where('status', 'not in', hidden).execute(),
      member => member.id,
    ),
    region: byKey(
      codes => db.selectFrom('regions').selectAll().where('code', 'in', codes).execute(),
      region => region.code,
    ),
    field: byKey(
      codes =>
        db
          .selectFrom('vocabularyTerms')
          .selectAll()
          .where('vocabulary', '=', 'FIELD')
          .where('code', 'in', codes)
          .execute(),
      term => term.code,
    ),
    participants: new DataLoader(
      async lists => {
        const most = Math.max(...lists.map(({ first }) => first))
        const rows = await db
          .selectFrom(
            db
              .selectFrom('projectParticipants')
              .selectAll()
              .select(sql<number>`row_number() over (partition by project_id order by position)`.as('place'))
              .where(
                'projectId',
                'in',
                lists.map(({ projectId }) => projectId),
              )
              .as('placed'),
          )
          .selectAll()
          .where('place', '<=', most)
          .orderBy('position')
          .execute()
        const found = Map.groupBy(rows, ({ projectId }) => projectId)
        return lists.map(({ projectId, first }) => (found.get(projectId) ?? []).slice(0, first))
      },
      { cacheKeyFn: ({ projectId, first }) => `${projectId} ${first}` },
    ),
    milestones: new DataLoader(async ids => {
      const rows = await db
        .selectFrom('projectMilestones')
        .selectAll()
        .where('projectId', 'in', ids)
        .orderBy('position')
        .execute()
      const found = Map.groupBy(rows, ({ projectId }) => projectId)
      return ids.map(id => found.get(id) ?? [])
    }),
  }
}

/** Members of kinds in places, by pinyin. A cursor is the keys of its row as JSON. */
export async function pageMembers(
  filter: { readonly kinds?: readonly Member['kind'][] | null; readonly regions?: readonly string[] | null },
  first: number,
  after: string | null | undefined,
) {
  // The table of facets has its rows in this order, once for each place: '' is everywhere.
  const { kinds = ['CITY', 'ASSOCIATION', 'COMPANY'], regions } = filter
  let query = db
    .selectFrom('memberFacets')
    .innerJoin('members', 'members.id', 'memberFacets.memberId')
    .selectAll('members')
    .where('facet', 'in', regions?.map(placeFacet) ?? [''])
    .where(
      'shelf',
      'in',
      (kinds ?? []).flatMap(kind => [kind, `JOINED ${kind}`]),
    )
  if (after != null) {
    const [pinyin, stroke, id] = JSON.parse(Buffer.from(after, 'base64url').toString('utf8'))
    query = query.where(
      sql<boolean>`(member_facets.pinyin_key, member_facets.stroke_key, member_id) > (${pinyin}, ${stroke}, ${id})`,
    )
  }
  const rows = await query
    .orderBy('memberFacets.pinyinKey')
    .orderBy('memberFacets.strokeKey')
    .orderBy('memberId')
    .limit(first + 1)
    .execute()
  const nodes = rows.slice(0, first)
  const last = nodes.at(-1)
  const cursor = last && JSON.stringify([last.pinyinKey, last.strokeKey, last.id])
  return {
    nodes,
    pageInfo: {
      hasNextPage: rows.length > first,
      endCursor: cursor ? Buffer.from(cursor).toString('base64url') : null,
    },
  }
}

/** Projects by the moment when they were entered. */
export async function pageProjects(field: string | null | undefined, direction: 'asc' | 'desc', first: number) {
  let query = db.selectFrom('projects').selectAll()
  if (field != null) query = query.where('field', '=', field)
  return { nodes: await query.orderBy('createdAt', direction).orderBy('id', direction).limit(first).execute() }
}

/** Changes the summaries of a member: its row, a revision and the outbox. Null when the version is another. */
export async function updateSummaries(
  id: string,
  expectedVersion: number,
  texts: readonly { readonly locale: string; readonly text: string }[],
): Promise<Member | null> {
  return db.transaction().execute(async tx => {
    const before = await tx
      .selectFrom('members')
      .selectAll()
      .where('id', '=', id)
      .where('status', 'not in', hidden)
      .forNoKeyUpdate()
      .executeTakeFirst()
    if (!before || before.version !== expectedVersion) return null
    const summaries = { ...before.summaries, ...Object.fromEntries(texts.map(({ locale, text }) => [locale, text])) }
    const now = new Date()
    const after = await tx
      .updateTable('members')
      .set({ summaries: json(summaries), version: before.version + 1, updatedAt: now })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow()
    await tx
      .insertInto('memberRevisions')
      .values({
        memberId: id,
        version: after.version,
        at: now,
        actor: 'account:bench',
        changes: JSON.stringify([{ field: 'summaries', before: before.summaries, after: summaries }]),
      })
      .execute()
    await tx
      .insertInto('outbox')
      .values({
        type: 'member.profile',
        subject: id,
        detail: JSON.stringify({ version: after.version, fields: ['summaries'] }),
        audience: 'PUBLIC',
        actor: 'account:bench',
        requestId: 'bench',
        at: now,
      })
      .execute()
    return after
  })
}
