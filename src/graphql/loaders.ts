import DataLoader from 'dataloader'
import type { Request } from '../access/request.ts'
import { findPortalKeys, findPortals, findTokens, type PortalRow, type TokenRow } from '../access/store.ts'
import type { Audience } from '../announcements/audience.ts'
import {
  findReceipts,
  pageRecipients,
  type ReceiptRow,
  type RecipientList,
  type RecipientRow,
} from '../announcements/recipients.ts'
import {
  type AnnouncementRevisionRow,
  findRevisionBodies,
  pageRevisions,
  type RevisionList,
} from '../announcements/revisions.ts'
import { type AnnouncementRow, findAnnouncements, findAudiences, findBodies } from '../announcements/store.ts'
import type { Page } from '../database/page.ts'
import type { Translations } from '../languages.ts'
import { type ProfileRevisionList, pageProfileRevisions } from '../members/history.ts'
import { type MemberList, pageMemberLists } from '../members/list.ts'
import {
  type ContactRow,
  findContacts,
  findMembers,
  findReferences,
  type MemberRow,
  type ProfileRevisionRow,
  type ReferenceRow,
} from '../members/store.ts'
import { findTransitions, type TransitionRow } from '../membership/store.ts'
import { findRegions, findRegionsByCode, type RegionRow } from '../regions/store.ts'
import { findTerms, type TermRow } from '../vocabularies/store.ts'

/** A loader that answers one row, or null, for each key. */
function oneByKey<Row>(
  find: (keys: readonly string[]) => Promise<Row[]>,
  keyOf: (row: Row) => string,
): DataLoader<string, Row | null> {
  return new DataLoader(async keys => {
    const rows = new Map((await find(keys)).map(row => [keyOf(row), row]))
    return keys.map(key => rows.get(key) ?? null)
  })
}

/** A loader that answers a list of rows for each key. */
function manyByKey<Row>(
  find: (keys: readonly string[]) => Promise<Row[]>,
  keyOf: (row: Row) => string,
): DataLoader<string, Row[]> {
  return new DataLoader(async keys => {
    const rows = Map.groupBy(await find(keys), keyOf)
    return keys.map(key => rows.get(key) ?? [])
  })
}

/**
 * A loader of what belongs to an announcement besides its row. A change makes a version: what one mutation of a request
 * read is not shown to the next one.
 */
function byVersion<Key, Value>(
  find: (keys: readonly Key[]) => Promise<(Value | Error)[]>,
  versionOf: (key: Key) => { readonly id: string; readonly version: number },
  rest: (key: Key) => unknown = () => null,
): DataLoader<Key, Value, string> {
  const cacheKeyFn = (key: Key) => `${versionOf(key).id} ${versionOf(key).version} ${JSON.stringify(rest(key))}`
  return new DataLoader(find, { cacheKeyFn })
}

/** A loader that answers a page for each list. */
function pages<List, Row>(
  read: (lists: readonly List[]) => Promise<(Page<Row> | Error)[]>,
): DataLoader<List, Page<Row>, string> {
  return new DataLoader(read, { cacheKeyFn: list => JSON.stringify(list) })
}

/** Batched reads, one set per request. Each sees only what the request's actor may see. */
export interface Loaders {
  readonly regionById: DataLoader<string, RegionRow | null>
  readonly regionByCode: DataLoader<string, RegionRow | null>
  /** By `FIELD digital_twin`. */
  readonly term: DataLoader<string, TermRow | null>
  readonly memberById: DataLoader<string, MemberRow | null>
  /** Lists of members that many things have, such as the companies of cities. */
  readonly memberList: DataLoader<MemberList, Page<MemberRow>, string>
  readonly memberContacts: DataLoader<string, ContactRow[]>
  readonly memberReferences: DataLoader<string, ReferenceRow[]>
  /** Edits of profiles, the latest first. */
  readonly memberRevisions: DataLoader<ProfileRevisionList, Page<ProfileRevisionRow>, string>
  /** The latest first. */
  readonly memberTransitions: DataLoader<string, TransitionRow[]>
  readonly announcementById: DataLoader<string, AnnouncementRow | null>
  readonly announcementBodies: DataLoader<AnnouncementRow, Translations, string>
  readonly announcementAudience: DataLoader<AnnouncementRow, Audience, string>
  readonly announcementRecipients: DataLoader<RecipientList, Page<RecipientRow>, string>
  readonly announcementRevisions: DataLoader<RevisionList, Page<AnnouncementRevisionRow>, string>
  readonly announcementRevisionBodies: DataLoader<AnnouncementRevisionRow, Translations, string>
  /** By the UUID of the announcement; null for callers that have no inbox. */
  readonly announcementReceipt: DataLoader<string, ReceiptRow | null>
  readonly tokenById: DataLoader<string, TokenRow | null>
  readonly portalById: DataLoader<string, PortalRow | null>
  readonly portalKeys: DataLoader<string, TokenRow[]>
}

/** Makes the loaders of one request. Nothing is read before it is asked for. */
export function createLoaders(request: Request): Loaders {
  const { db, actor, now } = request
  const made = new Map<keyof Loaders, unknown>()
  const lazily = <T>(name: keyof Loaders, make: () => T): T => {
    if (!made.has(name)) made.set(name, make())
    return made.get(name) as T
  }
  return {
    get regionById() {
      return lazily('regionById', () =>
        oneByKey(
          ids => findRegions(db, ids),
          region => region.id,
        ),
      )
    },
    get regionByCode() {
      return lazily('regionByCode', () =>
        oneByKey(
          codes => findRegionsByCode(db, codes),
          region => region.code,
        ),
      )
    },
    get term() {
      return lazily('term', () =>
        oneByKey(
          keys => findTerms(db, keys),
          term => `${term.vocabulary} ${term.code}`,
        ),
      )
    },
    get memberById() {
      return lazily('memberById', () =>
        oneByKey(
          ids => findMembers(db, actor, ids),
          member => member.id,
        ),
      )
    },
    get memberList() {
      return lazily('memberList', () => pages((lists: readonly MemberList[]) => pageMemberLists(db, actor, lists)))
    },
    get memberRevisions() {
      return lazily('memberRevisions', () =>
        pages((lists: readonly ProfileRevisionList[]) => pageProfileRevisions(db, lists)),
      )
    },
    get memberContacts() {
      return lazily('memberContacts', () =>
        manyByKey(
          ids => findContacts(db, ids),
          contact => contact.memberId,
        ),
      )
    },
    get memberReferences() {
      return lazily('memberReferences', () =>
        manyByKey(
          ids => findReferences(db, ids),
          reference => reference.memberId,
        ),
      )
    },
    get memberTransitions() {
      return lazily('memberTransitions', () =>
        manyByKey(
          ids => findTransitions(db, ids),
          transition => transition.memberId,
        ),
      )
    },
    get announcementById() {
      return lazily('announcementById', () =>
        oneByKey(
          ids => findAnnouncements(db, actor, ids),
          row => row.id,
        ),
      )
    },
    get announcementBodies() {
      return lazily('announcementBodies', () =>
        byVersion(
          (rows: readonly AnnouncementRow[]) => findBodies(db, rows),
          row => row,
        ),
      )
    },
    get announcementAudience() {
      return lazily('announcementAudience', () =>
        byVersion(
          (rows: readonly AnnouncementRow[]) => findAudiences(db, rows),
          row => row,
        ),
      )
    },
    get announcementRecipients() {
      return lazily('announcementRecipients', () =>
        byVersion(
          (lists: readonly RecipientList[]) => pageRecipients(db, lists),
          list => list.announcement,
          ({ acknowledged, args }) => [acknowledged, args],
        ),
      )
    },
    get announcementRevisions() {
      return lazily('announcementRevisions', () =>
        byVersion(
          (lists: readonly RevisionList[]) => pageRevisions(db, lists),
          list => list.announcement,
          list => list.args,
        ),
      )
    },
    get announcementRevisionBodies() {
      return lazily('announcementRevisionBodies', () =>
        byVersion(
          (rows: readonly AnnouncementRevisionRow[]) => findRevisionBodies(db, rows),
          ({ announcementId, version }) => ({ id: announcementId, version }),
        ),
      )
    },
    get announcementReceipt() {
      return lazily('announcementReceipt', () =>
        oneByKey(
          async ids =>
            actor.kind === 'OFFICER' && actor.permissions.has('INBOX_READ') ? findReceipts(db, actor, ids) : [],
          row => row.announcementId,
        ),
      )
    },
    get tokenById() {
      return lazily('tokenById', () =>
        oneByKey(
          ids => findTokens(db, ids),
          token => token.id,
        ),
      )
    },
    get portalById() {
      return lazily('portalById', () =>
        oneByKey(
          ids => findPortals(db, ids),
          portal => portal.id,
        ),
      )
    },
    get portalKeys() {
      return lazily('portalKeys', () =>
        manyByKey(
          ids => findPortalKeys(db, ids, now),
          token => token.portalId!,
        ),
      )
    },
  }
}
