import { sql } from 'kysely'
import type { Db } from '../../src/database/client.ts'
import { newUuid } from '../../src/ids.ts'
import { insertRows, type JsonRow, randomNumbers } from './seed.ts'

/** Tables that only the bench has: projects with participants and milestones, as small as a dashboard needs them. */
const tables = sql`
  create table projects (
    id uuid primary key,
    field text not null,
    titles jsonb not null,
    region_code text collate "C" references regions (code),
    lead_id uuid references members (id),
    created_at timestamptz(3) not null
  );
  create index on projects (field, created_at desc, id desc);
  create table project_participants (
    project_id uuid not null references projects (id),
    position integer not null,
    member_id uuid not null references members (id),
    role text not null check (role in ('PARTNER', 'ADVISER', 'OBSERVER')),
    primary key (project_id, position)
  );
  create table project_milestones (
    project_id uuid not null references projects (id),
    position integer not null,
    title text not null,
    due date not null,
    done boolean not null,
    primary key (project_id, position)
  )`

const kinds = ['示范工程', '公共平台', '标准研制', '人才计划'] as const
const kindsEn = ['Demonstration', 'Public Platform', 'Standard', 'Talent Programme'] as const
const steps = ['立项', '方案评审', '试点上线', '中期检查', '验收'] as const
const roles = ['PARTNER', 'ADVISER', 'OBSERVER'] as const

/** Makes the tables of projects and invents projects, each with a lead, 10 participants (some with 12) and 5 milestones. */
export async function seedProjects(db: Db, count: number, fields: readonly string[]): Promise<void> {
  await sql.raw(tables.compile(db).sql).execute(db)
  // All of them visible: PostGraphile shows whom a foreign key names, without asking who may be seen.
  const members = await sql<{ id: string; region: string | null }>`
    select id, region_code as region from members where status not in ('WITHDRAWN', 'EXPELLED') order by id`.execute(db)
  const random = randomNumbers(20261124)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const firstDay = Date.parse('2025-01-01T00:00:00Z')
  const projects: JsonRow[] = []
  const participants: JsonRow[] = []
  const milestones: JsonRow[] = []
  for (let n = 1; n <= count; n++) {
    const at = firstDay + n * 3_600_000
    const id = newUuid(at)
    const lead = pick(members.rows)
    const kind = Math.floor(random() * kinds.length)
    projects.push({
      id,
      field: pick(fields),
      titles: { 'zh-Hans': `第${n}号城市元宇宙${kinds[kind]}`, en: `City Metaverse ${kindsEn[kind]} No. ${n}` },
      region_code: lead.region,
      lead_id: lead.id,
      created_at: new Date(at),
    })
    const many = random() < 0.1 ? 12 : 10
    for (let position = 1; position <= many; position++)
      participants.push({ project_id: id, position, member_id: pick(members.rows).id, role: pick(roles) })
    for (const [i, title] of steps.entries()) {
      const due = new Date(at + (i + 1) * 90 * 86_400_000).toISOString().slice(0, 10)
      milestones.push({ project_id: id, position: i + 1, title: `${title}（${i + 1}）`, due, done: random() < 0.5 })
    }
  }
  await insertRows(db, 'projects', projects)
  await insertRows(db, 'project_participants', participants)
  await insertRows(db, 'project_milestones', milestones)
}
