import { graphql, type OperationDefinitionNode, parse } from 'graphql'
import { CompiledQuery, type Kysely, PostgresQueryCompiler, type RootOperationNode, sql } from 'kysely'
import type { Actor } from '../../src/access/actor.ts'
import { readFlat, setReader } from '../../src/database/reader.ts'
import { createContext } from '../../src/graphql/context.ts'
import { type LiveSource, mayHear } from '../../src/graphql/live.ts'
import { createPlanner } from '../../src/graphql/planner.ts'
import type { JournalEvent } from '../../src/journal/catalog.ts'
import type { Alliance } from '../support/alliance.ts'

/** What a mutation of announcements answers. */
export interface Outcome {
  readonly announcement: { readonly id: string; readonly version: number; readonly status: string } | null
  readonly userErrors: readonly { readonly code: string; readonly field: readonly string[]; readonly message: string }[]
}

const outcome = 'announcement { id version status } userErrors { code field message }'

/** The mutations, each with the variables that its name stands for. */
export const mutations = {
  draft: `mutation ($input: DraftAnnouncementInput!, $key: String) {
    out: draftAnnouncement(input: $input, idempotencyKey: $key) { ${outcome} } }`,
  edit: `mutation ($id: ID!, $input: EditAnnouncementInput!) {
    out: editAnnouncement(id: $id, input: $input) { ${outcome} } }`,
  schedule: `mutation ($id: ID!, $expectedVersion: Int!, $publishAt: DateTime!) {
    out: scheduleAnnouncement(id: $id, expectedVersion: $expectedVersion, publishAt: $publishAt) { ${outcome} } }`,
  unschedule: `mutation ($id: ID!, $expectedVersion: Int!) {
    out: unscheduleAnnouncement(id: $id, expectedVersion: $expectedVersion) { ${outcome} } }`,
  publish: `mutation ($id: ID!, $expectedVersion: Int!) {
    out: publishAnnouncement(id: $id, expectedVersion: $expectedVersion) { ${outcome} } }`,
  retract: `mutation ($id: ID!, $expectedVersion: Int!, $reason: String!) {
    out: retractAnnouncement(id: $id, expectedVersion: $expectedVersion, reason: $reason) { ${outcome} } }`,
  remind: `mutation ($id: ID!) { out: remindUnacknowledged(id: $id) { ${outcome} remindedCount } }`,
  acknowledge: `mutation ($id: ID!) { out: acknowledgeAnnouncement(id: $id) { ${outcome} } }`,
  markRead: `mutation ($id: ID!, $read: Boolean) { out: markAnnouncementRead(id: $id, read: $read) { ${outcome} } }`,
} as const

/** Calls a mutation and answers its payload. @throws Error when the answer has errors beside the data */
export async function call<Out = Outcome>(
  alliance: Alliance,
  actor: Actor,
  mutation: keyof typeof mutations,
  variables: Record<string, unknown>,
): Promise<Out> {
  const { out } = await alliance.as(actor).ask<{ out: Out }>(mutations[mutation], variables)
  return out
}

/** As `call`, for a mutation that must be done: answers the announcement. */
export async function done(
  alliance: Alliance,
  actor: Actor,
  mutation: keyof typeof mutations,
  variables: Record<string, unknown>,
): Promise<{ id: string; version: number; status: string }> {
  const { announcement, userErrors } = await call(alliance, actor, mutation, variables)
  if (!announcement || userErrors.length > 0) throw new Error(JSON.stringify(userErrors))
  return announcement
}

/** A good input of draftAnnouncement: public, in Chinese and English. */
export const draftInput = {
  titles: [
    { locale: 'zh-Hans', text: '关于召开云谷市元宇宙联席会议的通知' },
    { locale: 'en', text: 'Joint conference of Yungu' },
  ],
  bodies: [
    { locale: 'zh-Hans', text: '请于会前提交议题。' },
    { locale: 'en', text: 'Send your topics beforehand.' },
  ],
  category: 'NOTICE',
  audience: { include: [{ public: true }] },
}

/** A draft of the secretariat's. */
export function drafted(alliance: Alliance, staff: Actor, changes: object = {}) {
  return done(alliance, staff, 'draft', { input: { ...draftInput, ...changes } })
}

/** A published announcement of the secretariat's. */
export async function published(alliance: Alliance, staff: Actor, changes: object = {}) {
  const { id, version } = await drafted(alliance, staff, changes)
  return done(alliance, staff, 'publish', { id, expectedVersion: version })
}

/** Everything that announcements leave in the database, to see that nothing changed. */
export async function footprint(alliance: Alliance): Promise<unknown> {
  const db = alliance.db as unknown as Kysely<Record<string, object>>
  const tables = [
    'announcements',
    'announcement_revisions',
    'announcement_recipients',
    'announcement_reads',
    'outbox',
    'idempotency_keys',
  ]
  const found: Record<string, unknown> = {}
  for (const table of tables) {
    const { rows } = await sql`select to_jsonb(t) as row from ${sql.table(table)} t order by 1`.execute(db)
    found[table] = rows
  }
  return found
}

/**
 * The statements that a query sends, in their order.
 * @param isPlanned whether a plan answers it, which it must then, rather than plain execution
 * @throws Error when the answer has errors
 */
export async function statementsOf(
  alliance: Alliance,
  actor: Actor,
  source: string,
  isPlanned = false,
): Promise<CompiledQuery[]> {
  const compiler = new PostgresQueryCompiler()
  const seen = new Map<object, RootOperationNode>()
  const sent: CompiledQuery[] = []
  const db = alliance.db.withPlugin({
    transformQuery: ({ node, queryId }) => {
      seen.set(queryId, node)
      return node
    },
    // Once for each statement, where transformQuery also sees those within another.
    transformResult: async ({ result, queryId }) => {
      const node = seen.get(queryId)
      // Counts of lists were compiled by another handle.
      sent.push(node ? compiler.compileQuery(node, queryId) : CompiledQuery.raw('select count(*)'))
      return result
    },
  })
  setReader(db, {
    rows: (text, parameters) => {
      const statement = CompiledQuery.raw(text, [...parameters])
      sent.push(statement)
      return readFlat(alliance.db, statement, parameters)
    },
    close: async () => undefined,
  })
  const contextValue = createContext({ ...alliance.services, db }, { actor, locale: 'en' })
  if (isPlanned) {
    const planner = createPlanner(alliance.schema, error => {
      throw error
    })
    const document = parse(source)
    const operation = document.definitions[0] as OperationDefinitionNode
    if (!(await planner.answer(document, operation, {}, contextValue))) throw new Error(`No plan answers ${source}`)
    return sent
  }
  const { errors } = await graphql({ schema: alliance.schema, source, contextValue })
  if (errors) throw new Error(errors.map(error => error.message).join('\n'))
  return sent
}

/** How many events there are, to hear only of those after. */
export async function eventsSoFar(alliance: Alliance): Promise<number> {
  const row = await alliance.db
    .selectFrom('outbox')
    .select(sql<number>`coalesce(max(id), 0)`.as('id'))
    .executeTakeFirstOrThrow()
  return row.id
}

/** What a listener of a live field hears of the events after `since`, as the journal hands them out. */
export async function heard(
  alliance: Alliance,
  actor: Actor,
  field: 'announcementPublished' | 'announcementChanged',
  since: number,
  args: Record<string, unknown> = {},
): Promise<{ change?: string; announcement: { id: string; status: string } }[]> {
  const context = () => createContext(alliance.services, { actor, locale: 'en' })
  const { subscribe } = alliance.schema.getSubscriptionType()!.getFields()[field]!
  const info = { fieldNodes: [], path: { key: field } } as never
  const source = (await subscribe!(undefined, args, context(), info)) as LiveSource
  const rows = await alliance.db.selectFrom('outbox').selectAll().where('id', '>', since).orderBy('id').execute()
  const told: object[] = []
  for (const { id, ...row } of rows) {
    const event = { ...row, seq: id } as unknown as JournalEvent
    if (!source.types.has(event.type) || !mayHear(event, actor)) continue
    const payload = await source.payload(event, context())
    if (payload) told.push(payload)
  }
  return told as never
}
