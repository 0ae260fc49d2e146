import { isDeepStrictEqual } from 'node:util'
import { change, type Request } from '../access/request.ts'
import { checkInput } from '../input.ts'
import { insertRevisions } from './history.ts'
import { createLookups, type Reference } from './lookups.ts'
import type { MemberKey } from './member-id.ts'
import { checkReferences, claimReferences } from './references.ts'
import { checkAssociationKind, checkPlace } from './registration.ts'
import { openMember } from './service.ts'
import { deleteReferences, findReferences, type MemberRow, updateMember } from './store.ts'

/** What to correct of a registration: what is left out stays, null empties. */
export interface Correction {
  readonly expectedVersion: number
  /** GB/T 2260 code. */
  readonly region?: string | null
  readonly associationKind?: MemberRow['associationKind']
  /** All of them anew. */
  readonly externalReferences?: readonly Reference[] | null
  readonly reason: string
}

const byKey = (a: Reference, b: Reference) => (`${a.system}\n${a.value}` < `${b.system}\n${b.value}` ? -1 : 1)

/**
 * Corrects what was fixed when a member was registered: its place, its sort of association, its keys in other systems.
 * The kind stays, since the id tells it. That the actor may do this is the permission MEMBERS_REGISTER.
 * @throws NotFound; InputRefused with CONFLICT, or for what is wrong with the input
 */
export async function correctRegistration(request: Request, key: MemberKey, input: Correction): Promise<MemberRow> {
  return change(request, async (tx, report) => {
    const { now, actor } = request
    const member = await openMember(tx, request, key, input.expectedVersion, () => true)
    const { id } = member
    const lookups = createLookups(tx)
    const check = checkInput()
    const reason = check.text(input.reason, ['input', 'reason'], 500)
    const { kind } = member
    const before = {
      region: member.regionCode,
      associationKind: member.associationKind,
      externalReferences: (await findReferences(tx, [id])).map(({ system, value }) => ({ system, value })).sort(byKey),
    }
    const region = input.region === undefined ? before.region : input.region
    const associationKind = input.associationKind === undefined ? before.associationKind : input.associationKind
    if (region !== before.region) await checkPlace(lookups, check, { kind, region })
    checkAssociationKind(check, { kind, associationKind })
    const field = ['input', 'externalReferences']
    const sent = input.externalReferences === undefined ? before.externalReferences : (input.externalReferences ?? [])
    const externalReferences = [...(await checkReferences(lookups, check, sent, field, id))].sort(byKey)
    check.done()

    const after = { region, associationKind, externalReferences }
    const fields = (['region', 'associationKind', 'externalReferences'] as const).filter(
      name => !isDeepStrictEqual(before[name], after[name]),
    )
    if (fields.length === 0) return member
    if (fields.includes('externalReferences')) {
      await deleteReferences(tx, id)
      await claimReferences(tx, [{ memberId: id, references: externalReferences }], field)
    }
    const corrected = await updateMember(tx, id, now, { regionCode: region, associationKind })
    const { version } = corrected
    const changes = fields.map(name => ({ field: name, before: before[name], after: after[name] }))
    await insertRevisions(tx, [{ memberId: id, version, at: now, actor, reason, changes }])
    await report({ type: 'member.profile', subject: id, detail: { version, fields }, audience: 'PUBLIC' })
    return corrected
  })
}
