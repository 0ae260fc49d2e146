import fc from 'fast-check'
import { type DocumentNode, execute, isObjectType, type OperationDefinitionNode, parse, validate } from 'graphql'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import type { Db } from '../../src/database/client.ts'
import type { PageArgs } from '../../src/database/page.ts'
import { createContext, type Services } from '../../src/graphql/context.ts'
import type { FieldRead } from '../../src/graphql/fields.ts'
import { createPlanner } from '../../src/graphql/planner.ts'
import { startKeeping } from '../../src/reads/keeping.ts'
import { type Alliance, createAlliance } from '../support/alliance.ts'
import { itOnPostgres, onPostgres } from '../support/database.ts'
import { makeAsking } from './plan-documents.ts'
import { openReading, type Reading } from './plan-reading.ts'
import { createWorld, type World } from './plan-world.ts'

let alliance: Alliance
let world: World
let services: Services
let reading: Reading
/** How often plain execution met a field, and one of each sort, in documents that were planned. */
const met = new Map<string | object, number>()
let isCounted = false

const readOf = (field: { readonly extensions: object }) => (field.extensions as { read?: FieldRead }).read

function allFields() {
  return Object.values(alliance.schema.getTypeMap()).flatMap(type =>
    isObjectType(type) && !type.name.startsWith('__') ? Object.values(type.getFields()) : [],
  )
}

beforeAll(async () => {
  alliance = await createAlliance()
  world = await createWorld(alliance)
  reading = await openReading(alliance)
  services = { ...alliance.services, db: reading.db }
  // Plans look at what the fields declare, and not at these resolvers.
  for (const field of allFields()) {
    const { resolve } = field
    const kind = readOf(field)?.kind ?? 'value'
    field.resolve = (...args) => {
      for (const what of isCounted ? [kind, field] : []) met.set(what, (met.get(what) ?? 0) + 1)
      return resolve!(...args)
    }
  }
})
afterAll(async () => {
  await reading.close()
  await alliance.close()
})

/** Where two answers differ, by type, order of keys and value; null where they don't. */
function difference(a: unknown, b: unknown, path = ''): string | null {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null)
    return Object.is(a, b) ? null : `${path}: ${String(a)} is not ${String(b)}`
  if (Array.isArray(a) !== Array.isArray(b)) return `${path}: one is a list, the other is not`
  const [ours, theirs] = [Object.keys(a), Object.keys(b)]
  if (ours.join() !== theirs.join()) return `${path}: [${ours}] are not [${theirs}]`
  for (const key of ours) {
    const found = difference(a[key as never], b[key as never], `${path}.${key}`)
    if (found) return found
  }
  return null
}

const counts = { invalid: 0, answers: 0, planned: 0, failed: 0 }
beforeEach(() => {
  Object.assign(counts, { invalid: 0, answers: 0, planned: 0, failed: 0 })
  met.clear()
})

/** A property over documents that a caller could send, of which each is asked three times, twice by the same plan. */
function agreement() {
  const { schema } = alliance
  const faults: unknown[] = []
  const planner = createPlanner(schema, error => faults.push(error))
  const actors = [...world.actors.values()]

  async function compare(
    document: DocumentNode,
    operation: OperationDefinitionNode,
    values: object,
    actor: Actor,
    isKept = false,
  ) {
    const variables = values as Record<string, unknown>
    const context = () => createContext(services, { actor, locale: 'en' })
    // What the service answers: by a plan or, where that answers nothing, by plain execution, which agrees with itself.
    const planned = await planner.answer(document, operation, variables, context(), isKept ? startKeeping() : null)
    isCounted = planned !== undefined
    const { data, errors } = await execute({
      schema,
      document,
      operationName: operation.name!.value,
      variableValues: variables,
      contextValue: context(),
    })
    isCounted = false
    counts.answers++
    if (errors) counts.failed++
    const what = `${operation.loc!.source.body}\n${JSON.stringify(variables)}`
    expect(faults, what).toEqual([])
    if (planned === undefined) return
    counts.planned++
    expect(errors, what).toBeUndefined()
    expect(difference(planned, data), what).toBeNull()
    expect(JSON.stringify(planned), what).toBe(JSON.stringify(data))
  }

  const asking = fc.record({
    // A document is made of the seed: another seed is not a smaller document, a smaller size is.
    seed: fc.noBias(fc.noShrink(fc.integer())),
    size: fc.noBias(fc.integer({ min: 1, max: 60 })),
    who: fc.noBias(fc.nat(actors.length - 1)),
    other: fc.noBias(fc.nat(actors.length - 1)),
  })
  return fc.asyncProperty(asking, async ({ seed, size, who, other }) => {
    const [actor, another] = [actors[who]!, actors[other]!]
    const { source, operationName, variables } = makeAsking({ seed, size }, schema, world, permission =>
      actor.permissions.has(permission),
    )
    const document = parse(source)
    if (validate(schema, document).length > 0) {
      counts.invalid++
      return
    }
    const operation = document.definitions.find(
      one => one.kind === 'OperationDefinition' && one.name?.value === operationName,
    ) as OperationDefinitionNode
    await compare(document, operation, variables[0], actor)
    await compare(document, operation, variables[1], actor)
    // As for an answer that is kept: what it is made of is noted, and what depends on the caller found out.
    await compare(document, operation, variables[0], another, true)
  })
}

/** Everything that is out, at the places of an inbox. */
const selectPublished = (db: Db) =>
  db
    .selectFrom('announcements')
    .innerJoin('announcements as place', 'place.id', 'announcements.id')
    .where('announcements.publishedAt', 'is not', null) as never

// The embedded database is several times as slow.
const runs = { seed: 20261123, numRuns: onPostgres() ? 400 : 120 }

describe('a plan', () => {
  it('answers every document as plain execution does', { timeout: 120_000 }, async () => {
    await fc.assert(agreement(), runs)
    expect(counts.invalid).toBeLessThan(0.1 * runs.numRuns)
    expect(counts.answers).toBeGreaterThan(2.6 * runs.numRuns)
    expect(counts.planned).toBeGreaterThan(0.65 * counts.answers)
    // Of what has no error hardly anything is left to plain execution: code, and conditions without end.
    expect(counts.planned).toBeGreaterThan(0.85 * (counts.answers - counts.failed))
    expect(counts.failed).toBeGreaterThan(0.05 * counts.answers)
    // So often in each hundred documents.
    const least = { value: 400, computed: 200, same: 40, related: 200, find: 80, each: 4, page: 120 }
    for (const [kind, often] of Object.entries(least))
      expect([kind, (met.get(kind) ?? 0) >= (often * runs.numRuns) / 100]).toEqual([kind, true])
    const lists = Object.values(alliance.schema.getQueryType()!.getFields()).filter(field =>
      field.type.toString().endsWith('Connection!'),
    )
    expect(lists.length).toBeGreaterThan(5)
    if (!onPostgres()) return
    // Some of them few callers may read: they come with more documents.
    const unmet = () => lists.filter(list => !met.has(list)).map(({ name }) => name)
    for (let more = 1; more <= 5 && unmet().length > 0; more++)
      await fc.assert(agreement(), { ...runs, seed: runs.seed + more })
    expect(unmet()).toEqual([])
  })

  /** Ways in which a plan could be wrong, each at one field. */
  const sabotages: [what: string, field: string, spoil: (read: never) => FieldRead][] = [
    [
      'another text',
      'name',
      (read: FieldRead & { kind: 'computed' }) => ({
        ...read,
        resolve: (row, args, context) => `${read.resolve(row, args, context)} `,
      }),
    ],
    ['rows withheld', 'profileHistory', (read: FieldRead & { kind: 'page' }) => ({ ...read, guard: null })],
    [
      'another order',
      'vocabulary',
      (read: FieldRead & { kind: 'find' }) => ({
        ...read,
        relation: { ...read.relation, many: { ...read.relation.many!, direction: 'desc' } },
      }),
    ],
    [
      'a filter forgotten',
      'regions',
      (read: FieldRead & { kind: 'page' }) => ({
        ...read,
        ask: (_, context) => read.ask({} as never, context),
      }),
    ],
    [
      'announcements that were not asked for',
      'announcements',
      (read: FieldRead & { kind: 'page' }) => ({
        ...read,
        ask: ({ after, last, before }: PageArgs, context) =>
          read.ask({ after, last, before } satisfies PageArgs as never, context),
      }),
    ],
    [
      'the inbox of all',
      'inbox',
      (read: FieldRead & { kind: 'page' }) => ({
        ...read,
        listing: { ...read.listing, select: db => [selectPublished(db)] },
      }),
    ],
    [
      'a member who left',
      'parent',
      (read: FieldRead & { kind: 'related' }) => ({
        ...read,
        relation: {
          ...read.relation,
          source: { ...read.relation.source, visible: db => db.selectFrom('members') as never },
        },
      }),
    ],
  ]

  for (const [what, name, spoil] of sabotages)
    itOnPostgres(`that has ${what} is found out`, { timeout: 60_000 }, async () => {
      const spoilt = allFields().filter(field => field.name === name && readOf(field))
      const kept = spoilt.map(field => field.extensions)
      for (const field of spoilt) field.extensions = { ...field.extensions, read: spoil(readOf(field) as never) }
      try {
        const { failed } = await fc.check(agreement(), { ...runs, numRuns: 2_000, endOnFailure: true })
        expect(failed).toBe(true)
      } finally {
        for (const [i, field] of spoilt.entries()) field.extensions = kept[i]!
      }
    })
})
