import type { Tx } from '../database/client.ts'
import { checkInput, type InputCheck } from '../input.ts'
import { findTakenReferences, insertReferences } from './store.ts'

/** A key of a body in another system. */
export interface NewReference {
  readonly system: string
  readonly value: string
}

const mostReferences = 20

function addTaken(check: InputCheck, field: readonly string[], { system, value }: NewReference): void {
  check.add(
    'TAKEN',
    field,
    `The key ${value} of ${system} belongs to another member. Look at it with members(filter: { externalReference }).`,
    `${system} 中的键 ${value} 已属于另一成员。可用 members(filter: { externalReference }) 查看。`,
  )
}

const same = (a: NewReference) => (b: NewReference) => a.system === b.system && a.value === b.value

/** The references as they will be kept. What is wrong with them goes to `check`; ask it before writing. */
export async function checkReferences(
  tx: Tx,
  check: InputCheck,
  sent: readonly NewReference[],
  field: readonly string[],
): Promise<readonly NewReference[]> {
  check.size(sent, field, mostReferences)
  const references = sent.slice(0, mostReferences).map(({ system, value }, i) => ({
    system: check.text(system, [...field, String(i), 'system'], 60).toLowerCase(),
    value: check.text(value, [...field, String(i), 'value'], 200),
  }))
  const taken = references.length > 0 ? await findTakenReferences(tx, references) : []
  for (const [i, reference] of references.entries()) {
    if (references.findIndex(same(reference)) < i)
      check.add('INVALID', [...field, String(i)], 'This key is given twice.', '此键重复给出。')
    if (taken.some(same(reference))) addTaken(check, [...field, String(i)], reference)
  }
  return references
}

/** Gives a new member its references. @throws InputRefused when another took one since they were checked */
export async function claimReferences(
  tx: Tx,
  memberId: string,
  references: readonly NewReference[],
  field: readonly string[],
): Promise<void> {
  const claimed = await insertReferences(
    tx,
    references.map(reference => ({ ...reference, memberId })),
  )
  const check = checkInput()
  for (const [i, reference] of references.entries())
    if (!claimed.some(same(reference))) addTaken(check, [...field, String(i)], reference)
  check.done()
}
