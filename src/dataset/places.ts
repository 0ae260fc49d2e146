import { readFileSync } from 'node:fs'
import { sql } from 'kysely'
import type { Tx } from '../database/client.ts'
import { json } from '../database/json.ts'
import { newUuid } from '../ids.ts'
import type { Translations } from '../languages.ts'
import { searchText } from '../name-keys.ts'
import type { RegionRow } from '../regions/store.ts'
import type { VocabularyName } from '../vocabularies/store.ts'
import { type CsvColumns, decodeText, readCsv } from './csv.ts'

/** Reads one of the founding files beside this one. */
export function readFoundingCsv(name: string, columns: CsvColumns) {
  const { text } = decodeText(readFileSync(new URL(name, import.meta.url)))
  return readCsv(text, { columns }).map(row => row.values as Record<string, string>)
}

const levels: Record<string, RegionRow['level']> = {
  direct_municipality: 'DIRECT_MUNICIPALITY',
  sub_provincial_city: 'SUB_PROVINCIAL_CITY',
  prefecture_city: 'PREFECTURE_CITY',
  county_level_city: 'COUNTY_LEVEL_CITY',
}

type Place = Omit<RegionRow, 'id' | 'search'>

const texts = (zh: string | undefined, en: string | undefined): Translations => ({
  ...(zh ? { 'zh-Hans': zh } : {}),
  ...(en ? { en } : {}),
})

/** The place directly above, by the digits of the code; null for a province. */
function parentOf(code: string, known: ReadonlySet<string>): string | null {
  if (code.endsWith('0000')) return null
  const city = `${code.slice(0, 4)}00`
  return city !== code && known.has(city) ? city : `${code.slice(0, 2)}0000`
}

function readPlaces(): Place[] {
  const provinces = readFoundingCsv('provinces.csv', {
    required: ['gb2260', 'iso3166_2', 'name_zh', 'name_en', 'source'],
    optional: ['gb_prefix', 'name_iso'],
  })
  const cities = readFoundingCsv('cities.csv', {
    required: ['gb2260', 'name_zh', 'short_zh', 'name_en', 'admin_level', 'lon', 'lat', 'time_zone', 'source'],
    optional: [
      'province_gb2260',
      'province_zh',
      'province_en',
      'iso3166_2',
      'coord_datum',
      'initiative_status',
      'metaverse_evidence',
      'evidence_source',
    ],
  })
  const others = readFoundingCsv('regions_extra.csv', { required: ['gb2260', 'name_zh', 'source'], optional: [] })
  const places = new Map<string, Place>()
  const put = (code: string, place: Omit<Place, 'code' | 'parentCode' | 'provinceCode'>) =>
    places.set(code, { ...place, code, parentCode: null, provinceCode: `${code.slice(0, 2)}0000` })

  for (const row of provinces)
    put(row.gb2260!, {
      level: 'PROVINCE',
      iso3166: row.iso3166_2!,
      names: texts(row.name_zh, row.name_en),
      shortNames: {},
      longitude: null,
      latitude: null,
      timeZone: 'Asia/Shanghai',
      source: row.source!,
    })
  for (const row of cities)
    put(row.gb2260!, {
      level: levels[row.admin_level!]!,
      iso3166: places.get(row.gb2260!)?.iso3166 ?? null,
      names: texts(row.name_zh, row.name_en),
      shortNames: texts(row.short_zh, row.name_en),
      longitude: Number(row.lon),
      latitude: Number(row.lat),
      timeZone: row.time_zone!,
      source: row.source!,
    })
  for (const row of others)
    put(row.gb2260!, {
      level: row.name_zh!.endsWith('区')
        ? 'DISTRICT'
        : row.gb2260!.endsWith('00')
          ? 'PREFECTURE_CITY'
          : 'COUNTY_LEVEL_CITY',
      iso3166: null,
      names: texts(row.name_zh, undefined),
      shortNames: {},
      longitude: null,
      latitude: null,
      timeZone: 'Asia/Shanghai',
      source: row.source!,
    })
  const known = new Set(places.keys())
  const list = [...places.values()].map(place => ({ ...place, parentCode: parentOf(place.code, known) }))
  // Parents first: a place refers to the one above it.
  return list.sort((a, b) => rank(a.code) - rank(b.code) || a.code.localeCompare(b.code))
}

const rank = (code: string) => (code.endsWith('0000') ? 0 : code.endsWith('00') ? 1 : 2)

/** Enters the places that are not there yet, by code. @returns how many were new */
export async function loadPlaces(tx: Tx, now: Date): Promise<number> {
  const rows = readPlaces().map(place => ({
    ...place,
    id: newUuid(now.getTime()),
    names: json(place.names),
    shortNames: json(place.shortNames),
    search: searchText(place.names, Object.values(place.shortNames)),
  }))
  const entered = await tx
    .insertInto('regions')
    .values(rows)
    .onConflict(conflict => conflict.column('code').doNothing())
    .returning('code')
    .execute()
  return entered.length
}

/** Enters the words of the shared vocabularies, and corrects those that are there. @returns how many were new or other */
export async function loadVocabularies(tx: Tx): Promise<number> {
  const file = JSON.parse(readFileSync(new URL('vocabularies.json', import.meta.url), 'utf8')) as Record<
    string,
    { values: { code: string; zh: string; en: string; source: string }[] }
  >
  const rows = (['field', 'capability'] as const).flatMap(name =>
    file[name]!.values.map((term, position) => ({
      vocabulary: name.toUpperCase() as VocabularyName,
      code: term.code,
      position,
      labels: json(texts(term.zh, term.en)),
      source: term.source,
    })),
  )
  const entered = await tx
    .insertInto('vocabularyTerms')
    .values(rows)
    .onConflict(conflict =>
      conflict
        .columns(['vocabulary', 'code'])
        .doUpdateSet(eb => ({
          position: eb.ref('excluded.position'),
          labels: eb.ref('excluded.labels'),
          source: eb.ref('excluded.source'),
        }))
        .where(
          sql<boolean>`(vocabulary_terms.position, vocabulary_terms.labels, vocabulary_terms.source)
            is distinct from (excluded.position, excluded.labels, excluded.source)`,
        ),
    )
    .returning('vocabularyTerms.code')
    .execute()
  return entered.length
}
