import type { Db } from '../database/client.ts'
import { InvalidInput, text } from '../errors.ts'
import { connection } from '../graphql/connection.ts'
import { type Context, holdsUntil } from '../graphql/context.ts'
import { fieldsOf, find, pageOf } from '../graphql/fields.ts'
import type {
  AnnouncementRecipientsArgs,
  AudienceInput,
  QueryAnnouncementsArgs,
  QueryInboxArgs,
  Resolvers,
} from '../graphql/generated.ts'
import { liveField } from '../graphql/live.ts'
import { payload } from '../graphql/payload.ts'
import { listTranslations } from '../graphql/shared-resolvers.ts'
import { readId, writeId } from '../ids.ts'
import { isEvent, type JournalEvent } from '../journal/catalog.ts'
import { translated } from '../languages.ts'
import { readMemberIds } from '../members/member-id.ts'
import { memberById } from '../members/reads.ts'
import { findPages } from '../reads/listing.ts'
import { askReached, countReached, isPublicAudience, type RecipientRule, reachedList } from './audience.ts'
import {
  type AnnouncementFilter,
  announcementList,
  askAnnouncements,
  askInbox,
  findMeeting,
  inboxList,
} from './list.ts'
import { isPinned } from './policy.ts'
import { publishAnnouncement, retractAnnouncement, scheduleAnnouncement, unscheduleAnnouncement } from './publishing.ts'
import { acknowledgeAnnouncement, markAnnouncementRead, readAudience, remindUnacknowledged } from './reading.ts'
import { announcementById, latestRevisionFirst, receiptOf, recipientOrder, recipientsOf, revisionsOf } from './reads.ts'
import type { RecipientRow } from './recipients.ts'
import { type AnnouncementRevisionRow, findRevisionBodies } from './revisions.ts'
import { noSuchAnnouncement } from './steps.ts'
import { type AnnouncementRow, findAudiences, findBodies } from './store.ts'
import { draftAnnouncement, editAnnouncement } from './writing.ts'

/** An audience as a caller sends it, with UUIDs for ids. @throws InvalidInput for what is no member's id */
async function withUuids(db: Db, audience: AudienceInput) {
  const ids = [...audience.include, ...(audience.exclude ?? [])].flatMap(({ members }) => members ?? [])
  const uuids = await readMemberIds(db, ids)
  const rules = (sent: AudienceInput['include']) =>
    sent.map(rule => ({ ...rule, members: rule.members && uuids.splice(0, rule.members.length) }))
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
const announcementOf = (
  event: JournalEvent,
  filter: AnnouncementFilter | null | undefined,
  { loaders }: Context,
): Promise<AnnouncementRow | null> => loaders.batch(findMeeting, { id: event.subject, filter: filter ?? {} })

const everyoneNamed = async (rule: RecipientRule, { loaders }: Context) => {
  const members = await Promise.all(rule.members.map(id => loaders.one(memberById, id)))
  return members.filter(member => member !== null)
}

const { from, late, one, page } = fieldsOf<AnnouncementRow>()
const revision = fieldsOf<AnnouncementRevisionRow>()
const recipient = fieldsOf<RecipientRow>()

export const announcementResolvers: Resolvers = {
  Query: {
    announcement: find(announcementById, ({ id }: { id: string }) => readAnnouncementId(id)),
    announcements: pageOf(announcementList, ({ filter, ...page }: Partial<QueryAnnouncementsArgs>, { request }) =>
      askAnnouncements(request, filter ?? {}, page),
    ),
    inbox: pageOf(inboxList, ({ filter }: Partial<QueryInboxArgs>, { request }) => askInbox(request, filter ?? {})),
    audiencePreview: async (_, { audience }, { request }) =>
      readAudience(request, await withUuids(request.db, audience)),
  },
  Announcement: {
    id: from(['id'], announcement => writeId('Announcement', announcement.id)),
    title: from(
      ['titles'],
      (announcement, { locale }, context) => translated(announcement.titles, locale ?? context.locale)!,
    ),
    titles: from(['titles'], announcement => listTranslations(announcement.titles)),
    body: late(
      'bodies',
      findBodies,
      ({ bodies }, { locale }, context) => translated(bodies, locale ?? context.locale)!,
    ),
    bodies: late('bodies', findBodies, ({ bodies }) => listTranslations(bodies)),
    audience: late('audience', findAudiences, ({ audience }) => audience),
    isPinned: from(['status', 'pinnedUntil'], (announcement, _, context) => {
      const pinned = isPinned(announcement, context.request.now)
      if (pinned) holdsUntil(context, announcement.pinnedUntil!)
      return pinned
    }),
    revisions: page(revisionsOf, [['id'], row => [row.id]], () => ({ input: {}, order: latestRevisionFirst })),
    recipients: page(
      recipientsOf,
      [['id'], row => [row.id]],
      ({ acknowledged }: Partial<AnnouncementRecipientsArgs>) => ({
        input: { acknowledged: acknowledged === true, awaited: acknowledged === false },
        order: recipientOrder,
      }),
    ),
    receipt: one(receiptOf, 'id', [
      [],
      (_, { request: { actor } }) => actor.kind === 'OFFICER' && actor.permissions.has('INBOX_READ'),
    ]),
  },
  AudienceRule: {
    members: (rule, _, context) => everyoneNamed(rule, context),
  },
  AudiencePreview: {
    public: audience => isPublicAudience(audience),
    memberCount: (audience, _, { request }) => countReached(request.db, audience),
    members: (audience, page, { request: { db, actor } }) =>
      connection(findPages(db, actor, reachedList, askReached(audience), [[]], page)[0]!),
  },
  AnnouncementRevision: {
    title: revision.from(
      ['titles'],
      ({ titles }, { locale }, context) => translated(titles, locale ?? context.locale)!,
    ),
    body: revision.late(
      'bodies',
      findRevisionBodies,
      ({ bodies }, { locale }, context) => translated(bodies, locale ?? context.locale)!,
    ),
  },
  AnnouncementRecipient: {
    member: recipient.one(memberById, 'memberId'),
  },
  Mutation: {
    draftAnnouncement: (_, { input, idempotencyKey }, { request }) =>
      payload('announcement', async () => {
        const audience = await withUuids(request.db, input.audience)
        return draftAnnouncement(request, { ...input, audience }, idempotencyKey)
      }),
    editAnnouncement: (_, { id, input: { audience, ...input } }, { request }) =>
      payload('announcement', async () => {
        const rules = audience && (await withUuids(request.db, audience))
        return editAnnouncement(request, readAnnouncementId(id), { ...input, audience: rules })
      }),
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
        if (id != null && !(await loaders.one(announcementById, readAnnouncementId(id)))) throw noSuchAnnouncement()
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
