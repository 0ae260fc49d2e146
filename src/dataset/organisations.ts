import type { NewMember } from '../members/registration.ts'
import type { FactSource, MemberRow } from '../members/store.ts'
import { readFoundingCsv } from './places.ts'

/** The system under which founding members are known: `founding-data` and the id of the row. */
export const foundingSystem = 'founding-data'

/** A member of the founding data, and which other rows it refers to. */
export interface FoundingMember {
  readonly member: NewMember
  /** Row ids of the bodies that this one is part of, or is led by. */
  readonly parent: string | null
  readonly lead: string | null
}

/** Kinds of the file that are companies; null stands for a city's governing body, entered with the cities. */
const kinds: Record<string, MemberRow['associationKind'] | 'COMPANY'> = {
  company: 'COMPANY',
  company_unit: 'COMPANY',
  alliance: 'ALLIANCE',
  association: 'ASSOCIATION',
  association_committee: 'COMMITTEE',
  research_institute: 'RESEARCH_INSTITUTE',
  standards_group: 'STANDARDS_GROUP',
  university: 'UNIVERSITY',
  academy: 'ACADEMY',
  government: 'GOVERNMENT_DEPARTMENT',
  zone_authority: 'ZONE_AUTHORITY',
  government_affiliated_institution: 'PUBLIC_INSTITUTION',
  compute_provider: 'COMPUTE_CENTER',
  innovation_platform: 'INNOVATION_PLATFORM',
  think_tank: 'THINK_TANK',
  coordination_body: 'COORDINATION_BODY',
  media: 'MEDIA',
  hospital: 'HOSPITAL',
}

/** Rows that name a city as the one who acts: its governing body, which is entered from cities.csv. */
const cityRows: Record<string, string> = { 'org-001': '510100' }

const names = (zh: string | undefined, en: string | undefined) => [
  ...(zh ? [{ locale: 'zh-Hans' as const, text: zh }] : []),
  ...(en ? [{ locale: 'en' as const, text: en }] : []),
]

/**
 * The governing bodies of the cities. A city is governed by its people's government (Constitution of the PRC, article 105),
 * so the name is formed by that rule and marked as not looked up.
 */
function readCities(): FoundingMember[] {
  const cities = readFoundingCsv('cities.csv', { required: ['gb2260', 'name_zh', 'name_en'], optional: null })
  return cities.map(({ gb2260, name_zh, name_en }) => {
    const rows = Object.entries(cityRows).flatMap(([row, code]) => (code === gb2260 ? [row] : []))
    const sources: FactSource[] = [
      {
        fact: 'names',
        source: 'Constitution of the People’s Republic of China, article 105',
        verified: false,
        note: 'The name is formed by the rule that a city is governed by its people’s government; it was not looked up.',
      },
    ]
    return {
      member: {
        kind: 'CITY',
        region: gb2260!,
        profile: { names: names(`${name_zh}人民政府`, `People's Government of ${name_en}`), sources },
        externalReferences: [`city-${gb2260}`, ...rows].map(value => ({ system: foundingSystem, value })),
      },
      parent: null,
      lead: null,
    }
  })
}

const rowId = /org-\d{3}/

/** Reads `parent: org-024`, `lead: org-022` and `led by org-038`. Other relations stay words in the note. */
function readRelations(relations: string): Pick<FoundingMember, 'parent' | 'lead'> {
  const find = (pattern: RegExp) => pattern.exec(relations)?.[0].match(rowId)?.[0] ?? null
  return { parent: find(/parent: org-\d{3}/), lead: find(/(?:lead:|led by) org-\d{3}/) }
}

function readOrganisations(): FoundingMember[] {
  const rows = readFoundingCsv('organisations.csv', {
    required: [
      'id',
      'name_zh',
      'name_en',
      'kind',
      'region_gb2260',
      'founded',
      'relations',
      'notes',
      'verification',
      'source',
    ],
    optional: null,
  })
  return rows.flatMap(row => {
    if (cityRows[row.id!]) return []
    const kind = kinds[row.kind!]
    if (!kind) throw new Error(`organisations.csv: ${row.id} is of the unknown kind ${row.kind}.`)
    const remarks = [row.relations, row.notes].filter(Boolean).join('; ')
    const sources = row.source!.split(' | ').map(
      (source): FactSource => ({
        fact: '*',
        source,
        verified: row.verification === 'verified',
        note: remarks || null,
      }),
    )
    const creditCode = /USCC ([0-9A-Z]{18})/.exec(row.notes!)?.[1]
    return {
      member: {
        ...(kind === 'COMPANY' ? { kind } : { kind: 'ASSOCIATION' as const, associationKind: kind }),
        region: row.region_gb2260 || null,
        profile: {
          names: names(row.name_zh, row.name_en),
          founded: row.founded || null,
          sources,
          ...(creditCode ? { creditCode } : {}),
        },
        externalReferences: [{ system: foundingSystem, value: row.id! }],
      },
      ...readRelations(row.relations!),
    }
  })
}

/** The founding members: the governing bodies of the cities, then the organisations. None of them has joined anything. */
export function readFoundingMembers(): FoundingMember[] {
  return [...readCities(), ...readOrganisations()]
}
