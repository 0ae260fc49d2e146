import type { InsertObject } from 'kysely'
import type { Report, Request } from '../access/request.ts'
import type { Tx } from '../database/client.ts'
import type { DB } from '../database/tables.ts'
import { newUuid } from '../ids.ts'
import { checkInput, type InputCheck } from '../input.ts'
import { insertRevisions } from './history.ts'
import type { Lookups, Reference } from './lookups.ts'
import { columnsOf, emptyProfile, nameKeys, nextProfile, type ProfileChanges } from './profile.ts'
import { checkReferences, claimReferences } from './references.ts'
import { insertMembers, type MemberRow } from './store.ts'

/** What to enter of a new body. */
export interface NewMember {
  readonly kind: MemberRow['kind']
  /** Needed for an association, refused for others. */
  readonly associationKind?: MemberRow['associationKind']
  /** GB/T 2260 code; needed for a city. */
  readonly region?: string | null
  readonly profile: ProfileChanges
  readonly externalReferences?: readonly Reference[] | null
}

/** A body that was checked and is yet to be written. */
export interface Registration {
  readonly id: string
  readonly columns: InsertObject<DB, 'members'>
  readonly references: readonly Reference[]
}

/** Checks the place of a member of this kind. */
export async function checkPlace(
  lookups: Lookups,
  check: InputCheck,
  { kind, region }: Pick<NewMember, 'kind' | 'region'>,
): Promise<void> {
  const field = ['input', 'region']
  if (region == null) {
    if (kind === 'CITY')
      check.add(
        'REQUIRED',
        field,
        'A city needs the code of its place, such as 510100.',
        '城市须填写行政区划代码，例如 510100。',
      )
  } else if (!/^\d{6}$/.test(region))
    check.add(
      'INVALID',
      field,
      'A code of GB/T 2260 has six digits: 510100.',
      'GB/T 2260 行政区划代码为六位数字，例如 510100。',
    )
  else if (!(await lookups.hasRegion(region)))
    check.add(
      'NOT_FOUND',
      field,
      `No place with the code ${region} is recorded. Ask for regions to see those that are.`,
      `没有登记代码为 ${region} 的地区。可用 regions 查询已登记的地区。`,
    )
}

/** Checks the sort of association of a member of this kind. */
export function checkAssociationKind(
  check: InputCheck,
  { kind, associationKind }: Pick<NewMember, 'kind' | 'associationKind'>,
): void {
  const field = ['input', 'associationKind']
  if (kind === 'ASSOCIATION' && associationKind == null)
    check.add('REQUIRED', field, 'Say what sort of organisation it is.', '请填写组织的类别。')
  if (kind !== 'ASSOCIATION' && associationKind != null)
    check.add('INVALID', field, 'Only an association has this; leave it out.', '仅组织类成员可填此项，请删去。')
}

/** Checks a new body. @throws InputRefused for all that is wrong with it */
export async function checkRegistration(lookups: Lookups, request: Request, input: NewMember): Promise<Registration> {
  const { actor, now } = request
  const check = checkInput()
  checkAssociationKind(check, input)
  await checkPlace(lookups, check, input)
  const profile = await nextProfile(lookups, actor, check, null, emptyProfile, input.profile, ['input', 'profile'])
  const sent = input.externalReferences ?? []
  const references = await checkReferences(lookups, check, sent, ['input', 'externalReferences'], null)
  check.done()
  const id = newUuid(now.getTime())
  const columns = {
    id,
    kind: input.kind,
    associationKind: input.associationKind ?? null,
    regionCode: input.region ?? null,
    ...columnsOf(profile),
    ...nameKeys(profile.names),
    createdAt: now,
    updatedAt: now,
  }
  return { id, columns, references }
}

/**
 * Writes checked bodies as LISTED, each with a first revision and an event.
 * @returns the members in the order of the registrations
 * @throws InputRefused when another took a reference since it was checked; a unique violation of members_credit_code_key
 */
export async function enterMembers(
  tx: Tx,
  report: Report,
  { now, actor }: Request,
  registrations: readonly Registration[],
): Promise<MemberRow[]> {
  if (registrations.length === 0) return []
  const members = await insertMembers(
    tx,
    registrations.map(({ columns }) => columns),
  )
  const claims = registrations.map(({ id, references }) => ({ memberId: id, references }))
  await claimReferences(tx, claims, ['input', 'externalReferences'])
  const first = { version: 1, at: now, actor, reason: null, changes: [] }
  await insertRevisions(
    tx,
    registrations.map(({ id }) => ({ ...first, memberId: id })),
  )
  for (const { id } of registrations)
    await report({ type: 'member.registered', subject: id, detail: {}, audience: 'PUBLIC' })
  const byId = new Map(members.map(member => [member.id, member]))
  return registrations.map(({ id }) => byId.get(id)!)
}
