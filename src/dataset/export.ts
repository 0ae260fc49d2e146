import type { Db } from '../database/client.ts'
import { writeId } from '../ids.ts'
import { memberType } from '../members/policy.ts'
import { findKinds, findReferences, type MemberRow } from '../members/store.ts'
import { writeCsv } from './csv.ts'
import { joinList, joinReferences, memberColumns, textColumns, writeTexts } from './member-columns.ts'

const pageSize = 500

function cellsOf(
  member: MemberRow,
  kinds: ReadonlyMap<string, MemberRow['kind']>,
  references: readonly { system: string; value: string }[],
): Record<string, string> {
  const shown = (uuid: string | null) => (uuid === null ? '' : writeId(memberType({ kind: kinds.get(uuid)! }), uuid))
  return {
    id: writeId(memberType(member), member.id),
    version: String(member.version),
    kind: member.kind,
    association_kind: member.associationKind ?? '',
    region: member.regionCode ?? '',
    ...Object.assign(
      {},
      ...Object.entries(textColumns).map(([field, prefix]) =>
        writeTexts(prefix, member[field as keyof typeof textColumns]),
      ),
    ),
    logo_url: member.logoUrl ?? '',
    website_url: member.websiteUrl ?? '',
    fields: joinList(member.fields),
    capabilities: joinList(member.capabilities),
    founded: member.founded ?? '',
    size: member.size?.toString() ?? '',
    parent: shown(member.parentId),
    lead: shown(member.leadId),
    credit_code: member.creditCode ?? '',
    external_references: joinReferences(references),
    status: member.status,
  }
}

/**
 * All members as CSV, in the order in which they were entered; `import members` finds nothing to change in it. Each row
 * has the member's version, by which an import knows that somebody changed it since.
 */
export async function exportMembers(db: Db, options: { readonly bom: boolean }): Promise<string> {
  const rows: Record<string, string>[] = []
  for (let after = '00000000-0000-0000-0000-000000000000'; ; ) {
    const page = await db
      .selectFrom('members')
      .selectAll()
      .where('id', '>', after)
      .orderBy('id')
      .limit(pageSize)
      .$castTo<MemberRow>()
      .execute()
    const ids = page.map(({ id }) => id)
    const related = page.flatMap(({ parentId, leadId }) => [parentId, leadId].filter(uuid => uuid !== null))
    const kinds = await findKinds(db, related)
    const references = Map.groupBy(await findReferences(db, ids), ({ memberId }) => memberId)
    for (const member of page) rows.push(cellsOf(member, kinds, references.get(member.id) ?? []))
    const last = ids.at(-1)
    if (page.length < pageSize || last === undefined) break
    after = last
  }
  return writeCsv(memberColumns, rows, { bom: options.bom })
}
