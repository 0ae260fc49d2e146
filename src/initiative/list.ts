import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely'
import { type Actor, isStaff } from '../access/actor.ts'
import type { Request } from '../access/request.ts'
import type { Db } from '../database/client.ts'
import { mergeParts } from '../database/page.ts'
import { InvalidInput, text } from '../errors.ts'
import { type ChangeStretch, memberKinds, outermost, placeOf } from '../members/route.ts'
import type { MemberRow } from '../members/store.ts'
import { findWanted, type Wanted } from '../reads/judging.ts'
import type { Asked } from '../reads/listing.ts'
import { listing } from '../reads/source.ts'
import { codePrefix } from '../regions/store.ts'
import { signatures } from './reads.ts'
import { renewalMoment, type SignatureRow, type SignatureState, stateOf, visibleSignatures } from './store.ts'

/** Which signatures to list; what is null or left out is no condition. */
export interface SignatoryFilter {
  readonly kinds?: readonly MemberRow['kind'][] | null
  readonly associationKinds?: readonly NonNullable<MemberRow['associationKind']>[] | null
  /** GB/T 2260 codes; what lies within them counts. */
  readonly regions?: readonly string[] | null
  /** A UUID. */
  readonly version?: string | null
  readonly signedFrom?: Date | null
  readonly signedUntil?: Date | null
  readonly states?: readonly SignatureState[] | null
  readonly countersigned?: boolean | null
}

/** In which order to list signatures: by the moment of signing. */
export interface SignatoryOrder {
  readonly direction?: 'ASC' | 'DESC' | null
}

/** A filter as statements take it: only what is there decides how they are written. */
interface Conditions
  extends Pick<SignatoryFilter, 'kinds' | 'associationKinds' | 'version' | 'signedFrom' | 'signedUntil' | 'states'> {
  /** What the codes of the places and of all within them are like. */
  readonly places?: readonly string[] | null
  readonly isCountersigned?: boolean
  readonly isNotCountersigned?: boolean
}

const conditionsOf = ({ regions, countersigned, ...same }: SignatoryFilter): Conditions => ({
  ...same,
  places: regions?.map(code => `${codePrefix(code)}%`),
  isCountersigned: countersigned === true,
  isNotCountersigned: countersigned === false,
})

/** Whether a signature meets the conditions. @param table by which name the query knows the signatures */
function meets(table: string, asked: Conditions): RawBuilder<SqlBool> {
  const column = (name: string) => sql.ref(`${table}.${name}`)
  const conditions = [sql<SqlBool>`true`]
  if (asked.kinds) conditions.push(sql`${column('kind')} = any(${asked.kinds}::text[])`)
  if (asked.associationKinds)
    conditions.push(sql`${column('associationKind')} = any(${asked.associationKinds}::text[])`)
  if (asked.places) conditions.push(sql`${column('regionCode')} like any(${asked.places}::text[])`)
  if (asked.version) conditions.push(sql`${column('versionId')} = ${asked.version}::uuid`)
  if (asked.signedFrom) conditions.push(sql`${column('signedAt')} >= ${asked.signedFrom}::timestamptz`)
  if (asked.signedUntil) conditions.push(sql`${column('signedAt')} < ${asked.signedUntil}::timestamptz`)
  if (asked.states) conditions.push(sql`${stateOf(table)} = any(${asked.states}::text[])`)
  if (asked.isCountersigned) conditions.push(sql`${column('countersignedAt')} is not null`)
  if (asked.isNotCountersigned) conditions.push(sql`${column('countersignedAt')} is null`)
  return sql<SqlBool>`(${sql.join(conditions, sql` and `)})`
}

const conditionTypes = {
  kinds: 'text[]',
  associationKinds: 'text[]',
  places: 'text[]',
  version: 'uuid',
  signedFrom: 'timestamptz',
  signedUntil: 'timestamptz',
  states: 'text[]',
  isCountersigned: 'boolean',
  isNotCountersigned: 'boolean',
} as const satisfies Record<keyof Conditions, string>

/** For each who wants a signature, how it stands now, if the actor may see it and it meets the filter. */
export function findMeeting(
  { db, actor }: Pick<Request, 'db' | 'actor'>,
  wanted: readonly Wanted<SignatoryFilter>[],
): Promise<(SignatureRow | null)[]> {
  const columns = signatures.whole.map(name => signatures.column(name).as(name))
  const visible = db.selectFrom('initiativeSignatures').select(columns).where(visibleSignatures(actor))
  return findWanted<SignatureRow, Conditions>(
    wanted.map(({ id, filter }) => ({ id, filter: conditionsOf(filter) })),
    conditionTypes,
    asked => meets('initiativeSignatures', asked),
    sql`initiative_signatures.id`,
    (met, isWanted) => visible.select(met.as('met')).where(isWanted).$castTo<never>().execute(),
  )
}

/** A stretch of the signatures in the order of signing: everywhere, or in one place, as far as its code goes. */
interface SignatureStretch extends Pick<ChangeStretch, 'province' | 'city' | 'county'> {
  /** As the table has it: whether the member has left, how the signature stands, and whether it is countersigned. */
  readonly shelf: string
  readonly kind?: string
  readonly associationKind?: string
  /** Only those that are not due for renewal, or only those that are. */
  readonly isValid?: boolean
  readonly isDue?: boolean
}

/** The most stretches that are read at once: more than all kinds in all provinces have. */
const mostStretches = 1_200

/** What is asked of the list of signatories. */
interface SignatoriesAsked extends Pick<Conditions, 'version' | 'signedFrom' | 'signedUntil'> {
  /** Null where there is none: a statement could not be written of an empty list. */
  readonly stretches: readonly SignatureStretch[] | null
  /** What the withdrawn signatures of the officer's own member must meet, where these are asked for. */
  readonly own: Conditions | null
}

/** Signatures that stand: a member has one at most. */
const standing: readonly SignatureState[] = ['VALID', 'RENEWAL_DUE']

/** The stretches that hold what a filter asks for and nothing else. @throws InvalidInput for too many at once */
function stretchesOf(filter: SignatoryFilter, states: ReadonlySet<SignatureState>, seesAll: boolean) {
  const isAnyStanding = standing.every(state => states.has(state))
  const stages = [
    ...(isAnyStanding ? [{ stage: 'CURRENT' }] : []),
    ...(!isAnyStanding && states.has('VALID') ? [{ stage: 'CURRENT', isValid: true }] : []),
    ...(!isAnyStanding && states.has('RENEWAL_DUE') ? [{ stage: 'CURRENT', isDue: true }] : []),
    ...(states.has('RENEWED') ? [{ stage: 'RENEWED' }] : []),
    ...(states.has('WITHDRAWN') && seesAll ? [{ stage: 'WITHDRAWN' }] : []),
  ]
  const marks = [...(filter.countersigned ? [] : ['']), ...(filter.countersigned === false ? [] : [' COUNTERSIGNED'])]
  const shelves = (seesAll ? ['', 'LEFT '] : ['']).flatMap(left =>
    stages.flatMap(({ stage, ...due }) => marks.map(mark => ({ shelf: `${left}${stage}${mark}`, ...due }))),
  )
  const kinds = memberKinds.filter(kind => filter.kinds?.includes(kind) ?? true)
  const sorts = filter.associationKinds
    ? [...new Set(filter.associationKinds)].flatMap(associationKind =>
        kinds.includes('ASSOCIATION') ? [{ associationKind }] : [],
      )
    : kinds.map(kind => ({ kind }))
  const places = filter.regions ? outermost(filter.regions).map(placeOf) : [{}]
  const count = places.length * sorts.length * shelves.length
  if (count > mostStretches)
    throw new InvalidInput(
      text(
        'The filter has too many values in "regions", "kinds" and "associationKinds" at once; ask in several requests.',
        '“regions”“kinds”“associationKinds”同时给出的值过多，请分几次查询。',
      ),
    )
  return places.flatMap(place => sorts.flatMap(sort => shelves.map(shelf => ({ ...place, ...sort, ...shelf }))))
}

type Listed = { id: string; signedAt: Date }

const places = (db: Db) => db.selectFrom('initiativeSignatures as listed').select(['listed.id', 'listed.signedAt'])

function selectStretch(db: Db, stretch: SignatureStretch, { version, signedFrom, signedUntil }: SignatoriesAsked) {
  let query = places(db).where('listed.shelf', '=', stretch.shelf)
  const only = (condition: Expression<SqlBool>) => {
    query = query.where(condition)
  }
  // As the indexes have them.
  if (stretch.kind !== undefined) only(sql`listed.kind = ${stretch.kind}`)
  if (stretch.associationKind !== undefined) only(sql`listed.association_kind = ${stretch.associationKind}`)
  if (stretch.province !== undefined) only(sql`left(listed.region_code, 2) = ${stretch.province}`)
  if (stretch.city !== undefined) only(sql`left(listed.region_code, 4) = ${stretch.city}`)
  if (stretch.county !== undefined) only(sql`listed.region_code = ${stretch.county}`)
  if (stretch.isValid) only(sql`listed.signed_at >= coalesce(${renewalMoment}, '-infinity')`)
  if (stretch.isDue) only(sql`listed.signed_at < ${renewalMoment}`)
  if (version != null) {
    const moment = (column: string) => sql`(select ${sql.ref(column)} from initiative_versions where id = ${version})`
    only(sql`listed.signed_at >= ${moment('openedAt')}`)
    only(sql`listed.signed_at < coalesce(${moment('supersededAt')}, 'infinity')`)
  }
  if (signedFrom) only(sql`listed.signed_at >= ${signedFrom}::timestamptz`)
  if (signedUntil) only(sql`listed.signed_at < ${signedUntil}::timestamptz`)
  return query
}

/** The withdrawn signatures of the officer's own member, which are few. */
function selectOwn(db: Db, actor: Actor, own: Conditions) {
  return places(db)
    .where('listed.memberId', '=', actor.kind === 'OFFICER' ? actor.memberId : null)
    .where(meets('listed', own))
}

/** The signatures that the actor may see, of which an index has each stretch in the order of signing. */
export const signatoryList = listing(signatures, (db, actor, asked: SignatoriesAsked, _of, sorting) => {
  const parts = (asked.stretches ?? []).map(stretch => selectStretch(db, stretch, asked))
  if (asked.own) parts.push(selectOwn(db, actor, asked.own))
  if (parts.length === 0) parts.push(places(db).where(sql<SqlBool>`false`))
  return db
    .selectFrom(mergeParts<Listed>(parts, sorting).as('listed'))
    .leftJoin('initiativeSignatures', 'initiativeSignatures.id', 'listed.id')
})

/** What is asked of the list of signatories; the first to sign first without an order. @throws InvalidInput for too much at once */
export function askSignatories(
  { actor }: Pick<Request, 'actor'>,
  filter: SignatoryFilter,
  order: SignatoryOrder | null | undefined,
): Asked<SignatoriesAsked> {
  const states = new Set(filter.states ?? standing)
  const isOwn = states.has('WITHDRAWN') && actor.kind === 'OFFICER'
  const { version, signedFrom, signedUntil } = filter
  const direction = order?.direction === 'DESC' ? 'desc' : 'asc'
  const stretches = stretchesOf(filter, states, isStaff(actor))
  return {
    input: {
      stretches: stretches.length > 0 ? stretches : null,
      own: isOwn ? conditionsOf({ ...filter, states: ['WITHDRAWN'] }) : null,
      version,
      signedFrom,
      signedUntil,
    },
    order: {
      name: `signatories ${direction}`,
      direction,
      keys: [
        { expression: sql.ref('listed.signedAt'), type: 'timestamptz' },
        { expression: sql.ref('listed.id'), type: 'uuid' },
      ],
    },
  }
}
