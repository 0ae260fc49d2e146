import { InvalidInput, text } from '../errors.ts'
import { connection } from '../graphql/connection.ts'
import type { Context } from '../graphql/context.ts'
import type { AudienceInput, Resolvers } from '../graphql/generated.ts'
import { liveField } from '../graphql/live.ts'
import { payload } from '../graphql/payload.ts'
import { listTranslations } from '../graphql/shared-resolvers.ts'
import { memberTypes, readId, writeId } from '../ids.ts'
import { isEvent, type JournalEvent } from '../journal/catalog.ts'
import { translated } from '../languages.ts'
import { countReached, isPublicAudience, pageReached, type RecipientRule } from './audience.ts'
import { asOfficer, isPinned } from './policy.ts'
import { publishAnnouncement, retractAnnouncement, scheduleAnnouncement, unscheduleAnnouncement } from './publishing.ts'
import { acknowledgeAnnouncement, markAnnouncementRead, readAudience, remindUnacknowledged } from './reading.ts'
import { pageRecipients } from './recipients.ts'
import { pageRevisions } from './revisions.ts'
import { noSuchAnnouncement } from './steps.ts'
import {
  type AnnouncementFilter,
  type AnnouncementRow,
  findAnnouncements,
  pageAnnouncements,
  pageInbox,
} from './store.ts'
import { draftAnnouncement, editAnnouncement } from './writing.ts'

/** An audience as a caller sends it, with UUIDs for ids. @throws InvalidInput for what is no member's id */
function withUuids(audience: AudienceInput) {
  const rules = (sent: AudienceInput['include']) =>
    sent.map(rule => ({ ...rule, members: rule.members?.map(id => readId(id, ...memberTypes)) }))
  return { include: rules(audience.include), exclude: audience.exclude && rules(audience.exclude) }
}

const readAnnouncementId = (id: string) => readId(id, 'Announcement')

/** A listener hears what is out; to choose among statuses would mean to hear of drafts. */
function refuseStatuses(filter: AnnouncementFilter | null | undefined): void {
  if (filter?.statuses)
    throw new InvalidInput(
      text('"statuses" cannot be used in a subscription; leave it out.', '订阅中不能使用“statuses”，请省略。'),
    )
}

/** The announcement of an event, if the listener may see it and it meets the filter. */
async function announcementOf(
  event: JournalEvent,
  filter: AnnouncementFilter | null | undefined,
  { request, loaders }: Context,
): Promise<AnnouncementRow | null> {
  if (!filter) return loaders.announcementById.load(event.subject)
  const [announcement] = await findAnnouncements(request.db, request.actor, [event.subject], filter)
  return announcement ?? null
}

const everyoneNamed = async (rule: RecipientRule, { loaders }: Context) => {
  const members = await Promise.all(rule.members.map(id => loaders.memberById.load(id)))
  return members.filter(member => member !== null)
}

export const announcementResolvers: Resolvers = {
  Query: {
    announcement: (_, { id }, { loaders }) => loaders.announcementById.load(readAnnouncementId(id)),
    announcements: async (_, { filter, ...page }, { request }) =>
      connection(await pageAnnouncements(request.db, request.actor, request.now, filter ?? {}, page)),
    inbox: async (_, { filter, ...page }, { request }) =>
      connection(await pageInbox(request.db, asOfficer(request.actor), filter ?? {}, page)),
    audiencePreview: (_, { audience }, { request }) => readAudience(request, withUuids(audience)),
  },
  Announcement: {
    id: announcement => writeId('Announcement', announcement.id),
    title: (announcement, { locale }, context) => translated(announcement.titles, locale ?? context.locale)!,
    titles: announcement => listTranslations(announcement.titles),
    body: (announcement, { locale }, context) => translated(announcement.bodies, locale ?? context.locale)!,
    bodies: announcement => listTranslations(announcement.bodies),
    isPinned: (announcement, _, { request }) => isPinned(announcement, request.now),
    revisions: async (announcement, page, { request }) =>
      connection(await pageRevisions(request.db, announcement.id, page)),
    recipients: async (announcement, { acknowledged, ...page }, { request }) =>
      connection(await pageRecipients(request.db, announcement.id, acknowledged, page)),
    receipt: (announcement, _, { loaders }) => loaders.announcementReceipt.load(announcement.id),
  },
  AudienceRule: {
    members: (rule, _, context) => everyoneNamed(rule, context),
  },
  AudiencePreview: {
    public: audience => isPublicAudience(audience),
    memberCount: (audience, _, { request }) => countReached(request.db, audience),
    members: async (audience, page, { request }) => connection(await pageReached(request.db, audience, page)),
  },
  AnnouncementRevision: {
    title: ({ snapshot }, { locale }, context) => translated(snapshot.titles, locale ?? context.locale)!,
    body: ({ snapshot }, { locale }, context) => translated(snapshot.bodies, locale ?? context.locale)!,
  },
  AnnouncementRecipient: {
    member: async (recipient, _, { loaders }) => (await loaders.memberById.load(recipient.memberId))!,
  },
  Mutation: {
    draftAnnouncement: (_, { input, idempotencyKey }, { request }) =>
      payload('announcement', () =>
        draftAnnouncement(request, { ...input, audience: withUuids(input.audience) }, idempotencyKey),
      ),
    editAnnouncement: (_, { id, input: { audience, ...input } }, { request }) =>
      payload('announcement', () =>
        editAnnouncement(request, readAnnouncementId(id), { ...input, audience: audience && withUuids(audience) }),
      ),
    scheduleAnnouncement: (_, { id, ...input }, { request }) =>
      payload('announcement', () => scheduleAnnouncement(request, readAnnouncementId(id), input)),
    unscheduleAnnouncement: (_, { id, expectedVersion }, { request }) =>
      payload('announcement', () => unscheduleAnnouncement(request, readAnnouncementId(id), expectedVersion)),
    publishAnnouncement: (_, { id, expectedVersion }, { request }) =>
      payload('announcement', () => publishAnnouncement(request, readAnnouncementId(id), expectedVersion)),
    retractAnnouncement: (_, { id, ...input }, { request }) =>
      payload('announcement', () => retractAnnouncement(request, readAnnouncementId(id), input)),
    remindUnacknowledged: async (_, { id }, { request }) => {
      let remindedCount = 0
      const outcome = await payload('announcement', async () => {
        const reminded = await remindUnacknowledged(request, readAnnouncementId(id))
        remindedCount = reminded.remindedCount
        return reminded.announcement
      })
      return { ...outcome, remindedCount }
    },
    acknowledgeAnnouncement: (_, { id }, { request }) =>
      payload('announcement', () => acknowledgeAnnouncement(request, readAnnouncementId(id))),
    markAnnouncementRead: (_, { id, read }, { request }) =>
      payload('announcement', () => markAnnouncementRead(request, readAnnouncementId(id), read ?? true)),
  },
  Subscription: {
    announcementPublished: liveField<
      { filter?: AnnouncementFilter | null; after?: string | null },
      { announcement: AnnouncementRow }
    >({
      types: ['announcement.published'],
      check: ({ filter }) => refuseStatuses(filter),
      payload: async (event, { filter }, context) => {
        const announcement = await announcementOf(event, filter, context)
        return announcement && { announcement }
      },
    }),
    announcementChanged: liveField<
      { id?: string | null; filter?: AnnouncementFilter | null; after?: string | null },
      { change: JournalEvent<'announcement.changed'>['detail']['change']; announcement: AnnouncementRow }
    >({
      types: ['announcement.changed'],
      check: async ({ id, filter }, { loaders }) => {
        refuseStatuses(filter)
        if (id != null && !(await loaders.announcementById.load(readAnnouncementId(id)))) throw noSuchAnnouncement()
      },
      payload: async (event, { id, filter }, context) => {
        if (!isEvent(event, 'announcement.changed')) return null
        if (id != null && readAnnouncementId(id) !== event.subject) return null
        const announcement = await announcementOf(event, filter, context)
        return announcement && { change: event.detail.change, announcement }
      },
    }),
  },
}
