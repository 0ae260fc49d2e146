import { type Actor, isStaff, type Officer } from '../access/actor.ts'
import { Forbidden, refuse, text } from '../errors.ts'
import type { InitiativeVersionRow, SignatureContents } from './store.ts'

type Status = InitiativeVersionRow['status']

const chinese: Record<Status, string> = { DRAFT: '草稿', OPEN: '开放签署', SUPERSEDED: '已被取代' }

/** From which status each step of a version leads. */
const steps = { edit: 'DRAFT', discard: 'DRAFT', open: 'DRAFT', sign: 'OPEN' } as const satisfies Record<string, Status>

/** @throws InputRefused with WRONG_STATUS when the step does not lead on from the version's status */
export function checkStatus(
  version: Pick<InitiativeVersionRow, 'status'>,
  step: keyof typeof steps,
  field: readonly string[] = [],
): void {
  const needed = steps[step]
  if (version.status === needed) return
  refuse(
    'WRONG_STATUS',
    field,
    `This version of the initiative is ${version.status}; this needs one that is ${needed}.`,
    `倡议书的这一版本状态为“${chinese[version.status]}”；此操作只适用于“${chinese[needed]}”的版本。`,
  )
}

/** @throws InputRefused with WRONG_STATUS for a signature that no longer stands */
export function checkStanding({ withdrawnAt, renewedAt }: Pick<SignatureContents, 'withdrawnAt' | 'renewedAt'>): void {
  if (withdrawnAt !== null) refuse('WRONG_STATUS', ['id'], 'This signature was withdrawn.', '该签署已被撤回。')
  if (renewedAt !== null)
    refuse(
      'WRONG_STATUS',
      ['id'],
      'The member has signed a later version since, which took the place of this signature.',
      '该成员已签署之后的版本，本次签署已被取代。',
    )
}

/** Who signed, and the code of the certificate, are for the member's own officers and the secretariat. */
export function maySeeSigner(actor: Actor, memberId: string): boolean {
  return isStaff(actor) || (actor.kind === 'OFFICER' && actor.memberId === memberId)
}

/**
 * The actor as a representative who signs for its member. The SDL asks for INITIATIVE_SIGN already; but nobody signs on
 * a member's behalf, whatever it is permitted.
 * @throws Forbidden for everybody else
 */
export function asRepresentative(actor: Actor): Officer {
  if (actor.kind === 'OFFICER' && actor.role === 'REPRESENTATIVE') return actor
  throw new Forbidden(
    text('Only a representative of a member signs, for its own member.', '只有成员的代表才能为本单位签署。'),
  )
}

/** @throws Forbidden for everybody but the secretariat, programs of the house, and representatives of this member */
export function demandMayWithdraw(actor: Actor, memberId: string): void {
  if (isStaff(actor)) return
  if (asRepresentative(actor).memberId === memberId) return
  throw new Forbidden(
    text(
      'This is the signature of another member; withdraw that of your own.',
      '这是其他成员的签署，您只能撤回本单位的签署。',
    ),
  )
}

/** @throws Forbidden for everybody but the secretariat and programs of the house */
export function demandStaff(actor: Actor): void {
  if (isStaff(actor)) return
  throw new Forbidden(
    text('Only the secretariat keeps the initiative and countersigns.', '只有秘书处可以管理倡议书并会签。'),
  )
}
