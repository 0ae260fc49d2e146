import { actorReference } from '../access/actor.ts'
import { change, type Request } from '../access/request.ts'
import type { Tx } from '../database/client.ts'
import { InputRefused, InvalidInput, refuse, text } from '../errors.ts'
import { checkInput } from '../input.ts'
import type { Audience } from './audience.ts'
import { type AudienceInput, checkAudience } from './audience-input.ts'
import { asOfficer, checkStatus, demandStaff } from './policy.ts'
import { acknowledge, deleteRead, insertRead, isRecipient, remindRecipients } from './recipients.ts'
import { holdAnnouncement, noSuchAnnouncement, takeStep } from './steps.ts'
import { type AnnouncementRow, findAnnouncements, lockVisible } from './store.ts'

/**
 * Acknowledges an announcement for the officer's member, also after the deadline. A second time changes nothing.
 * @throws NotFound when the officer may not see it; InputRefused when it is retracted or was not addressed to the member
 */
export function acknowledgeAnnouncement(request: Request, id: string): Promise<AnnouncementRow> {
  const officer = asOfficer(request.actor)
  return change(request, async (tx, report) => {
    const announcement = await lockVisible(tx, officer, id)
    if (!announcement) throw noSuchAnnouncement()
    checkStatus(announcement, 'acknowledge')
    const by = { actor: actorReference(officer), at: request.now }
    if (await acknowledge(tx, id, officer.memberId, by))
      await report({
        type: 'announcement.changed',
        subject: id,
        detail: { version: announcement.version, change: 'ACKNOWLEDGED' },
        audience: 'MEMBERS',
        audienceMembers: [officer.memberId],
      })
    else await demandRecipient(tx, id, officer.memberId)
    return announcement
  })
}

async function demandRecipient(tx: Tx, id: string, memberId: string): Promise<void> {
  if (await isRecipient(tx, id, memberId)) return
  refuse(
    'INVALID',
    ['id'],
    'This announcement was not addressed to your organisation: there is nothing to acknowledge.',
    '该公告并非发给贵单位，无需确认。',
  )
}

/** Records that the officer read an announcement, or that it did not. @throws NotFound when the officer may not see it */
export async function markAnnouncementRead(request: Request, id: string, read: boolean): Promise<AnnouncementRow> {
  const officer = asOfficer(request.actor)
  const [announcement] = await findAnnouncements(request.db, officer, [id])
  if (!announcement) throw noSuchAnnouncement()
  if (read) await insertRead(request.db, id, officer.accountId, request.now)
  else await deleteRead(request.db, id, officer.accountId)
  return announcement
}

/** The most members that one event names, so that no row of the journal grows without bound. */
const membersPerEvent = 1000

/**
 * Reminds the admitted organisations that have not acknowledged. When there are none, nothing happens.
 * @throws NotFound; InputRefused when it is not published, or when nobody is asked to acknowledge it
 */
export function remindUnacknowledged(
  request: Request,
  id: string,
): Promise<{ announcement: AnnouncementRow; remindedCount: number }> {
  demandStaff(request.actor)
  return change(request, async (tx, report) => {
    const before = await holdAnnouncement(tx, id)
    checkStatus(before, 'remind')
    if (before.acknowledgeBy === null)
      refuse(
        'WRONG_STATUS',
        ['id'],
        'Nobody is asked to acknowledge this announcement.',
        '该公告未要求确认，无需提醒。',
      )
    const members = await remindRecipients(tx, id, request.now)
    if (members.length === 0) return { announcement: before, remindedCount: 0 }
    const after = await takeStep(tx, request, before, { change: 'REMINDED', set: {} })
    for (let i = 0; i < members.length; i += membersPerEvent)
      await report({
        type: 'announcement.changed',
        subject: id,
        detail: { version: after.version, change: 'REMINDED' },
        audience: 'MEMBERS',
        audienceMembers: members.slice(i, i + membersPerEvent),
      })
    return { announcement: after, remindedCount: members.length }
  })
}

/**
 * An audience to look at before anything is addressed to it.
 * @throws InvalidInput when it names nobody, unknown ones, or more than allowed
 */
export async function readAudience(request: Request, input: AudienceInput): Promise<Audience> {
  const check = checkInput()
  const audience = await checkAudience(request.db, check, input, ['audience'])
  try {
    check.done()
  } catch (error) {
    if (!(error instanceof InputRefused)) throw error
    // A query has no userErrors: the first fault stands for all, with its place.
    const fault = error.faults[0]!
    throw new InvalidInput(
      text(`${fault.field.join('.')}: ${fault.text.en}`, `${fault.field.join('.')}：${fault.text.zh}`),
    )
  }
  return audience
}
