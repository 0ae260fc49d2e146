import { change, programRequest, type Request } from '../access/request.ts'
import type { Db, Tx } from '../database/client.ts'
import { transact } from '../database/transaction.ts'
import { referenceData } from '../journal/catalog.ts'
import { registerMember, updateProfile } from '../members/service.ts'
import { type FoundingMember, foundingSystem, readFoundingMembers } from './organisations.ts'
import { loadPlaces, loadVocabularies } from './places.ts'

/** What a load entered or corrected; what was there already is not counted. */
export interface Loaded {
  readonly places: number
  readonly terms: number
  readonly members: number
}

/** The members that the founding rows were entered as, by row id. */
async function findEntered(tx: Tx): Promise<Map<string, { id: string; version: number }>> {
  const rows = await tx
    .selectFrom('memberReferences')
    .innerJoin('members', 'members.id', 'memberReferences.memberId')
    .where('system', '=', foundingSystem)
    .select(['value', 'members.id', 'members.version'])
    .execute()
  return new Map(rows.map(({ value, id, version }) => [value, { id, version }]))
}

async function linkMembers(request: Request, tx: Tx, added: readonly FoundingMember[]): Promise<void> {
  const entered = await findEntered(tx)
  for (const { member, parent, lead } of added) {
    const parentId = parent && entered.get(parent)?.id
    const leadId = lead && entered.get(lead)?.id
    const { id, version } = entered.get(member.externalReferences![0]!.value)!
    if (parentId || leadId)
      // With its sources as they are: these links are from there too.
      await updateProfile(
        request,
        { id },
        {
          expectedVersion: version,
          profile: { parentId, leadId, sources: member.profile.sources },
        },
      )
  }
}

/**
 * Loads the founding data in one transaction. What is there stays as it is, since its members may have changed it;
 * whether a body is there is told by its external reference, never by its name.
 */
export async function loadFoundingData(db: Db, now: Date): Promise<Loaded> {
  return transact(db, async tx => {
    const request = programRequest(tx, now, 'founding data')
    const places = await loadPlaces(tx, now)
    const terms = await loadVocabularies(tx)
    // Answers that show words or places are kept in the memory of running servers.
    const news = { subject: referenceData, detail: {}, audience: 'SECRETARIAT' } as const
    if (places + terms > 0) await change(request, async (_, report) => report({ type: 'reference.loaded', ...news }))
    const entered = await findEntered(tx)
    const added = readFoundingMembers().filter(
      ({ member }) => !member.externalReferences!.some(({ value }) => entered.has(value)),
    )
    for (const { member } of added) await registerMember(request, member)
    await linkMembers(request, tx, added)
    return { places, terms, members: added.length }
  })
}
