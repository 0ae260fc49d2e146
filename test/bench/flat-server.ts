/**
 * What reading could cost at the least: as the yardstick, but flat rows in place of JSON made by PostgreSQL, put
 * together by the program, and statements sent one behind the other over two connections (pipelining). Reads only.
 *
 * Run as a process of its own with DATABASE_URL and PORT; tells its parent once it listens.
 */
import { createServer, type ServerResponse } from 'node:http'
import pg from 'pg'
import { inChinese, typename, visible } from './bare-sql.ts'

/** Reads of one connection wait for each other, so there are two. */
const connections = await Promise.all(
  [1, 2].map(async () => {
    const client = new pg.Client({
      connectionString: process.env.DATABASE_URL,
      pipeline: true,
      // One plan for all values: to plan anew for each costs more than a plan for the very value saves.
      options: '-c plan_cache_mode=force_generic_plan',
    } as pg.ClientConfig)
    await client.connect()
    return client
  }),
)
let turn = 0

type Value = string | null
type Row = readonly Value[]

/** All values come as the text that PostgreSQL sends: numbers and JSON go on as they are. */
const asText = { getTypeParser: () => (value: string) => value }

async function ask(name: string, text: string, values: unknown[]): Promise<Row[]> {
  const client = connections[turn++ % connections.length]!
  const { rows } = await client.query<Value[]>({ name, text, values, rowMode: 'array', types: asText as never })
  return rows
}

const profileSql = `
  select ${typename}, m.id,
    (select jsonb_agg(jsonb_build_object('locale', key, 'text', value) order by key = 'zh-Hans' desc, key)
      from jsonb_each_text(m.names)),
    ${inChinese('m.summaries')},
    (select jsonb_agg(jsonb_build_object('code', t.code, 'label', ${inChinese('t.labels')}) order by f.n)
      from unnest(m.fields) with ordinality f (code, n)
      join vocabulary_terms t on t.vocabulary = 'FIELD' and t.code = f.code),
    r.code, ${inChinese('r.names')}, m.status
  from members m left join regions r on r.code = m.region_code
  where m.id = $1 and ${visible}`

const pageSql = `
  select ${typename}, m.id, ${inChinese('m.names')}, ${inChinese('r.names')}, m.status,
    found.pinyin_key, found.stroke_key
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
  ) found
  join members m on m.id = found.member_id
  left join regions r on r.code = m.region_code
  order by found.pinyin_key, found.stroke_key, m.id`

const projectsSql = `
  select p.id, ${inChinese('p.titles')}, ${inChinese('r.names')}, m.id, ${inChinese('m.names')}, ${inChinese('mr.names')}
  from projects p
  left join regions r on r.code = p.region_code
  left join members m on m.id = p.lead_id and ${visible}
  left join regions mr on mr.code = m.region_code
  where p.field = $1
  order by p.created_at desc, p.id desc
  limit 20`

const participantsSql = `
  select asked.id, found.role, m.id, ${inChinese('m.names')}, ${inChinese('r.names')}
  from unnest($1::uuid[]) with ordinality asked (id, n)
  cross join lateral (
    select * from project_participants where project_id = asked.id order by position limit 10
  ) found
  left join members m on m.id = found.member_id and ${visible}
  left join regions r on r.code = m.region_code
  order by asked.n, found.position`

const milestonesSql = `
  select project_id, title, due, done from project_milestones where project_id = any($1::uuid[])
  order by project_id, position`

const place = (name: Value) => (name === null ? null : { name })

async function readProfile(id: string): Promise<unknown> {
  const [row] = await ask('profile', profileSql, [id])
  if (!row) return null
  const [kind, uuid, names, summary, fields, code, name, status] = row
  return {
    __typename: kind,
    id: uuid,
    profile: { names: JSON.parse(names!), summary, fields: JSON.parse(fields ?? '[]') },
    region: code === null ? null : { code, name },
    membership: { status },
  }
}

async function readPage(kind: string | null, facet: string | null): Promise<unknown> {
  const found = await ask('page', pageSql, [kind, facet])
  const rows = found.slice(0, 50)
  const last = rows.at(-1)
  return {
    nodes: rows.map(([type, id, name, regionName, status]) => ({
      __typename: type,
      id,
      profile: { name },
      region: place(regionName!),
      membership: { status },
    })),
    pageInfo: {
      hasNextPage: found.length > 50,
      endCursor: last ? JSON.stringify([last[5], last[6], last[1]]) : null,
    },
  }
}

/** The rows of each project, which its first column names. */
const byProject = (rows: readonly Row[]) => Map.groupBy(rows, ([project]) => project!)

async function readDashboard(field: string | null): Promise<unknown> {
  const projects = await ask('projects', projectsSql, [field])
  const ids = projects.map(([id]) => id)
  const [participants, milestones] = await Promise.all([
    ask('participants', participantsSql, [ids]).then(byProject),
    ask('milestones', milestonesSql, [ids]).then(byProject),
  ])
  return {
    nodes: projects.map(([id, title, region, lead, leadName, leadRegion]) => ({
      id,
      title,
      region: place(region!),
      lead: lead === null ? null : { id: lead, profile: { name: leadName }, region: place(leadRegion!) },
      participants: {
        nodes: (participants.get(id!) ?? []).map(([, role, member, name, city]) => ({
          role,
          member: member === null ? null : { profile: { name }, region: place(city!) },
        })),
      },
      milestones: (milestones.get(id!) ?? []).map(([, text, due, done]) => ({ title: text, due, done: done === 't' })),
    })),
  }
}

function answer(response: ServerResponse, data: unknown): void {
  const body = JSON.stringify({ data })
  response
    .writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(body) })
    .end(body)
}

async function handle(url: string, response: ServerResponse): Promise<void> {
  const [path = '', search] = url.split('?')
  const query = new URLSearchParams(search)
  if (path.startsWith('/member/')) return answer(response, { member: await readProfile(path.slice('/member/'.length)) })
  if (path === '/members') return answer(response, { members: await readPage(query.get('kind'), query.get('facet')) })
  if (path === '/projects') return answer(response, { projects: await readDashboard(query.get('field')) })
  response.writeHead(404).end()
}

const server = createServer((request, response) => {
  handle(request.url ?? '', response).catch(error => {
    console.error(error)
    response.writeHead(500).end()
  })
})
// Whoever started us is gone.
process.on('disconnect', () => process.exit())
server.listen(Number(process.env.PORT), '127.0.0.1', () => process.send?.('ready'))
