import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { authenticate } from '../../src/access/authenticate.ts'
import { type Alliance, createAlliance, errorCodes, type TestMember } from '../support/alliance.ts'

interface Issued {
  token: { id: string; holder: string; role: string | null; revokedAt: string | null } | null
  secret: string | null
  userErrors: { code: string; field: string[] }[]
}

let alliance: Alliance
let member: TestMember
let secretariat: Actor
beforeAll(async () => {
  alliance = await createAlliance()
  member = await alliance.member()
  secretariat = await alliance.secretariat()
})
afterAll(() => alliance.close())

const staff = () => alliance.as(secretariat)
const outcome = 'token { id holder role revokedAt } secret userErrors { code field }'
const issueOfficer = `mutation ($input: IssueOfficerTokenInput!) { issueOfficerToken(input: $input) { ${outcome} } }`

async function officerToken(role = 'LIAISON', email = 'lin@yungu.example'): Promise<Issued> {
  const { issueOfficerToken } = await staff().ask<{ issueOfficerToken: Issued }>(issueOfficer, {
    input: { member: member.id, role, name: '林一', email },
  })
  return issueOfficerToken
}
const entering = (secret: string | null) => authenticate(alliance.db, `Bearer ${secret}`, alliance.clock.now)

describe('tokens through the API', () => {
  it('let an officer in, who then sees itself as viewer', async () => {
    const issued = await officerToken()
    expect(issued).toMatchObject({ token: { holder: '林一', role: 'LIAISON', revokedAt: null }, userErrors: [] })
    const { viewer } = await alliance
      .as(await entering(issued.secret))
      .ask(`{ viewer { kind name role member { id } permissions expiresAt } }`)
    expect(viewer).toMatchObject({ kind: 'OFFICER', name: '林一', role: 'LIAISON', member: { id: member.id } })
    expect(viewer?.permissions).toContain('PROFILE_WRITE')
    expect(
      await alliance.as(alliance.anonymous).ask(`{ viewer { kind name member { id } permissions expiresAt } }`),
    ).toEqual({
      viewer: { kind: null, name: null, member: null, permissions: [], expiresAt: null },
    })
  })

  it('let the secretariat’s staff and portals in', async () => {
    const { issueSecretariatToken } = await staff().ask<{ issueSecretariatToken: Issued }>(
      `mutation { issueSecretariatToken(input: { name: "周三", email: "zhou@yungu.example" }) { ${outcome} } }`,
    )
    expect(await entering(issueSecretariatToken.secret)).toMatchObject({ kind: 'SECRETARIAT', name: '周三' })
    const { registerPortal } = await staff().ask<{ registerPortal: { portal: { id: string } } }>(
      `mutation { registerPortal(input: { name: "云谷门户", contact: "ops@yungu.example", purpose: "测试", scopes: [DIRECTORY_FOLLOW] }) { portal { id } userErrors { code } } }`,
    )
    const issueKey = `mutation ($portal: ID!) { issuePortalKey(portal: $portal) { ${outcome} } }`
    const { issuePortalKey } = await staff().ask<{ issuePortalKey: Issued }>(issueKey, {
      portal: registerPortal.portal.id,
    })
    expect(await entering(issuePortalKey.secret)).toMatchObject({ kind: 'PORTAL', name: '云谷门户' })
    const { portals } = await staff().ask(
      `{ portals { totalCount nodes { id name scopes keys { id lastUsedAt createdBy } } } }`,
    )
    expect(portals).toMatchObject({
      totalCount: 1,
      nodes: [
        {
          id: registerPortal.portal.id,
          scopes: ['DIRECTORY_FOLLOW'],
          keys: [{ id: issuePortalKey.token?.id, createdBy: '秘书处小云' }],
        },
      ],
    })
  })

  it('end when revoked, and tell who did it and why', async () => {
    const issued = await officerToken('VIEWER', 'wu@yungu.example')
    const revoke = `mutation ($id: ID!) { revokeToken(id: $id, reason: "left") { token { revokedAt revokedBy revokedReason } userErrors { code } } }`
    const { revokeToken } = await staff().ask(revoke, { id: issued.token?.id })
    expect(revokeToken).toEqual({
      token: { revokedAt: alliance.clock.now.toISOString(), revokedBy: '秘书处小云', revokedReason: 'left' },
      userErrors: [],
    })
    await expect(entering(issued.secret)).rejects.toThrow('was revoked')
  })

  it('are listed page by page and by filter', async () => {
    await officerToken('LIAISON', 'zheng@yungu.example')
    const list = async (filter: string) => {
      const { tokens } = await staff().ask<{
        tokens: { totalCount: number; nodes: { kind: string; revokedAt: string | null }[] }
      }>(`query ($member: ID) { tokens(filter: { ${filter} }, first: 100) { totalCount nodes { kind revokedAt } } }`, {
        member: member.id,
      })
      return tokens
    }
    const live = await list('member: $member, live: true')
    expect(live.nodes.length).toBe(live.totalCount)
    expect(live.nodes.every(({ kind, revokedAt }) => kind === 'OFFICER' && revokedAt === null)).toBe(true)
    const ended = await list('member: $member, live: false')
    expect(ended.nodes.map(({ kind }) => kind)).toEqual(['OFFICER'])
    expect((await list('kinds: [PORTAL, OFFICER], member: $member, live: false')).totalCount).toBe(1)
    const page = `query ($after: String) { tokens(first: 2, after: $after) { pageInfo { endCursor hasNextPage } nodes { id } } }`
    const seen: string[] = []
    type TokenPage = { tokens: { pageInfo: { endCursor: string; hasNextPage: boolean }; nodes: { id: string }[] } }
    let after: string | null = null
    let more = true
    while (more) {
      const answer: TokenPage = await staff().ask<TokenPage>(page, { after })
      seen.push(...answer.tokens.nodes.map(({ id }) => id))
      after = answer.tokens.pageInfo.endCursor
      more = answer.tokens.pageInfo.hasNextPage
    }
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.length).toBe(await alliance.count('tokens'))
  })

  it('and portals are nothing to others, by whatever way', async () => {
    const { token } = await officerToken('VIEWER', 'sun@yungu.example')
    const { portals } = await staff().ask<{ portals: { nodes: { id: string }[] } }>(`{ portals { nodes { id } } }`)
    const ids = [token?.id, portals.nodes[0]?.id]
    const document = `query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }`
    const { nodes } = await staff().ask(document, { ids })
    expect(nodes).toMatchObject([{ __typename: 'Token' }, { __typename: 'Portal' }])
    for (const actor of [
      alliance.anonymous,
      await alliance.officerOf(member, 'REPRESENTATIVE'),
      await alliance.portal(),
    ]) {
      expect(await alliance.as(actor).ask(document, { ids })).toEqual({ nodes: [null, null] })
      expect(
        errorCodes(await alliance.as(actor).query(`{ tokens { nodes { id } } portals { nodes { id } } }`)),
      ).not.toEqual([])
    }
  })

  it.each([
    [{ role: 'LIAISON', name: '', email: 'x@yungu.example' }, 'REQUIRED', ['input', 'name']],
    [{ role: 'LIAISON', name: '无', email: 'x' }, 'INVALID', ['input', 'email']],
    [
      { role: 'LIAISON', name: '无', email: 'x@yungu.example', expiresAt: '2020-01-01T00:00:00Z' },
      'IN_THE_PAST',
      ['input', 'expiresAt'],
    ],
  ])('are not issued for %j', async (input, code, field) => {
    const before = await alliance.traces()
    const { issueOfficerToken } = await staff().ask<{ issueOfficerToken: Issued }>(issueOfficer, {
      input: { ...input, member: member.id },
    })
    expect(issueOfficerToken).toEqual({ token: null, secret: null, userErrors: [{ code, field }] })
    expect(await alliance.traces()).toEqual(before)
  })
})
