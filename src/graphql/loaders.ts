import DataLoader from 'dataloader'
import type { Request } from '../access/request.ts'
import { findPortalKeys, findPortals, findTokens, type PortalRow, type TokenRow } from '../access/store.ts'
import { findReceipts, type ReceiptRow } from '../announcements/recipients.ts'
import { type AnnouncementRow, findAnnouncements } from '../announcements/store.ts'
import type { Page } from '../database/page.ts'
import { type MemberList, pageMemberLists } from '../members/list.ts'
import {
  type ContactRow,
  findContacts,
  findMembers,
  findReferences,
  type MemberRow,
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
  /** The latest first. */
  readonly memberTransitions: DataLoader<string, TransitionRow[]>
  readonly announcementById: DataLoader<string, AnnouncementRow | null>
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
      return lazily(
        'memberList',
        () =>
          new DataLoader<MemberList, Page<MemberRow>, string>(lists => pageMemberLists(db, actor, lists), {
            cacheKeyFn: list => JSON.stringify(list),
          }),
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
