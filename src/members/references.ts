import type { Tx } from '../database/client.ts'
import { checkInput, type InputCheck } from '../input.ts'
import type { Lookups, Reference } from './lookups.ts'
import { insertReferences } from './store.ts'

/** The most keys in other systems that a member has. */
export const mostReferences = 20

/** A key as it is kept: the system in lower case, no white space around. */
export function normaliseReference({ system, value }: Reference): Reference {
  return { system: system.trim().toLowerCase(), value: value.trim() }
}

function addTaken(check: InputCheck, field: readonly string[], { system, value }: Reference): void {
  check.add(
    'TAKEN',
    field,
    `The key ${value} of ${system} belongs to another member. Look at it with members(filter: { externalReference }).`,
    `${system} 中的键 ${value} 已属于另一成员。可用 members(filter: { externalReference }) 查看。`,
  )
}

/** Whether the other key is this one. */
export const sameReference = (a: Reference) => (b: Reference) => a.system === b.system && a.value === b.value

/**
 * The references as they will be kept. What is wrong with them goes to `check`; ask it before writing.
 * @param self the UUID of the member, which may have them already; null for one that is being entered
 */
export async function checkReferences(
  lookups: Lookups,
  check: InputCheck,
  sent: readonly Reference[],
  field: readonly string[],
  self: string | null,
): Promise<readonly Reference[]> {
  check.size(sent, field, mostReferences)
  const references = sent.slice(0, mostReferences).map(({ system, value }, i) => ({
    system: check.text(system, [...field, String(i), 'system'], 60).toLowerCase(),
    value: check.text(value, [...field, String(i), 'value'], 200),
  }))
  const owners = await Promise.all(references.map(lookups.referenceOwner))
  for (const [i, reference] of references.entries()) {
    if (references.findIndex(sameReference(reference)) < i)
      check.add('INVALID', [...field, String(i)], 'This key is given twice.', '此键重复给出。')
    if (owners[i] && owners[i] !== self) addTaken(check, [...field, String(i)], reference)
  }
  return references
}

/** Gives members their new references. @throws InputRefused when another took one since they were checked */
export async function claimReferences(
  tx: Tx,
  claims: readonly { readonly memberId: string; readonly references: readonly Reference[] }[],
  field: readonly string[],
): Promise<void> {
  const claimed = await insertReferences(
    tx,
    claims.flatMap(({ memberId, references }) => references.map(reference => ({ ...reference, memberId }))),
  )
  const free = new Set(claimed.map(({ system, value }) => `${system}\n${value}`))
  const check = checkInput()
  for (const { references } of claims)
    for (const [i, reference] of references.entries())
      if (!free.has(`${reference.system}\n${reference.value}`)) addTaken(check, [...field, String(i)], reference)
  check.done()
}
