import { randomUUID } from 'node:crypto'
import { type ExecutionResult, type GraphQLSchema, graphql } from 'graphql'
import { sql } from 'kysely'
import { type Actor, anonymous, type Officer, type PortalKey, type Staff } from '../../src/access/actor.ts'
import { reauthenticate } from '../../src/access/authenticate.ts'
import { createBearers } from '../../src/access/bearers.ts'
import { plainEntry } from '../../src/access/entry.ts'
import type { OfficerRole, Permission } from '../../src/access/permissions.ts'
import { programRequest, type Request } from '../../src/access/request.ts'
import { issueOfficerToken, issuePortalKey, issueSecretariatToken, registerPortal } from '../../src/access/tokens.ts'
import type { Db } from '../../src/database/client.ts'
import { createContext, type Services } from '../../src/graphql/context.ts'
import { newUuid, writeId } from '../../src/ids.ts'
import type { Locale, Translations } from '../../src/languages.ts'
import { memberType } from '../../src/members/policy.ts'
import type { ProfileChanges } from '../../src/members/profile.ts'
import type { NewMember } from '../../src/members/registration.ts'
import { registerMember } from '../../src/members/service.ts'
import type { MemberRow } from '../../src/members/store.ts'
import { decideMembership } from '../../src/membership/service.ts'
import { searchText } from '../../src/name-keys.ts'
import { buildSchema } from '../../src/server/schema.ts'
import { createDatabase } from './database.ts'

/** Data of an answer, to walk through without naming its type. */
export interface Loose {
  readonly [field: string]: Loose
}

/** A caller of the schema, as a door would let it in. */
export interface Client {
  /** Validates and executes a document. */
  query<Data = Loose>(document: string, variables?: Record<string, unknown>): Promise<ExecutionResult<Data>>
  /** As `query`, and answers the data. @throws Error with the messages when there was any error */
  ask<Data = Loose>(document: string, variables?: Record<string, unknown>): Promise<Data>
}

/** A member made by `member`. */
export interface TestMember {
  /** The id that the API shows. */
  readonly id: string
  readonly uuid: string
  /** The row as it was after the member was made. */
  readonly row: MemberRow
}

export interface MemberFixture {
  readonly kind?: MemberRow['kind']
  readonly associationKind?: NewMember['associationKind']
  /** Names by language, or the Chinese name alone; a fresh fictional one without it. */
  readonly names?: Translations | string
  /** GB/T 2260 code, one of `places`. */
  readonly region?: string | null
  /** ADMITTED without it. */
  readonly status?: MemberRow['status']
  readonly profile?: Omit<ProfileChanges, 'names'>
  readonly externalReferences?: NewMember['externalReferences']
}

/** An alliance in a fresh database, with a few places and terms, and no member yet. */
export interface Alliance {
  readonly db: Db
  readonly schema: GraphQLSchema
  readonly services: Services
  /** The moment of every request; set it as a test likes. Begins at 2026-11-23T08:00:00Z. */
  readonly clock: { now: Date }
  readonly anonymous: Actor
  as(actor: Actor, locale?: Locale): Client
  /** A request of the actor, for calling services; of the program `test` without one. */
  request(actor?: Actor): Request
  member(fixture?: MemberFixture): Promise<TestMember>
  secretariat(): Promise<Staff>
  /** A new officer of the member, LIAISON without a role, with the permissions that the member's status gives now. */
  officerOf(member: TestMember, role?: OfficerRole): Promise<Officer>
  portal(scopes?: readonly Permission[]): Promise<PortalKey>
  /** How many rows a table has. */
  count(table: Parameters<Db['selectFrom']>[0] & string): Promise<number>
  /** What every change would alter: equal before and after a refused one. */
  traces(): Promise<unknown>
  /** Runs `work` and counts the SQL statements that it sent through `services.db`. */
  countStatements(work: () => Promise<unknown>): Promise<number>
  close(): Promise<void>
}

/** Real places by GB/T 2260; the members that tests put there are invented. */
export const places = {
  sichuan: '510000',
  chengdu: '510100',
  jinjiang: '510104',
  mianyang: '510700',
  chongqing: '500000',
  guangdong: '440000',
  guangzhou: '440100',
  shenzhen: '440300',
} as const

const regions = [
  ['510000', 'PROVINCE', null, '510000', 'CN-SC', '四川省', '四川', 'Sichuan'],
  ['510100', 'SUB_PROVINCIAL_CITY', '510000', '510000', null, '成都市', '成都', 'Chengdu'],
  ['510104', 'DISTRICT', '510100', '510000', null, '锦江区', '锦江', 'Jinjiang District'],
  ['510700', 'PREFECTURE_CITY', '510000', '510000', null, '绵阳市', '绵阳', 'Mianyang'],
  ['500000', 'DIRECT_MUNICIPALITY', null, '500000', 'CN-CQ', '重庆市', '重庆', 'Chongqing'],
  ['440000', 'PROVINCE', null, '440000', 'CN-GD', '广东省', '广东', 'Guangdong'],
  ['440100', 'SUB_PROVINCIAL_CITY', '440000', '440000', null, '广州市', '广州', 'Guangzhou'],
  ['440300', 'SUB_PROVINCIAL_CITY', '440000', '440000', null, '深圳市', '深圳', 'Shenzhen'],
] as const

const terms = [
  ['FIELD', 'digital_twin', '数字孪生', 'Digital twin'],
  ['FIELD', 'virtual_human', '虚拟人', 'Virtual human'],
  ['FIELD', 'industrial_metaverse', '工业元宇宙', 'Industrial metaverse'],
  ['CAPABILITY', 'real_time_rendering', '实时渲染', 'Real-time rendering'],
  ['CAPABILITY', 'computing_power', '算力', 'Computing power'],
] as const

async function seed(db: Db): Promise<void> {
  await db
    .insertInto('regions')
    .values(
      regions.map(([code, level, parentCode, provinceCode, iso3166, zh, short, en]) => ({
        id: newUuid(),
        code,
        level,
        parentCode,
        provinceCode,
        iso3166,
        names: JSON.stringify({ 'zh-Hans': zh, en }) as never,
        shortNames: JSON.stringify({ 'zh-Hans': short }) as never,
        timeZone: 'Asia/Shanghai',
        source: 'GB/T 2260',
        search: searchText({ 'zh-Hans': zh, en }, [short]),
      })),
    )
    .execute()
  await db
    .insertInto('vocabularyTerms')
    .values(
      terms.map(([vocabulary, code, zh, en], position) => ({
        vocabulary,
        code,
        position,
        labels: JSON.stringify({ 'zh-Hans': zh, en }) as never,
        source: 'test',
      })),
    )
    .execute()
}

/** The decisions that lead a listed body to a status. */
const paths = {
  LISTED: [],
  ADMITTED: ['ADMIT'],
  SUSPENDED: ['ADMIT', 'SUSPEND'],
  WITHDRAWN: ['ADMIT', 'WITHDRAW'],
  EXPELLED: ['ADMIT', 'EXPEL'],
} as const

let schema: GraphQLSchema | undefined

/** Makes an alliance of its own for a test file. Close it in `afterAll`. */
export async function createAlliance(): Promise<Alliance> {
  schema ??= buildSchema()
  const built = schema
  const database = await createDatabase()
  await seed(database.db)
  const clock = { now: new Date('2026-11-23T08:00:00Z') }
  let statements = 0
  const db = database.db.withPlugin({
    transformQuery: ({ node }) => node,
    // Once for each statement, where transformQuery also sees those within another.
    transformResult: async ({ result }) => {
      statements++
      return result
    },
  })
  const services: Services = {
    db,
    // No listener here: only the position is asked for.
    feed: { position: () => ({ epoch: '00000000-0000-7000-8000-000000000000', seq: 0 }) } as Services['feed'],
    bearers: createBearers(),
    entry: plainEntry,
    wake: () => undefined,
    now: () => clock.now,
  }
  const request = (actor?: Actor): Request =>
    actor
      ? { db, actor, now: clock.now, requestId: randomUUID(), wake: () => undefined }
      : programRequest(db, clock.now, 'test')
  let made = 0
  const signIn = async <Kind extends Actor>(tokenId: string): Promise<Kind> => {
    const actor = await reauthenticate(db, tokenId, clock.now)
    if (!actor) throw new Error('The token does not open the door.')
    return actor as Kind
  }

  return {
    db,
    schema: built,
    services,
    clock,
    anonymous,
    request,
    as: (actor, locale = 'en') => {
      const query = async (source: string, variableValues?: Record<string, unknown>) =>
        graphql({ schema: built, source, variableValues, contextValue: createContext(services, { actor, locale }) })
      return {
        query: query as Client['query'],
        ask: async <Data>(document: string, variables?: Record<string, unknown>) => {
          const { data, errors } = await query(document, variables)
          if (errors) throw new Error(errors.map(error => error.message).join('\n'))
          return data as Data
        },
      }
    },
    member: async ({ status = 'ADMITTED', ...fixture } = {}) => {
      const kind = fixture.kind ?? 'ASSOCIATION'
      const names = fixture.names ?? `云谷市元宇宙产业联盟第${++made}分会`
      const texts = typeof names === 'string' ? { 'zh-Hans': names } : names
      let row = await registerMember(request(), {
        kind,
        associationKind: fixture.associationKind ?? (kind === 'ASSOCIATION' ? 'ALLIANCE' : null),
        region: fixture.region ?? (kind === 'CITY' ? places.chengdu : null),
        profile: {
          ...fixture.profile,
          names: Object.entries(texts).map(([locale, text]) => ({ locale: locale as Locale, text })),
        },
        externalReferences: fixture.externalReferences,
      })
      for (const decision of paths[status])
        row = await decideMembership(request(), row, decision, { expectedVersion: row.version, reason: '测试' })
      return { id: writeId(memberType(row), row.id), uuid: row.id, row }
    },
    secretariat: async () => {
      const email = `staff-${++made}@example.org`
      return signIn<Staff>((await issueSecretariatToken(request(), { name: '秘书处小云', email })).tokenId)
    },
    officerOf: async (member, role = 'LIAISON') => {
      const person = { name: '联络员小谷', email: `officer-${++made}@example.org`, memberId: member.uuid, role }
      return signIn<Officer>((await issueOfficerToken(request(), person)).tokenId)
    },
    portal: async (scopes = ['DIRECTORY_FOLLOW']) => {
      const portalId = await registerPortal(request(), {
        name: '云谷门户',
        contact: 'portal@example.org',
        purpose: '测试',
        memberId: null,
        scopes,
      })
      return signIn<PortalKey>((await issuePortalKey(request(), portalId)).tokenId)
    },
    count: async table => {
      const { total } = await db
        .selectFrom(table as 'members')
        .select(eb => eb.fn.countAll<number>().as('total'))
        .executeTakeFirstOrThrow()
      return total
    },
    traces: async () => {
      const { rows } = await sql`
        select (select json_agg(members order by id) from members) as members,
          (select json_agg(member_contacts order by member_id, position) from member_contacts) as contacts,
          (select json_agg(announcements order by id) from announcements) as announcements,
          (select json_agg(r order by announcement_id, member_id) from announcement_recipients r) as recipients,
          (select count(*) from member_revisions) as revisions,
          (select count(*) from membership_transitions) as transitions,
          (select count(*) from member_references) as references,
          (select json_agg(office_terms order by id) from office_terms) as office_terms,
          (select count(*) from office_term_changes) as office_term_changes,
          (select count(*) from announcement_revisions) as announcement_revisions,
          (select count(*) from announcement_reads) as reads,
          (select json_agg(v order by id) from initiative_versions v) as initiative,
          (select json_agg(s order by id) from initiative_signatures s) as signatures,
          (select count(*) from idempotency_keys) as keys,
          (select count(*) from tokens where revoked_at is null) as tokens,
          (select json_agg(accounts order by id) from accounts) as accounts,
          (select json_agg(officers order by account_id, member_id) from officers) as officers,
          (select json_agg(portals order by id) from portals) as portals,
          (select json_agg(invitations order by id) from invitations) as invitations,
          (select count(*) from invitation_codes) as codes,
          (select count(*) from account_identities) as identities,
          (select count(*) from mails) as mails,
          (select count(*) from outbox) + (select seq from journal_head) as events`.execute(db)
      return rows[0]
    },
    countStatements: async work => {
      const before = statements
      await work()
      return statements - before
    },
    close: () => database.close(),
  }
}

/** The `extensions.code` of every error of an answer. */
export function errorCodes(result: ExecutionResult<unknown>): unknown[] {
  return (result.errors ?? []).map(error => error.extensions.code)
}
