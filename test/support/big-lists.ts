import { type GraphQLSchema, graphql } from 'graphql'
import { sql } from 'kysely'
import { type Actor, anonymous } from '../../src/access/actor.ts'
import { authenticate } from '../../src/access/authenticate.ts'
import { createBearers } from '../../src/access/bearers.ts'
import { plainEntry } from '../../src/access/entry.ts'
import { findDue, findNextDue } from '../../src/announcements/store.ts'
import { type Database, openPostgres } from '../../src/database/client.ts'
import { refreshShares } from '../../src/database/shares.ts'
import { createContext, type Services } from '../../src/graphql/context.ts'
import { type IdType, writeId } from '../../src/ids.ts'
import { readLog } from '../../src/journal/log.ts'
import { buildSchema } from '../../src/server/schema.ts'
import type { BigCallers } from '../bench/big-seed.ts'

type Caller = 'anonymous' | 'officer' | 'secretariat'

/** A list of the API with the arguments that it is asked with. */
interface ListAsked {
  readonly name: string
  readonly by: Caller
  /** The path of the connection in the answer, by the names of the fields. */
  readonly path: readonly string[]
  /** Takes `$first` and `$after`. */
  readonly document: string
  readonly variables?: Record<string, unknown>
  /** What is found by several conditions at once, or by a text, may take more than a page. */
  readonly isSearch?: boolean
}

/** A read of the service, on its page at a distance from the start. */
export interface BigRead {
  readonly name: string
  readonly isSearch: boolean
  /** Reads the page after the first `skip` entries, if the list is that long; answers how many it showed. */
  readonly run: (first: number, cursor: string | null) => Promise<{ shown: number; end: string | null }>
}

/** A big alliance to read from. */
export interface BigAlliance {
  readonly database: Database
  readonly reads: readonly BigRead[]
  close(): Promise<void>
}

const directory = `query ($filter: MemberFilter, $orderBy: MemberOrder, $first: Int, $after: String) {
  members(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
    nodes { id profile { name } region { name } membership { status } } pageInfo { endCursor }
  }
}`
const news = `query ($filter: AnnouncementFilter, $first: Int, $after: String) {
  announcements(filter: $filter, first: $first, after: $after) { nodes { id title } pageInfo { endCursor } }
}`
const terms = `query ($filter: OfficeTermFilter, $orderBy: OfficeTermOrder, $first: Int, $after: String) {
  officeTerms(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
    nodes { id office from until isResting member { id profile { name } } } pageInfo { endCursor }
  }
}`
const signatories = `query ($filter: SignatoryFilter, $orderBy: SignatoryOrder, $first: Int, $after: String) {
  signatories(filter: $filter, orderBy: $orderBy, first: $first, after: $after) {
    nodes { id state memberName member { id } initiativeVersion { number } countersignedBy } pageInfo { endCursor }
  }
}`
const inbox = `query ($filter: InboxFilter, $first: Int, $after: String) {
  inbox(filter: $filter, first: $first, after: $after) { nodes { id title receipt { readAt } } pageInfo { endCursor } }
}`
const tokens = `query ($filter: TokenFilter, $first: Int, $after: String) {
  tokens(filter: $filter, first: $first, after: $after) { nodes { id holder } pageInfo { endCursor } }
}`

const orders = ['PINYIN', 'STROKES', 'NAME', 'JOINED', 'UPDATED'] as const
const show = (value: object) => JSON.stringify(value).replaceAll('"', '')

/** Filters of one condition, and of several. */
function filters(found: Found) {
  const alone = [
    { kinds: ['CITY'] },
    { kinds: ['ASSOCIATION', 'COMPANY'] },
    { regions: [found.province] },
    { regions: [found.city] },
    { regions: [found.county] },
    { regions: [found.smallCity] },
    { regions: [found.city, found.province, found.smallCity] },
    { fields: [found.commonField] },
    { fields: [found.rareField] },
    { fields: [found.commonField, found.rareField] },
    { capabilities: [found.capability] },
    { associationKinds: ['COORDINATION_BODY'] },
    { statuses: ['ADMITTED'] },
    { statuses: ['LISTED'] },
    { statuses: ['ADMITTED', 'SUSPENDED'] },
    { externalReference: { system: 'portal', value: '1' } },
  ]
  const combined = [
    { kinds: ['COMPANY'], regions: [found.city] },
    { kinds: ['CITY'], regions: [found.province] },
    { kinds: ['COMPANY'], regions: [found.city], statuses: ['ADMITTED'] },
    { associationKinds: ['ALLIANCE'], regions: [found.province] },
    { kinds: ['ASSOCIATION'], fields: [found.commonField] },
  ]
  const searches = [
    { fields: [found.commonField], regions: [found.city] },
    { fields: [found.commonField], capabilities: [found.capability] },
    { name: '有' },
    { name: '科技' },
    { name: '元宇宙' },
    { name: 'keji' },
    { name: found.name },
    { name: '没有这样的名称' },
    { name: 'zzzzq' },
    { name: '元宇宙', kinds: ['COMPANY'], regions: [found.city] },
    { updatedSince: found.lately },
    { updatedSince: '2023-02-01T00:00:00Z' },
  ]
  return { alone, combined, searches }
}

/** What a seeded alliance has to ask for. */
interface Found {
  province: string
  city: string
  county: string
  smallCity: string
  commonField: string
  rareField: string
  capability: string
  name: string
  lately: string
  officer: string
  chair: string
  chairKind: string
  portal: string
  widely: string
  edited: string
  busy: string
  busyKind: string
  first: string
  firstKind: string
  firstVersion: string
  lastVersion: string
  memberIds: string[]
}

async function find({ db }: Database): Promise<Found> {
  const { rows } = await sql<Found>`
    with cities as (
      select left(region_code, 4) || '00' as code, count(*) as size from members group by 1
    ), fields as (
      select field, count(*) as size from members, unnest(fields) field group by 1
    )
    select (select code from cities order by size desc limit 1) as city,
      (select left(code, 2) || '0000' from cities order by size desc limit 1) as province,
      (select left(code, 4) || '71' from cities order by size desc limit 1) as county,
      (select code from cities where size >= 30 order by size limit 1) as small_city,
      (select field from fields order by size desc limit 1) as common_field,
      (select field from fields order by size limit 1) as rare_field,
      (select capability from members, unnest(capabilities) capability group by 1 order by count(*) desc limit 1) as capability,
      (select names->>'zh-Hans' from members order by id offset 999 limit 1) as name,
      (select to_char(updated_at - interval '1 hour', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') from members order by updated_at desc limit 1) as lately,
      (select member_id from tokens where kind = 'OFFICER' order by id limit 1) as officer,
      (select member_id from office_terms group by 1 order by count(*) desc, 1 limit 1) as chair,
      (select kind from members where id = (select member_id from office_terms group by 1 order by count(*) desc, 1 limit 1)) as chair_kind,
      (select id from portals order by id limit 1) as portal,
      (select announcement_id from announcement_recipients group by 1 order by count(*) desc limit 1) as widely,
      (select announcement_id from announcement_revisions group by 1 order by count(*) desc limit 1) as edited,
      (select id from members order by id limit 1) as first,
      (select kind from members order by id limit 1) as first_kind,
      (select member_id from member_revisions group by 1 order by count(*) desc limit 1) as busy,
      (select kind from members where id = (select member_id from member_revisions group by 1 order by count(*) desc limit 1)) as busy_kind,
      (select id from initiative_versions where number = 1) as first_version,
      (select id from initiative_versions where status = 'OPEN') as last_version`.execute(db)
  const ids = await sql<{ id: string }>`select id from members where kind = 'COMPANY' order by id limit 100`.execute(db)
  return { ...rows[0]!, memberIds: ids.rows.map(({ id }) => writeId('Company', id)) }
}

function lists(found: Found): ListAsked[] {
  const typeOf = (kind: string): IdType => (kind === 'CITY' ? 'City' : kind === 'COMPANY' ? 'Company' : 'Association')
  const { alone, combined, searches } = filters(found)
  const members = (filter: object, by: string, direction = 'ASC', caller: Caller = 'anonymous', isSearch = false) => ({
    name: `members ${show(filter)} ${by} ${direction} ${caller}`,
    by: caller,
    path: ['members'],
    document: directory,
    variables: { filter, orderBy: { by, direction } },
    // No stretch has these by the last change.
    isSearch:
      isSearch || (by === 'UPDATED' && ['fields', 'capabilities', 'associationKinds'].some(field => field in filter)),
  })
  const announcements = (filter: object, by: Caller, isSearch = false) => ({
    name: `announcements ${show(filter)} ${by}`,
    by,
    path: ['announcements'],
    document: news,
    variables: { filter },
    // What is addressed to the officer's member alone is looked through, as far as it goes.
    isSearch: isSearch || (by === 'officer' && Object.keys(filter).length > 0),
  })
  const announcement = (fields: string) =>
    `query ($id: ID!, $first: Int, $after: String) { announcement(id: $id) { ${fields} } }`
  const recipients = (acknowledged: string) => ({
    name: `recipients ${acknowledged}`,
    by: 'secretariat' as const,
    path: ['announcement', 'recipients'],
    document: announcement(
      `recipients(first: $first, after: $after ${acknowledged}) { nodes { member { id } acknowledgedBy } pageInfo { endCursor } }`,
    ),
    variables: { id: writeId('Announcement', found.widely) },
  })
  const audience = (rule: object) => ({
    name: `audience ${show(rule)}`,
    by: 'secretariat' as const,
    path: ['audiencePreview', 'members'],
    document: `query ($audience: AudienceInput!, $first: Int, $after: String) {
      audiencePreview(audience: $audience) { members(first: $first, after: $after) { nodes { id } pageInfo { endCursor } } }
    }`,
    variables: { audience: { include: [rule] } },
  })
  const chair = writeId(typeOf(found.chairKind), found.chair)
  const officeTerms = (filter: object, isSearch = false) =>
    (['FROM', 'UNTIL'] as const).flatMap(by =>
      ['ASC', 'DESC'].map(direction => ({
        name: `terms ${show(filter)} ${by} ${direction}`,
        by: 'anonymous' as const,
        path: ['officeTerms'],
        document: terms,
        variables: { filter, orderBy: { by, direction } },
        // By the last day those that began early are looked for one by one.
        isSearch: isSearch || (by === 'UNTIL' && 'until' in filter),
      })),
    )
  const holders = (name: string, day: string) => ({
    name: `${name} on ${day}`,
    by: 'anonymous' as const,
    path: ['alliance', name],
    document: `query ($at: Date, $first: Int, $after: String) {
      alliance(at: $at) { ${name}(first: $first, after: $after) { nodes { from member { id } } pageInfo { endCursor } } }
    }`,
    variables: { at: day },
  })
  const signed = (filter: object, by: Caller = 'anonymous') =>
    ['ASC', 'DESC'].map(direction => ({
      name: `signatories ${show(filter)} ${direction} ${by}`,
      by,
      path: ['signatories'],
      document: signatories,
      variables: { filter, orderBy: { by: 'SIGNED_AT', direction } },
    }))
  const version = (uuid: string) => writeId('InitiativeVersion', uuid)
  const ofCity = (args: string) => ({
    name: `bodies of cities ${args}`,
    by: 'anonymous' as const,
    path: ['members'],
    document: `query ($first: Int, $after: String) {
      members(filter: { kinds: [CITY] }, first: $first, after: $after) {
        nodes { ... on City { companies(first: 5 ${args}) { nodes { id } } associations(first: 5 ${args}) { nodes { id } } } }
        pageInfo { endCursor }
      }
    }`,
  })
  return [
    ...orders.flatMap(by =>
      [{}, ...alone, ...combined].flatMap(filter => ['ASC', 'DESC'].map(direction => members(filter, by, direction))),
    ),
    ...orders.flatMap(by => searches.map(filter => members(filter, by, 'ASC', 'anonymous', true))),
    ...orders.flatMap(by => [{}, { statuses: ['WITHDRAWN'] }].map(filter => members(filter, by, 'ASC', 'secretariat'))),
    ofCity(''),
    ofCity(', orderBy: { by: UPDATED, direction: DESC }'),
    ofCity(', filter: { statuses: [ADMITTED] }, orderBy: { by: STROKES }'),
    ...(['anonymous', 'officer', 'secretariat'] as const).flatMap(by => [
      ...[
        {},
        { categories: ['RELEASE'] },
        { urgencies: ['CRITICAL'] },
        { urgencies: ['URGENT', 'CRITICAL'], categories: ['EVENT', 'POLICY'] },
        { statuses: ['RETRACTED'] },
        { public: true },
        { public: false },
        { publishedSince: '2020-06-01T00:00:00Z' },
        { publishedSince: '2099-06-01T00:00:00Z' },
      ].map(filter => announcements(filter, by)),
      ...[{ title: '通知' }, { title: '智星' }, { title: '云谷青岚' }, { title: '没有这样的' }].map(filter =>
        announcements(filter, by, true),
      ),
    ]),
    announcements({ statuses: ['DRAFT', 'SCHEDULED'] }, 'secretariat'),
    ...[{}, { unread: true }, { unacknowledged: true }, { categories: ['RELEASE'] }].map(filter => ({
      name: `inbox ${show(filter)}`,
      by: 'officer' as const,
      path: ['inbox'],
      document: inbox,
      variables: { filter },
      isSearch: 'categories' in filter,
    })),
    recipients(''),
    recipients(', acknowledged: true'),
    recipients(', acknowledged: false'),
    {
      name: 'announcement revisions',
      by: 'secretariat',
      path: ['announcement', 'revisions'],
      document: announcement('revisions(first: $first, after: $after) { nodes { by title } pageInfo { endCursor } }'),
      variables: { id: writeId('Announcement', found.edited) },
    },
    {
      name: 'profile history',
      by: 'secretariat',
      path: ['member', 'profileHistory'],
      document: `query ($id: ID!, $first: Int, $after: String) {
        member(id: $id) { profileHistory(first: $first, after: $after) { nodes { by } pageInfo { endCursor } } }
      }`,
      variables: { id: writeId(typeOf(found.busyKind), found.busy) },
    },
    ...[
      {},
      { offices: ['COUNCIL'] },
      { offices: ['SECRETARIAT_HOST'] },
      { offices: ['PERMANENT_CHAIR', 'ROTATING_CHAIR', 'COUNCIL'] },
      { member: chair },
      { on: '2010-06-01' },
      { on: '2010-06-01', offices: ['COUNCIL'] },
      { until: '1990-01-01' },
    ].flatMap(filter => officeTerms(filter)),
    ...[
      { from: '2030-01-01' },
      { from: '2010-06-01', until: '2010-07-01', offices: ['ROTATING_CHAIR'] },
      { member: chair, on: '2010-06-01' },
    ].flatMap(filter => officeTerms(filter, true)),
    ...['council', 'secretariatHosts', 'permanentChairs'].flatMap(name =>
      ['1990-06-01', '2026-06-01'].map(day => holders(name, day)),
    ),
    {
      name: 'terms of a member',
      by: 'anonymous',
      path: ['member', 'officeTerms'],
      document: `query ($id: ID!, $first: Int, $after: String) {
        member(id: $id) { officeTerms(first: $first, after: $after) { nodes { office } pageInfo { endCursor } } }
      }`,
      variables: { id: chair },
    },
    ...[
      {},
      ...alone.filter(filter => !('fields' in filter || 'capabilities' in filter || 'externalReference' in filter)),
      ...combined.filter(filter => !('fields' in filter)),
    ].flatMap(({ statuses: _, ...filter }: { statuses?: unknown }) => signed(filter)),
    ...[
      { version: version(found.firstVersion) },
      { version: version(found.lastVersion), kinds: ['COMPANY'], regions: [found.city] },
      { signedFrom: '2024-06-01T00:00:00Z' },
      { signedUntil: '2023-02-01T00:00:00Z', regions: [found.province] },
      { countersigned: true },
      { countersigned: false, regions: [found.city] },
      { states: ['VALID'] },
      { states: ['RENEWAL_DUE'], kinds: ['CITY'] },
      { states: ['RENEWED'], version: version(found.firstVersion) },
      { states: ['VALID', 'RENEWAL_DUE', 'RENEWED'] },
    ].flatMap(filter => signed(filter)),
    ...[{}, { states: ['VALID', 'RENEWAL_DUE', 'RENEWED', 'WITHDRAWN'] }, { states: ['WITHDRAWN'] }].flatMap(filter =>
      (['officer', 'secretariat'] as const).flatMap(by => signed(filter, by)),
    ),
    audience({ allMembers: true }),
    audience({ regions: [found.city] }),
    ...[
      {},
      { kinds: ['SECRETARIAT'] },
      { kinds: ['PORTAL', 'OFFICER'] },
      { live: true },
      { portal: writeId('Portal', found.portal) },
    ].map(filter => ({
      name: `tokens ${show(filter)}`,
      by: 'secretariat' as const,
      path: ['tokens'],
      document: tokens,
      variables: { filter },
    })),
    ...[
      {},
      { roles: ['VIEWER'] },
      { roles: ['REPRESENTATIVE', 'LIAISON'] },
      { member: found.memberIds[0] },
      { member: found.memberIds[0], roles: ['LIAISON'] },
    ].flatMap(filter =>
      (['secretariat', 'officer'] as const).map(by => ({
        name: `officers ${show(filter)} ${by}`,
        by,
        path: ['officers'],
        document: `query ($filter: OfficerFilter, $first: Int, $after: String) {
          officers(filter: $filter, first: $first, after: $after) { nodes { id name member { id } } pageInfo { endCursor } }
        }`,
        variables: { filter },
      })),
    ),
    ...[
      {},
      ...['PENDING', 'EXPIRED', 'ACCEPTED', 'REVOKED'].map(state => ({ states: [state] })),
      { member: writeId(typeOf(found.firstKind), found.first) },
      { member: writeId(typeOf(found.firstKind), found.first), states: ['EXPIRED', 'REVOKED'] },
    ].map(filter => ({
      name: `invitations ${show(filter)}`,
      by: 'secretariat' as const,
      path: ['invitations'],
      document: `query ($filter: InvitationFilter, $first: Int, $after: String) {
        invitations(filter: $filter, first: $first, after: $after) { nodes { id state by } pageInfo { endCursor } }
      }`,
      variables: { filter },
      // The few of a state of one member are found among all of the member, or all of the state.
      isSearch: 'member' in filter && 'states' in filter,
    })),
    ...[{}, { states: ['WAITING'] }, { states: ['FAILED', 'SENT'] }].map(filter => ({
      name: `mails ${show(filter)}`,
      by: 'secretariat' as const,
      path: ['mails'],
      document: `query ($filter: MailFilter, $first: Int, $after: String) {
        mails(filter: $filter, first: $first, after: $after) { nodes { id state } pageInfo { endCursor } }
      }`,
      variables: { filter },
    })),
    {
      name: 'portals',
      by: 'secretariat',
      path: ['portals'],
      document: `query ($first: Int, $after: String) { portals(first: $first, after: $after) { nodes { id } pageInfo { endCursor } } }`,
    },
    {
      name: 'regions by name',
      by: 'anonymous',
      path: ['regions'],
      document: `query ($first: Int, $after: String) { regions(filter: { name: "云" }, first: $first, after: $after) { nodes { code } pageInfo { endCursor } } }`,
    },
  ]
}

let schema: GraphQLSchema | undefined

/** Opens a database that `seedBig` filled, with every list that the API can be asked for. */
export async function openBigAlliance(connectionString: string, callers: BigCallers): Promise<BigAlliance> {
  schema ??= buildSchema()
  const built = schema
  const database = openPostgres(connectionString, 2)
  const { db } = database
  await refreshShares(db)
  const found = await find(database)
  const services: Services = {
    db,
    feed: { position: () => ({ epoch: '00000000-0000-7000-8000-000000000000', seq: 0 }) } as Services['feed'],
    bearers: createBearers(),
    entry: plainEntry,
    wake: () => undefined,
    now: () => new Date(),
  }
  const actors: Record<Caller, Actor> = {
    anonymous,
    officer: await authenticate(db, `Bearer ${callers.officerToken}`, new Date()),
    secretariat: await authenticate(db, `Bearer ${callers.secretariatToken}`, new Date()),
  }
  const ask = async (by: Caller, source: string, variableValues: Record<string, unknown>) => {
    const contextValue = createContext(services, { actor: actors[by], locale: 'zh-Hans' })
    const { data, errors } = await graphql({ schema: built, source, variableValues, contextValue })
    if (errors) throw new Error(errors.map(error => error.message).join('\n'), { cause: errors[0]?.originalError })
    return data as Record<string, unknown>
  }
  const pages = lists(found).map(
    (list): BigRead => ({
      name: list.name,
      isSearch: list.isSearch ?? false,
      run: async (first, after) => {
        const data = await ask(list.by, list.document, { ...list.variables, first, after })
        const page = list.path.reduce<unknown>((value, field) => (value as Record<string, unknown>)[field], data) as {
          nodes: unknown[]
          pageInfo: { endCursor: string | null }
        }
        return { shown: page.nodes.length, end: page.pageInfo.endCursor }
      },
    }),
  )
  const once = (name: string, work: () => Promise<unknown>): BigRead => ({
    name,
    isSearch: false,
    run: async () => {
      await work()
      return { shown: 0, end: null }
    },
  })
  const { head } = await readLog(db, 0, 0)
  return {
    database,
    reads: [
      ...pages,
      once('nodes', () =>
        ask('anonymous', 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: found.memberIds }),
      ),
      once('journal after a cursor', () => readLog(db, Math.floor(head / 2), 100)),
      once('journal: the head', () => readLog(db, head, 100)),
      once('what is due', () => findDue(db, new Date(), [])),
      once('what is due next', () => findNextDue(db, [])),
      once('authentication', () => authenticate(db, `Bearer ${callers.officerToken}`, new Date())),
    ],
    close: () => database.close(),
  }
}
