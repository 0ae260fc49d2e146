import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newUuid, writeId } from '../../src/ids.ts'
import type { TestMember } from '../support/alliance.ts'
import type { Request, Result } from './harness.ts'
import { type Real, runReal } from './real.ts'

let real: Real
let member: TestMember
let draft: string
let forNobody: string
let cursor: string
beforeAll(async () => {
  real = await runReal()
  member = await real.alliance.member({ kind: 'COMPANY' })
  draft = await real.draft()
  forNobody = await real.draft({ include: [{ kinds: ['CITY'], regions: ['440000'] }] })
  await real.publish()
  const { data } = await post({ query: '{ announcements(first: 1) { pageInfo { endCursor } } }' }, 'en')
  cursor = (data as { announcements: { pageInfo: { endCursor: string } } }).announcements.pageInfo.endCursor
})
afterAll(() => real.end())

async function post(request: Request, language: string): Promise<Result & { status: number }> {
  const response = await fetch(`${real.url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'accept-language': language,
      authorization: `Bearer ${real.staff}`,
    },
    body: JSON.stringify(request),
  })
  return { status: response.status, ...((await response.json()) as Result) }
}

const userErrors = 'userErrors { code field message }'

const profile = (changes: object, id = member.id): Request => ({
  query: `mutation ($id: ID!, $input: UpdateProfileInput!) { out: updateProfile(id: $id, input: $input) { ${userErrors} } }`,
  variables: { id, input: { expectedVersion: member.row.version, profile: changes } },
})
const named = (text: string, locale = 'zh-Hans') => profile({ names: [{ locale, text }] })
const members = (args: Record<string, unknown>): Request => ({
  query: 'query ($first: Int, $after: String) { members(first: $first, after: $after) { totalCount } }',
  variables: args,
})
const scheduled = (publishAt: string): Request => ({
  query: `mutation ($id: ID!, $publishAt: DateTime!) {
    out: scheduleAnnouncement(id: $id, expectedVersion: 1, publishAt: $publishAt) { ${userErrors} } }`,
  variables: { id: draft, publishAt },
})
const published = (id: string): Request => ({
  query: `mutation ($id: ID!) { out: publishAnnouncement(id: $id, expectedVersion: 1) { ${userErrors} } }`,
  variables: { id },
})

/** The cursor of a real page with a day that no calendar has. */
function impossibleCursor(): string {
  const written = Buffer.from(cursor, 'base64url').toString('utf8')
  const changed = written.replace(/\d{4}-\d{2}-\d{2}/, '2026-02-30')
  expect(changed).not.toBe(written)
  return Buffer.from(changed).toString('base64url')
}

/** What is sent, the code that it meets, and words that the answer has in either language. */
const cases: Record<string, [request: () => Request, code: string, en: string, zh: string]> = {
  'an id that is none': [() => profile({ size: 7 }, 'nonsense'), 'BAD_USER_INPUT', 'is no id', '不是有效的 id'],
  'an unknown id': [() => profile({ size: 7 }, writeId('Company', newUuid())), 'NOT_FOUND', 'no ', '没有'],
  'an unknown id of an announcement': [() => published(writeId('Announcement', newUuid())), 'NOT_FOUND', 'no ', '没有'],
  'an id of another type': [() => profile({ size: 7 }, draft), 'BAD_USER_INPUT', 'Announcement', 'Announcement'],
  'a malformed cursor': [() => members({ after: 'nonsense' }), 'BAD_USER_INPUT', 'cursor', '游标'],
  'a cursor with an impossible date': [
    () => ({
      query: 'query ($after: String) { announcements(after: $after) { nodes { id } } }',
      variables: { after: impossibleCursor() },
    }),
    'BAD_USER_INPUT',
    'cursor',
    '游标',
  ],
  'a page of none': [() => members({ first: 0 }), 'BAD_USER_INPUT', '"first" is 0', '“first”'],
  'a page of 1000': [() => members({ first: 1_000 }), 'BAD_USER_INPUT', '"first" is 1000', '“first”'],
  'a page of a million': [() => members({ first: 1_000_000 }), 'BAD_USER_INPUT', '1 to 100', '100'],
  'an impossible date': [() => scheduled('2026-02-30T08:00:00Z'), 'BAD_USER_INPUT', '$publishAt', '$publishAt'],
  'an unknown language': [() => named('名称', 'tlh'), 'BAD_USER_INPUT', 'tlh', 'tlh'],
  'an empty name': [() => named(''), 'REQUIRED', 'needs a name', '名称'],
  'a name of blanks': [() => named(' \u3000 '), 'REQUIRED', 'needs a name', '名称'],
  'a name of 5 KB': [() => named('长'.repeat(1_700)), 'TOO_LONG', '200', '200'],
  'a name of 100 KB': [() => named('x'.repeat(100 * 1024)), 'TOO_COSTLY', '100 KB', '100 KB'],
  'a credit code with one wrong character': [
    () => profile({ creditCode: '915102000000004570' }),
    'CREDIT_CODE_CHECK',
    'check character',
    '校验位',
  ],
  'text with NUL': [() => named('云谷\0联盟'), 'BAD_USER_INPUT', 'NUL', 'NUL'],
  'text with a lone surrogate': [() => named('云谷\ud83c联盟'), 'BAD_USER_INPUT', 'surrogate', '代理项'],
  'a schedule in the past': [() => scheduled('2026-11-23T07:59:00Z'), 'IN_THE_PAST', 'past', '过'],
  'an audience that reaches nobody': [() => published(forNobody), 'AUDIENCE_EMPTY', 'reaches no', '没有'],
}

describe('bad input meets a clear error and changes nothing:', () => {
  test.each(Object.entries(cases))('%s', async (_, [request, code, en, zh]) => {
    const before = await real.alliance.traces()
    for (const [language, says] of [
      ['en', en],
      ['zh-CN', zh],
    ] as const) {
      const { status, data, errors } = await post(request(), language)
      const out = data?.out as { userErrors: { code: string; message: string }[] } | null | undefined
      const told = errors
        ? errors.map(({ message, extensions }) => ({ code: extensions.code, message }))
        : out!.userErrors
      expect(told).toHaveLength(1)
      expect(told[0]).toMatchObject({ code, message: expect.stringContaining(says) })
      expect(/[\u4e00-\u9fff]/.test(told[0]!.message)).toBe(language === 'zh-CN')
      expect([200, 400, 413]).toContain(status)
      expect(status === 413).toBe(code === 'TOO_COSTLY')
    }
    expect(await real.alliance.traces()).toEqual(before)
  })
})
