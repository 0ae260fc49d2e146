import { sql } from 'kysely'
import { programRequest } from '../../src/access/request.ts'
import { issueSecretariatToken } from '../../src/access/tokens.ts'
import { type Db, openPostgres } from '../../src/database/client.ts'
import { migrate } from '../../src/database/migrate.ts'
import { loadPlaces, loadVocabularies } from '../../src/dataset/places.ts'
import { type IdType, newUuid, writeId } from '../../src/ids.ts'
import { latinKey, pinyinKey, searchText, strokeKey } from '../../src/name-keys.ts'
import { seedProjects } from './seed-projects.ts'
import type { MemberTarget, PageTarget } from './works.ts'

/** What the works are done on. */
export interface Targets {
  readonly profile: readonly MemberTarget[]
  readonly page: readonly PageTarget[]
  /** Fields of work that have more than 20 projects. */
  readonly dashboard: readonly string[]
  /** None of `profile`, so that the profiles stay as they are. */
  readonly update: readonly MemberTarget[]
}

/** A row of a table, without what every one has alike. */
export type JsonRow = Record<string, unknown>

interface Place {
  readonly code: string
  readonly zh: string
  readonly en: string
}

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Characters that invented names are made of, with the syllables of their English form. */
const characters = Object.entries({
  云: 'yun',
  谷: 'gu',
  星: 'xing',
  河: 'he',
  青: 'qing',
  岚: 'lan',
  锦: 'jin',
  川: 'chuan',
  明: 'ming',
  远: 'yuan',
  启: 'qi',
  辰: 'chen',
  瀚: 'han',
  海: 'hai',
  凌: 'ling',
  霄: 'xiao',
  智: 'zhi',
  汇: 'hui',
  天: 'tian',
  枢: 'shu',
  格: 'ge',
  物: 'wu',
  光: 'guang',
  年: 'nian',
  溯: 'su',
  源: 'yuan',
  栖: 'qi',
  梧: 'wu',
  澄: 'cheng',
  宇: 'yu',
  若: 'ruo',
  木: 'mu',
  玄: 'xuan',
  鸟: 'niao',
  朔: 'shuo',
  方: 'fang',
  翠: 'cui',
  屏: 'ping',
  嘉: 'jia',
  禾: 'he',
})

const lines = [
  ['数字孪生', 'Digital Twin'],
  ['虚拟现实', 'Virtual Reality'],
  ['文旅科技', 'Culture and Tourism'],
  ['数字人', 'Digital Human'],
  ['算力', 'Computing Power'],
  ['沉浸影像', 'Immersive Media'],
  ['空间计算', 'Spatial Computing'],
  ['工业仿真', 'Industrial Simulation'],
] as const

const bodies = [
  ['COMPANY', null, '有限公司', 'Co., Ltd.'],
  ['COMPANY', null, '科技有限公司', 'Technology Co., Ltd.'],
  ['COMPANY', null, '股份有限公司', 'Corporation'],
  ['ASSOCIATION', 'ASSOCIATION', '协会', 'Association'],
  ['ASSOCIATION', 'ALLIANCE', '产业联盟', 'Industry Alliance'],
  ['ASSOCIATION', 'RESEARCH_INSTITUTE', '研究院', 'Research Institute'],
] as const

const capitalised = (word: string) => word.charAt(0).toUpperCase() + word.slice(1)

/** Invents members, each with a name of a sound of its own. Real places, no real bodies. */
function* inventMembers(count: number, places: readonly Place[], terms: Record<string, readonly string[]>) {
  const random = randomNumbers(20261123)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const some = (list: readonly string[], most: number) => {
    const chosen = new Set(Array.from({ length: Math.floor(random() * (most + 1)) }, () => pick(list)))
    return list.filter(code => chosen.has(code))
  }
  const sounds = new Set<string>()
  const firstDay = Date.parse('2024-01-01T00:00:00Z')
  let joined = 0
  for (let made = 0; made < count; ) {
    const place = pick(places)
    const [[zhA, enA], [zhB, enB], line, body] = [pick(characters), pick(characters), pick(lines), pick(bodies)]
    const names = {
      'zh-Hans': `${place.zh}${zhA}${zhB}${line[0]}${body[2]}`,
      en: `${place.en} ${capitalised(enA + enB)} ${line[1]} ${body[3]}`,
    }
    const sound = pinyinKey(names['zh-Hans'])
    if (sounds.has(sound)) continue
    sounds.add(sound)
    made++
    const at = new Date(firstDay + made * 3_600_000)
    const luck = random()
    const status = luck < 0.7 ? 'LISTED' : luck < 0.97 ? 'ADMITTED' : luck < 0.99 ? 'SUSPENDED' : 'WITHDRAWN'
    const hasJoined = status !== 'LISTED'
    const topic = `${names['zh-Hans']}面向${place.zh}的城市与产业，提供${line[0]}方面的平台、标准与人才服务。`
    const topicEn = `${names.en} serves the city and its industry with platforms, standards and training.`
    yield {
      id: newUuid(at.getTime()),
      kind: body[0],
      association_kind: body[1],
      region_code: place.code,
      version: 1,
      status,
      joining_number: hasJoined ? ++joined : null,
      joined_on: hasJoined ? at.toISOString().slice(0, 10) : null,
      names,
      summaries: { 'zh-Hans': topic, en: topicEn },
      descriptions: {
        'zh-Hans': `# ${names['zh-Hans']}\n\n${topic.repeat(4)}`,
        en: `# ${names.en}\n\n${topicEn.repeat(3)}`,
      },
      website_url: `https://m${made}.example.org/`,
      fields: some(terms.FIELD ?? [], 4),
      capabilities: some(terms.CAPABILITY ?? [], 3),
      founded: `${2000 + Math.floor(random() * 24)}`,
      size: Math.floor(random() * 500),
      credit_code_reviewed: false,
      sources: [{ fact: '*', source: 'invented', verified: false, note: null }],
      pinyin_key: sound,
      stroke_key: strokeKey(names['zh-Hans']),
      latin_key: latinKey(names),
      search: searchText(names, []),
      created_at: at,
      updated_at: at,
    } satisfies JsonRow
  }
}

/** Writes rows to a table of the bench's or of the service. */
export async function insertRows(db: Db, table: string, rows: Iterable<JsonRow>): Promise<void> {
  const name = sql.table(table)
  let batch: JsonRow[] = []
  const flush = async () => {
    await sql`insert into ${name} select * from jsonb_populate_recordset(null::${name}, ${JSON.stringify(batch)}::jsonb)`.execute(
      db,
    )
    batch = []
  }
  for (const row of rows) if (batch.push(row) === 1_000) await flush()
  if (batch.length > 0) await flush()
}

/**
 * Fills an empty database: tables, places, vocabularies, invented members and projects, and a token of the secretariat.
 * @returns the token, which is nowhere kept
 */
export async function seed(connectionString: string, memberCount: number, projectCount: number): Promise<string> {
  const database = openPostgres(connectionString, 2)
  const { db } = database
  try {
    await migrate(database)
    const now = new Date()
    await db.transaction().execute(async tx => {
      await loadPlaces(tx, now)
      await loadVocabularies(tx)
    })
    // Cities of the second level and the four municipalities: where such bodies are.
    const places = await sql<Place>`
      select code, coalesce(short_names->>'zh-Hans', names->>'zh-Hans') as zh, names->>'en' as en from regions
      where level in ('DIRECT_MUNICIPALITY', 'SUB_PROVINCIAL_CITY', 'PREFECTURE_CITY') and names ? 'en'
      order by code`.execute(db)
    const words = await sql<{ vocabulary: string; code: string }>`
      select vocabulary, code from vocabulary_terms order by position`.execute(db)
    const terms: Record<string, string[]> = {}
    for (const { vocabulary, code } of words.rows) {
      terms[vocabulary] ??= []
      terms[vocabulary].push(code)
    }
    await insertRows(db, 'members', inventMembers(memberCount, places.rows, terms))
    await seedProjects(db, projectCount, terms.FIELD ?? [])
    await sql`vacuum analyze`.execute(db)
    const person = { name: '秘书处', email: 'bench@example.org' }
    return (await issueSecretariatToken(programRequest(db, now, 'bench'), person)).secret
  } finally {
    await database.close()
  }
}

/** Chooses what to work on: visible members at random, and every list of a kind in a place that fills a page of 50. */
export async function chooseTargets(connectionString: string): Promise<Targets> {
  const database = openPostgres(connectionString, 1)
  const { db } = database
  try {
    const found = await sql<{ id: string; kind: string }>`
      select id, kind from members where status not in ('WITHDRAWN', 'EXPELLED') and kind <> 'CITY' order by md5(id::text)
      limit 3000`.execute(db)
    const members = found.rows.map(({ id, kind }) => {
      const type: IdType = kind === 'COMPANY' ? 'Company' : 'Association'
      return { id: writeId(type, id), uuid: id }
    })
    const pages = await sql<PageTarget>`
      select m.kind, r.code as region
      from regions r join members m on m.region_code like regexp_replace(r.code, '(00){1,2}$', '') || '%'
      where m.status not in ('WITHDRAWN', 'EXPELLED') and m.kind <> 'CITY' and r.code like '%00'
      group by m.kind, r.code having count(*) > 50
      order by md5(m.kind || r.code) limit 60`.execute(db)
    const fields = await sql<{ field: string }>`
      select field from projects group by field having count(*) > 20 order by field`.execute(db)
    return {
      profile: members.slice(0, 1000),
      update: members.slice(1000),
      page: pages.rows,
      dashboard: fields.rows.map(({ field }) => field),
    }
  } finally {
    await database.close()
  }
}
