import { readPartialDate, readUrl } from '../graphql/scalars.ts'
import { memberTypes, parseId } from '../ids.ts'
import { checkInput } from '../input.ts'
import type { Reference } from '../members/lookups.ts'
import type { ProfileChanges } from '../members/profile.ts'
import { sameReference } from '../members/references.ts'
import type { NewMember } from '../members/registration.ts'
import type { MemberRow } from '../members/store.ts'
import { readTexts, splitList, splitReferences, textColumns } from './member-columns.ts'

type Cells = Readonly<Record<string, string>>

/** A row of the file as the services take it. What can't be read is gathered, and refused by `done`. */
export interface MemberLine {
  /** UUID of the member that the row names; null when it names none. */
  readonly id: string | null
  readonly name: string
  readonly body: Pick<NewMember, 'kind' | 'associationKind' | 'region'>
  readonly profile: ProfileChanges
  /** As they are kept, each once. */
  readonly references: readonly Reference[]
  /** The version of the member that the file shows; null when it shows none. */
  readonly version: number | null
  refuse(column: string, message: string): void
  /** Checks what a row can't change of a member that is there, and what a new one needs; null for a new one. */
  checkAgainst(present: MemberRow | null): void
  /** @throws InputRefused when something was wrong */
  done(): void
}

const kinds = ['CITY', 'ASSOCIATION', 'COMPANY'] as const
const associationKinds = [
  'ALLIANCE',
  'ASSOCIATION',
  'COMMITTEE',
  'INSTITUTION',
  'RESEARCH_INSTITUTE',
  'STANDARDS_GROUP',
  'UNIVERSITY',
  'ACADEMY',
  'GOVERNMENT_DEPARTMENT',
  'ZONE_AUTHORITY',
  'PUBLIC_INSTITUTION',
  'COMPUTE_CENTER',
  'INNOVATION_PLATFORM',
  'THINK_TANK',
  'COORDINATION_BODY',
  'MEDIA',
  'HOSPITAL',
] as const satisfies readonly NonNullable<MemberRow['associationKind']>[]

/** Reads a row. A column that the file does not have leaves its field as it is; an empty cell empties it. */
export function readMemberLine(cells: Cells): MemberLine {
  const check = checkInput()
  const refuse = (column: string, message: string) => check.add('INVALID', ['row', column], message, message)
  /** Undefined without the column, null for an empty cell, else what `read` makes of it; a fault when that is null. */
  const optional = <T>(column: string, read: (cell: string) => T | null, hint: string): T | null | undefined => {
    const cell = cells[column]
    if (cell === undefined || cell === '') return cell === undefined ? undefined : null
    const value = read(cell)
    if (value === null) refuse(column, hint)
    return value
  }
  const memberId = (cell: string) => {
    const parsed = parseId(cell)
    return parsed && (memberTypes as readonly string[]).includes(parsed.type) ? parsed.uuid : null
  }
  const whole = (cell: string) => (/^\d{1,9}$/.test(cell) ? Number(cell) : null)
  const idHint = 'Write the id of a member as the export shows it.'

  const kind = kinds.find(known => known === cells.kind)
  if (!kind) refuse('kind', `Write one of ${kinds.join(', ')}.`)
  const references: Reference[] = []
  for (const entry of splitReferences(cells.external_references ?? ''))
    if (typeof entry === 'string') refuse('external_references', `"${entry.slice(0, 60)}" is no key; write system:key.`)
    else if (!references.some(sameReference(entry))) references.push(entry)
  const texts = Object.entries(textColumns).map(([field, prefix]) => [field, readTexts(prefix, cells)] as const)
  const body = {
    kind: kind ?? 'COMPANY',
    associationKind:
      optional(
        'association_kind',
        cell => associationKinds.find(known => known === cell) ?? null,
        `Write one of ${associationKinds.join(', ')}.`,
      ) ?? null,
    region: cells.region || null,
  }
  const url = (column: string) => optional(column, readUrl, 'Write an http or https URL of at most 2,000 characters.')
  const profile: ProfileChanges = {
    ...Object.fromEntries(texts.filter(([, list]) => list.length > 0)),
    logoUrl: url('logo_url'),
    websiteUrl: url('website_url'),
    fields: cells.fields === undefined ? undefined : splitList(cells.fields),
    capabilities: cells.capabilities === undefined ? undefined : splitList(cells.capabilities),
    founded: optional('founded', readPartialDate, 'Write 2022, 2022-09 or 2022-09-26.'),
    size: optional('size', whole, 'Write a whole number.'),
    parentId: optional('parent', memberId, idHint),
    leadId: optional('lead', memberId, idHint),
    creditCode: cells.credit_code === undefined ? undefined : cells.credit_code || null,
  }
  const id = optional('id', memberId, idHint) ?? null
  const version = optional('version', whole, 'Write the number that the export shows, or nothing.') ?? null

  return {
    id,
    name: cells.name_zh_hans || cells.name_en || '',
    body,
    profile,
    references,
    version,
    refuse,
    checkAgainst: present => {
      if (!present) {
        if (references.length === 0)
          refuse(
            'external_references',
            'A new member needs a key such as crm.example.org:17, so that a second import finds it.',
          )
        if (cells.status && cells.status !== 'LISTED')
          refuse('status', 'A new member is LISTED; its status changes by decisions such as admitMember.')
        return
      }
      const fixed = {
        kind: present.kind,
        association_kind: present.associationKind ?? '',
        region: present.regionCode ?? '',
        status: present.status,
      }
      // An empty cell says nothing of what an import can't change.
      for (const [column, value] of Object.entries(fixed))
        if (cells[column] && cells[column] !== value)
          refuse(column, `This is ${value || 'empty'} and an import does not change it.`)
    },
    done: check.done,
  }
}
