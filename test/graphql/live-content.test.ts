import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Actor, anonymous } from '../../src/access/actor.ts'
import type { LiveRequest } from '../../src/graphql/live-operation.ts'
import { newUuid } from '../../src/ids.ts'
import type { NewEvent } from '../../src/journal/catalog.ts'
import type { Locale } from '../../src/languages.ts'
import { upTo } from '../journal/story.ts'
import {
  cursorAt,
  failing,
  join,
  type LiveStory,
  nobody,
  officer,
  operation,
  plain,
  staff,
  startLive,
  take,
} from './live-story.ts'

/*
 * Groups whose filters differ share the executions of the events that they all hear, if they select the same.
 */

let live: LiveStory
beforeEach(async () => {
  live = await startLive()
})
afterEach(async () => {
  expect(live.errors).toEqual([])
  await live.close()
})

const profile = (version = 1, subject = newUuid()): Partial<NewEvent> => ({
  type: 'member.profile',
  subject,
  detail: { version, fields: [] },
})

/** Joins them all, has the events happen, and answers the executions. */
async function executionsOf(asked: readonly LiveRequest[], ...events: Partial<NewEvent>[]): Promise<number> {
  const listeners = await Promise.all(asked.map(one => join(live.hub, one)))
  expect(live.hub.sizes().groups).toBe(asked.length)
  await live.happen(...events)
  await Promise.all(listeners.map(listener => listener.gets(events.length)))
  return live.counts.executions
}

describe('one execution of an event serves all groups', () => {
  it('that select the same, whatever their operations are called and their root fields are given', async () => {
    const subject = newUuid()
    const selection = '{ version listener said(word: $word) }'
    const asked = [
      'subscription ($word: String) { profile',
      'subscription Named($word: String) { profile',
      `subscription ($word: String, $after: Cursor) { profile(after: $after)`,
      `subscription ($word: String) { profile(only: "${subject}")`,
      'subscription ($word: String, $mine: String) { profile(only: $mine)',
      'subscription ($plus: Int = 0, $word: String) { profile(plus: $plus)',
    ].map(head => operation(`${head} ${selection} }`, { variables: { word: 'a', mine: subject } }))
    expect(await executionsOf(asked, profile(1, subject), profile(2, subject))).toBe(2)
  })

  it('but not those that select, say or see something else, or of which the noun answers something else', async () => {
    const head = (rest: string) => `subscription ($word: String) { profile ${rest} }`
    const member = newUuid()
    const plain = head('{ version listener said(word: $word) }')
    const asked = [
      operation(plain, { variables: { word: 'a' } }),
      operation(plain, { variables: { word: 'b' } }),
      operation(plain, { variables: {} }),
      operation(plain, { variables: { word: 'a' }, locale: 'zh-Hans' }),
      operation(plain, { variables: { word: 'a' }, actor: officer(member) }),
      operation(plain, { variables: { word: 'a' }, actor: officer(newUuid()) }),
      operation(plain, { variables: { word: 'a' }, actor: officer(member, { memberStatus: 'SUSPENDED' }) }),
      operation(head('{ listener said(word: $word) version }'), { variables: { word: 'a' } }),
      operation(head('{ version listener it: said(word: $word) }'), { variables: { word: 'a' } }),
      operation(plain.replace('profile', 'my: profile'), { variables: { word: 'a' } }),
      operation(plain.replace('profile', 'profile(plus: 1)'), { variables: { word: 'a' } }),
      operation(plain.replace('profile', 'profile(mark: "one")'), { variables: { word: 'a' } }),
      operation(plain.replace('profile', 'profile(mark: "two")'), { variables: { word: 'a' } }),
      operation(plain.replace('String', 'String = "c"'), { variables: {} }),
    ]
    expect(await executionsOf(asked, profile())).toBe(asked.length)
  })

  it('except that every document is told where in itself an error is', async () => {
    const queries = ['subscription { profile { version breaks } }', 'subscription It {\n profile { version breaks } }']
    const listeners = await Promise.all(queries.map(query => join(live.hub, operation(query))))
    await live.happen(profile())
    await Promise.all(listeners.map(listener => listener.gets(1)))
    expect(listeners.map(({ results }) => (results[0] as { errors: object[] }).errors[0])).toMatchObject([
      { locations: [{ line: 1, column: 34 }] },
      { locations: [{ line: 2, column: 20 }] },
    ])
  })
})

describe('what many hear together', () => {
  const random = (below: number) => Math.floor(Math.random() * below)
  const oneOf = <T>(values: readonly T[]): T => values[random(values.length)]!
  const subjects = upTo(3).map(() => newUuid())
  const members = upTo(2).map(() => newUuid())
  // Often enough the same, or hardly any would share.
  const actors: Actor[] = [
    ...upTo(6).map(() => anonymous),
    officer(members[0]!),
    officer(members[0]!),
    officer(members[0]!, { memberStatus: 'LISTED', permissions: new Set() }),
    officer(members[1]!),
    staff(),
  ]
  const selections = [
    'listener cursor at subject version mark',
    'listener version contacts said(word: $word)',
    'listener version ...Said',
    'listener version receipt { account }',
    'version breaks',
    'listener version @include(if: $yes) mark',
  ]

  /** An operation, and the one subject of which it wants to hear, if any. */
  function randomOperation(): { asked: LiveRequest; only: string | null } {
    const name = oneOf(['A', 'B', 'Other'])
    const [literal, variable] = [oneOf([null, null, ...subjects]), oneOf([null, ...subjects])]
    const isVariable = random(3) === 0
    const given = [
      isVariable ? 'only: $only' : literal === null ? '' : `only: "${literal}"`,
      oneOf(['', '', '', 'plus: 1', 'plus: $plus']),
      oneOf(['', '', '', `mark: "${oneOf(['x', 'y'])}"`]),
    ]
    const query = `
      subscription ${name}($after: Cursor, $only: String, $plus: Int = 2, $word: String = "w", $yes: Boolean = true) {
        ${oneOf(['', '', '', 'it: '])}profile(after: $after ${given.join(' ')}) { ${oneOf(selections)} }
      }
      fragment Said on Profile { said(word: $word) }
      subscription Unasked { profile { version } }`
    const asked = operation(query, {
      operationName: name,
      actor: oneOf(actors),
      locale: oneOf<Locale>(['en', 'en', 'zh-Hans']),
      variables: {
        after: cursorAt(live.feed.position(), 0),
        only: variable,
        ...(random(2) === 0 && { plus: oneOf([null, 1]) }),
        ...(random(2) === 0 && { word: 'u' }),
        ...(random(3) === 0 && { yes: random(2) === 0 }),
      },
    })
    return { asked, only: isVariable ? variable : literal }
  }

  it('is what each hears alone', { timeout: 120_000 }, async () => {
    const wanted = upTo(400).map(randomOperation)
    const listeners = await Promise.all(wanted.map(({ asked }) => join(live.hub, asked)))
    const { groups } = live.hub.sizes()
    const events = upTo(12).map(i => ({ version: { 5: failing, 9: nobody }[i] ?? i, subject: subjects[i % 3]! }))
    for (const { version, subject } of events) await live.happen(profile(version, subject))
    const meant = wanted.map(({ only }) =>
      events.filter(({ version, subject }) => version !== nobody && (only ?? subject) === subject),
    )
    await Promise.all(listeners.map((listener, i) => listener.gets(meant[i]!.length)))
    const together = live.counts.executions
    for (const [i, { asked }] of wanted.entries()) {
      const hub = live.startHub()
      const alone = await hub.subscribe(asked)
      if (!(Symbol.asyncIterator in alone)) throw new Error('refused')
      const expected = plain(await take(alone, meant[i]!.length))
      hub.stop()
      expect(listeners[i]!.results, `${JSON.stringify(asked.variables)} ${asked.locale}`).toEqual(expected)
    }
    expect(groups).toBeGreaterThan(200)
    expect(live.counts.executions - together).toBeGreaterThan(1.1 * together)
  })
})
