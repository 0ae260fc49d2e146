import { actorReference } from '../access/actor.ts'
import { once } from '../access/idempotency.ts'
import { change, type Request } from '../access/request.ts'
import type { Tx } from '../database/client.ts'
import { json } from '../database/json.ts'
import { InputRefused, NotFound, refuse, text } from '../errors.ts'
import { newUuid } from '../ids.ts'
import { checkInput } from '../input.ts'
import { lockMember, type MemberRow } from '../members/store.ts'
import { findRelated } from '../reads/related.ts'
import { bindingOf, makeCode } from './certificate.ts'
import { asRepresentative, checkStanding, checkStatus, demandMayWithdraw, demandStaff } from './policy.ts'
import { signatureById } from './reads.ts'
import {
  findSigned,
  holdVersion,
  insertSignature,
  lockSignature,
  renewSignature,
  type SignatureContents,
  type SignatureRow,
  updateSignature,
  type WholeVersion,
} from './store.ts'

async function readSignature(tx: Tx, { actor }: Request, id: string): Promise<SignatureRow> {
  const [row] = await findRelated(tx, actor, signatureById, [id])
  return row!
}

async function holdSignature(tx: Tx, { actor }: Request, id: string): Promise<SignatureContents> {
  const signature = await lockSignature(tx, actor, id)
  if (!signature) throw new NotFound(text('There is no such signature.', '没有这份签署。'))
  return signature
}

/**
 * The representative's own member, held against changes until the transaction ends: of two representatives who sign at
 * once the second waits, and so does a decision on the membership.
 * @throws InputRefused with WRONG_STATUS when it is suspended or has left since the token was read
 */
async function holdSigner(tx: Tx, { actor }: Request, memberId: string): Promise<MemberRow> {
  const member = await lockMember(tx, actor, memberId)
  if (member?.status === 'LISTED' || member?.status === 'ADMITTED') return member
  return refuse(
    'WRONG_STATUS',
    [],
    'The rights of your organisation rest: it cannot sign, nor withdraw a signature.',
    '贵单位的权利已暂停，不能签署，也不能撤回签署。',
  )
}

/** @throws InputRefused when the version is not open, or not the text that the representative read */
function checkRead(version: WholeVersion | undefined, sha256: string): asserts version is WholeVersion {
  if (!version)
    refuse('NOT_FOUND', ['input', 'version'], 'There is no such version of the initiative.', '倡议书没有这一版本。')
  checkStatus(version, 'sign', ['input', 'version'])
  if (version.sha256 !== sha256)
    refuse(
      'INVALID',
      ['input', 'sha256'],
      'This is not the SHA-256 of this version: what you read is another text. Read the version again before you sign it.',
      '此 SHA-256 与该版本不符，您阅读的并非该版本的文本。请重新阅读后再签署。',
    )
}

/** What a representative signs. */
export interface SignInput {
  /** The UUID of the version. */
  readonly version: string
  readonly sha256: string
}

async function insertNew(tx: Tx, request: Request, member: MemberRow, version: WholeVersion) {
  const officer = asRepresentative(request.actor)
  // Not before the opening, whatever the clock of this process says.
  const signedAt = version.openedAt && version.openedAt > request.now ? version.openedAt : request.now
  const bound = {
    versionId: version.id,
    sha256: version.sha256,
    memberId: member.id,
    memberNames: member.names,
    accountId: officer.accountId,
    person: officer.name,
    signedAt,
  }
  const id = newUuid(request.now.getTime())
  const binding = bindingOf(bound)
  await renewSignature(tx, member.id, signedAt)
  await insertSignature(tx, {
    ...bound,
    id,
    memberNames: json(member.names),
    binding,
    code: makeCode(),
    kind: member.kind,
    associationKind: member.associationKind,
    regionCode: member.regionCode,
    isLeft: false,
  })
  return { id, binding }
}

/**
 * Signs the open version for the representative's own member. A signature that stood becomes RENEWED.
 * @throws Forbidden for everybody but representatives; InputRefused for a suspended member, a version that is not open,
 * the SHA-256 of another text, and with TAKEN when the member has signed this version, by whomever
 */
export function signInitiative(
  request: Request,
  input: SignInput,
  idempotencyKey?: string | null,
): Promise<SignatureRow> {
  const { memberId } = asRepresentative(request.actor)
  return change(request, async (tx, report) => {
    const call = { operation: `signInitiative ${memberId}`, key: idempotencyKey, input }
    const made = await once(tx, request, call, async () => {
      const member = await holdSigner(tx, request, memberId)
      const version = await holdVersion(tx, request.actor, input.version)
      checkRead(version, input.sha256)
      const signed = await findSigned(tx, memberId, version.id)
      if (signed !== undefined)
        throw new InputRefused(
          [
            {
              code: 'TAKEN',
              field: ['input', 'version'],
              text: text(
                'Your organisation has signed this version already: the signature is in this answer.',
                '贵单位已签署该版本，签署内容见本次返回。',
              ),
            },
          ],
          await readSignature(tx, request, signed),
        )
      const { id, binding } = await insertNew(tx, request, member, version)
      await report({
        type: 'initiative.signed',
        subject: id,
        detail: { versionId: version.id, memberId, binding },
        audience: 'SUBJECT',
      })
      return id
    })
    return readSignature(tx, request, made.id)
  })
}

/** Countersigns a signature for the alliance. A second time changes nothing. @throws NotFound; InputRefused for one that no longer stands */
export function countersignSignature(request: Request, id: string): Promise<SignatureRow> {
  demandStaff(request.actor)
  return change(request, async (tx, report) => {
    const { memberId, countersignedAt, isLeft, ...signature } = await holdSignature(tx, request, id)
    checkStanding(signature)
    if (isLeft) refuse('WRONG_STATUS', ['id'], 'The member has left the alliance.', '该成员已离开联盟。')
    if (countersignedAt === null) {
      await updateSignature(tx, id, { countersignedAt: request.now, countersignedBy: actorReference(request.actor) })
      await report({ type: 'initiative.countersigned', subject: id, detail: { memberId }, audience: 'SUBJECT' })
    }
    return readSignature(tx, request, id)
  })
}

/**
 * Withdraws a signature, which stays in the member's history.
 * @throws NotFound; Forbidden for that of another member; InputRefused for a suspended member, without a reason, and for
 * one that no longer stands
 */
export function withdrawSignature(request: Request, id: string, reason: string): Promise<SignatureRow> {
  return change(request, async (tx, report) => {
    const { actor, now } = request
    // First the member, then its signatures, as whoever changes the member takes them.
    if (actor.kind === 'OFFICER') await holdSigner(tx, request, actor.memberId)
    const signature = await holdSignature(tx, request, id)
    const { memberId } = signature
    demandMayWithdraw(actor, memberId)
    const check = checkInput()
    const withdrawalReason = check.text(reason, ['reason'], 500)
    check.done()
    checkStanding(signature)
    await updateSignature(tx, id, { withdrawnAt: now, withdrawnBy: actorReference(actor), withdrawalReason })
    await report({
      type: 'initiative.withdrawn',
      subject: id,
      detail: { memberId },
      audience: 'MEMBERS',
      audienceMembers: [memberId],
    })
    return readSignature(tx, request, id)
  })
}
