import { z } from 'zod'
import type { Db, Tx } from '../database/client.ts'
import { NotFound, refuse, text } from '../errors.ts'
import { newUuid } from '../ids.ts'
import { checkInput } from '../input.ts'
import type { Translations } from '../languages.ts'
import { findRelated } from '../reads/related.ts'
import { actorReference } from './actor.ts'
import { once } from './idempotency.ts'
import { type MembershipStatus, type OfficerRole, type Permission, portalScopes } from './permissions.ts'
import { tokenById } from './reads.ts'
import { change, programRequest, type Report, type Request } from './request.ts'
import { makeSecret } from './secret.ts'
import { findPortalKeys, type TokenRow, upsertAccount } from './store.ts'

const day = 86_400_000
const longestLife = 400 * day

/** A token just issued: its id, and the token itself, which is nowhere kept. */
export interface IssuedToken {
  readonly tokenId: string
  readonly secret: string
}

/** For whom something is issued or made. */
export interface Person {
  readonly name: string
  readonly email: string
  readonly expiresAt?: Date | null
}

/** The end of a token's life. @throws InputRefused when it lies in the past or more than 400 days ahead */
function tokenEnd(now: Date, asked: Date | null | undefined, defaultDays: number, field: string[]): Date {
  const end = asked ?? new Date(now.getTime() + defaultDays * day)
  if (end <= now) refuse('IN_THE_PAST', field, 'A token must end in the future.', '令牌的到期时间须在将来。')
  if (end.getTime() - now.getTime() > longestLife)
    refuse('INVALID', field, 'A token lives for 400 days at most.', '令牌的有效期最长为 400 天。')
  return end
}

/**
 * A person as it is kept, the address in lower case. @param path where the input has the person
 * @throws InputRefused for a bad name or address
 */
export function checkPerson(person: Person, path: readonly string[] = ['input']): { name: string; email: string } {
  const check = checkInput()
  const name = check.text(person.name, [...path, 'name'], 100)
  const email = person.email.trim().toLowerCase()
  if (email.length > 200 || !z.email().safeParse(email).success)
    check.add(
      'INVALID',
      [...path, 'email'],
      'This is no mail address; write one such as office@example.org.',
      '不是有效的邮箱地址，请填写类似 office@example.org 的地址。',
    )
  check.done()
  return { name, email }
}

/** Makes a token and reports it, within a transaction. That its bearer may have it is the caller's to see to. */
export async function insertToken(
  tx: Tx,
  report: Report,
  request: Request,
  {
    role,
    ...token
  }: {
    kind: TokenRow['kind']
    accountId?: string
    memberId?: string
    role?: OfficerRole
    portalId?: string
    expiresAt: Date
  },
): Promise<IssuedToken> {
  const id = newUuid(request.now.getTime())
  const secret = makeSecret(id)
  await tx
    .insertInto('tokens')
    .values({ ...token, id, secretHash: secret.hash, createdAt: request.now, createdBy: actorReference(request.actor) })
    .execute()
  const { kind, accountId = null, memberId = null, portalId = null } = token
  const detail = { kind, accountId, memberId, role: role ?? null, portalId }
  await report({ type: 'token.issued', subject: id, detail, audience: 'SECRETARIAT' })
  return { tokenId: id, secret: secret.token }
}

/**
 * Makes sure that somebody may act for a member, and that it does not leave before the transaction ends.
 * @throws InputRefused for an unknown member or one that has left
 */
export async function demandPresence(
  tx: Tx,
  memberId: string,
  field: readonly string[],
): Promise<{ status: MembershipStatus; names: Translations }> {
  const member = await tx
    .selectFrom('members')
    .select(['status', 'names'])
    .where('id', '=', memberId)
    .forShare()
    .executeTakeFirst()
  if (!member) refuse('NOT_FOUND', field, 'There is no such member.', '没有这个成员。')
  if (member.status === 'WITHDRAWN' || member.status === 'EXPELLED')
    refuse(
      'WRONG_STATUS',
      field,
      'This member has left the alliance; nobody acts for it any more.',
      '该成员已离开联盟，不再有人代表其行事。',
    )
  return member
}

/**
 * Holds the officers of a member until the transaction ends.
 * @throws InputRefused when the account is the last representative, and is to be one no more
 */
async function demandOther(tx: Tx, accountId: string, memberId: string, role: OfficerRole): Promise<void> {
  const officers = await tx
    .selectFrom('officers')
    .select(['accountId', 'role'])
    .where('memberId', '=', memberId)
    .orderBy('accountId')
    .forUpdate()
    .execute()
  const representatives = officers.filter(officer => officer.role === 'REPRESENTATIVE')
  if (role === 'REPRESENTATIVE' || representatives.length !== 1 || representatives[0]!.accountId !== accountId) return
  refuse(
    'WRONG_STATUS',
    ['input', 'role'],
    'This is the last representative of the member. Make somebody else representative first.',
    '这是该成员的最后一位代表，请先任命其他代表。',
  )
}

/**
 * Issues a token to an officer and gives the officer the role in the member.
 * @throws InputRefused for an unknown member or one that has left, a bad name, address or end, and a role that would
 * leave the member without a representative
 */
export async function issueOfficerToken(
  request: Request,
  input: Person & { memberId: string; role: OfficerRole },
): Promise<IssuedToken> {
  const person = checkPerson(input)
  const expiresAt = tokenEnd(request.now, input.expiresAt, 90, ['input', 'expiresAt'])
  return change(request, async (tx, report) => {
    await demandPresence(tx, input.memberId, ['input', 'member'])
    const accountId = await upsertAccount(tx, {
      id: newUuid(request.now.getTime()),
      ...person,
      isSecretariat: false,
      createdAt: request.now,
    })
    await demandOther(tx, accountId, input.memberId, input.role)
    await tx
      .insertInto('officers')
      .values({ accountId, memberId: input.memberId, role: input.role, createdAt: request.now })
      .onConflict(conflict => conflict.columns(['accountId', 'memberId']).doUpdateSet({ role: input.role }))
      .execute()
    return insertToken(tx, report, request, {
      kind: 'OFFICER',
      accountId,
      memberId: input.memberId,
      role: input.role,
      expiresAt,
    })
  })
}

/** Issues a token to one of the secretariat's staff. @throws InputRefused for a bad name, address or end */
export async function issueSecretariatToken(request: Request, input: Person): Promise<IssuedToken> {
  const person = checkPerson(input)
  const expiresAt = tokenEnd(request.now, input.expiresAt, 90, ['input', 'expiresAt'])
  return change(request, async (tx, report) => {
    const accountId = await upsertAccount(tx, {
      id: newUuid(request.now.getTime()),
      ...person,
      isSecretariat: true,
      createdAt: request.now,
    })
    return insertToken(tx, report, request, { kind: 'SECRETARIAT', accountId, expiresAt })
  })
}

/** Registers a portal, and answers its UUID. @throws InputRefused for bad texts, a member that is unknown or has left, or a scope that portals don't get */
export async function registerPortal(
  request: Request,
  input: { name: string; contact: string; purpose: string; memberId: string | null; scopes: readonly Permission[] },
  idempotencyKey?: string | null,
): Promise<string> {
  const check = checkInput()
  const name = check.text(input.name, ['input', 'name'], 100)
  const contact = check.text(input.contact, ['input', 'contact'], 200)
  const purpose = check.text(input.purpose, ['input', 'purpose'], 500)
  for (const scope of input.scopes)
    if (!portalScopes.includes(scope))
      check.add(
        'INVALID',
        ['input', 'scopes'],
        `${scope} can't be given to a portal; ${portalScopes.join(', ')} can.`,
        `${scope} 不能授予门户；可授予的有 ${portalScopes.join('、')}。`,
      )
  check.done()
  return change(request, async (tx, report) => {
    const made = await once(tx, request, { operation: 'registerPortal', key: idempotencyKey, input }, async () => {
      if (input.memberId !== null) await demandPresence(tx, input.memberId, ['input', 'member'])
      const id = newUuid(request.now.getTime())
      await tx
        .insertInto('portals')
        .values({
          id,
          name,
          contact,
          purpose,
          memberId: input.memberId,
          scopes: [...new Set(input.scopes)],
          createdAt: request.now,
        })
        .execute()
      await report({ type: 'portal.registered', subject: id, detail: {}, audience: 'SECRETARIAT' })
      return id
    })
    return made.id
  })
}

/** Issues a key to a portal. @throws NotFound; InputRefused when two keys live already, when its member has left, or for a bad end */
export async function issuePortalKey(request: Request, portalId: string, asked?: Date | null): Promise<IssuedToken> {
  const expiresAt = tokenEnd(request.now, asked, 365, ['expiresAt'])
  return change(request, async (tx, report) => {
    const portal = await tx
      .selectFrom('portals')
      .select('memberId')
      .where('id', '=', portalId)
      .forUpdate()
      .executeTakeFirst()
    if (!portal) throw new NotFound(text('There is no such portal.', '没有这个门户。'))
    if (portal.memberId !== null) await demandPresence(tx, portal.memberId, ['portal'])
    const live = await findPortalKeys(tx, [portalId], request.now)
    if (live.length >= 2)
      refuse(
        'WRONG_STATUS',
        ['portal'],
        'Two keys of this portal live already. Revoke one first.',
        '该门户已有两把有效密钥，请先吊销一把。',
      )
    return insertToken(tx, report, request, { kind: 'PORTAL', portalId, expiresAt })
  })
}

/** Ends a token at once. Ending it again changes nothing. @throws NotFound; InputRefused without a reason */
export async function revokeToken(request: Request, tokenId: string, reason: string): Promise<TokenRow> {
  const check = checkInput()
  const why = check.text(reason, ['reason'], 500)
  check.done()
  return change(request, async (tx, report) => {
    await revokeTokens(tx, report, request, [tokenId], why)
    const [token] = await findRelated(tx, request.actor, tokenById, [tokenId])
    if (!token) throw new NotFound(text('There is no such token.', '没有这个令牌。'))
    return token
  })
}

/** Ends those of the tokens that have not been revoked, within a transaction, and reports each. */
export async function revokeTokens(
  tx: Tx,
  report: Report,
  request: Request,
  tokenIds: readonly string[],
  reason: string,
): Promise<void> {
  if (tokenIds.length === 0) return
  const revoked = await tx
    .updateTable('tokens')
    .set({ revokedAt: request.now, revokedBy: actorReference(request.actor), revokedReason: reason })
    .where('id', 'in', [...tokenIds])
    .where('revokedAt', 'is', null)
    .returning('id')
    .execute()
  for (const { id } of revoked)
    await report({ type: 'token.revoked', subject: id, detail: {}, audience: 'SECRETARIAT' })
}

/** Issues the secretariat's very first token; null when there has been any token before. */
export async function issueFirstToken(db: Db, now: Date): Promise<string | null> {
  const any = await db.selectFrom('tokens').select('id').limit(1).executeTakeFirst()
  if (any) return null
  const issued = await issueSecretariatToken(programRequest(db, now, 'first start'), {
    name: '秘书处',
    email: 'secretariat@localhost.localdomain',
  })
  return issued.secret
}
