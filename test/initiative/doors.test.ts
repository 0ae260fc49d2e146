import { afterAll, beforeAll, expect, it } from 'vitest'
import { ask, connect } from '../server/harness.ts'
import { type Real, runReal } from '../server/real.ts'
import type { TestMember } from '../support/alliance.ts'
import { draftInput, mutations, type Outcome, type Version } from './story.ts'

let real: Real
let member: TestMember
let open: Version
beforeAll(async () => {
  real = await runReal()
  member = await real.alliance.member()
  const draft = (await change(real.staff, 'draft', { input: draftInput })).initiativeVersion!
  open = (await change(real.staff, 'open', { id: draft.id, expectedVersion: 1 })).initiativeVersion!
})
afterAll(() => real.end())

async function change(token: string, mutation: keyof typeof mutations, variables: Record<string, unknown>) {
  const { data } = await ask(real, 'http', { query: mutations[mutation], variables }, { token })
  const { out } = data as { out: Outcome }
  expect(out.userErrors).toEqual([])
  return out
}

const query = `subscription ($after: Cursor) { initiativeSigned(after: $after) {
  cursor signature { id state memberName person code member { id } initiativeVersion { number sha256 } } } }`

/** The first signature that a listener hears of after the cursor. */
async function listen(after: string, token?: string): Promise<Record<string, unknown>> {
  const client = connect(real, token ? { token } : {})
  try {
    return await new Promise((resolve, reject) => {
      client.subscribe<{ initiativeSigned: { signature: Record<string, unknown> } }>(
        { query, variables: { after } },
        {
          next: ({ data, errors }) => (data ? resolve(data.initiativeSigned.signature) : reject(errors)),
          error: reject,
          complete: () => reject(new Error('The subscription ended.')),
        },
      )
    })
  } finally {
    await client.dispose()
  }
}

it('over the doors each listener hears of a signature, and the own officers alone who signed and the code', async () => {
  const after = real.cursor()
  const own = await real.officer(member)
  const other = await real.officer(await real.alliance.member())
  const listeners = [undefined, other, own, real.staff]
  // Some wait for it, some come later.
  const waiting = listeners.map(token => listen(after, token))
  const representative = await real.officer(member, 'REPRESENTATIVE')
  const { signature } = await change(representative, 'sign', { version: open.id, sha256: open.sha256 })
  const { id, state, memberName, person, code } = signature!
  expect([person, code]).not.toContain(null)
  const shown = {
    id,
    state,
    memberName,
    member: { id: member.id },
    initiativeVersion: { number: 1, sha256: open.sha256 },
  }
  for (const heard of [await Promise.all(waiting), await Promise.all(listeners.map(token => listen(after, token)))])
    expect(heard).toEqual([
      { ...shown, person: null, code: null },
      { ...shown, person: null, code: null },
      { ...shown, person, code },
      { ...shown, person, code },
    ])
})

it('a certificate is checked by anybody, and its answer kept by nobody', async () => {
  const { data } = await ask(
    real,
    'http',
    { query: 'query ($id: ID!) { member(id: $id) { signatures { code } } }', variables: { id: member.id } },
    { token: real.staff },
  )
  const [{ code }] = (data as { member: { signatures: [{ code: string }] } }).member.signatures
  const response = await fetch(`${real.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: `{ verifySignature(code: "${code}") { person intact } }` }),
  })
  expect(await response.json()).toMatchObject({ data: { verifySignature: { person: '联络员小谷', intact: true } } })
  expect(response.headers.get('cache-control')).toBe('no-store')
})
