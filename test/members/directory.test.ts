import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Alliance, createAlliance, errorCodes, places, type TestMember } from '../support/alliance.ts'

interface Connection {
  members: {
    nodes: { id: string; profile: { name: string } }[]
    pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null }
    totalCount: number
  }
}

const list = `query ($filter: MemberFilter, $orderBy: MemberOrder, $first: Int, $after: String, $last: Int, $before: String) {
  members(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) {
    nodes { id profile { name(locale: "zh-Hans") } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount
  }
}`

let alliance: Alliance
let city: TestMember
let guild: TestMember
let chip: TestMember
let left: TestMember

/** All invented. By pinyin: 长云 chang, 重庆 chong, 云谷 yun …; by stroke: 云 4, 长 4, 重 9. */
beforeAll(async () => {
  alliance = await createAlliance()
  const { clock } = alliance
  city = await alliance.member({
    kind: 'CITY',
    names: { 'zh-Hans': '云谷市人民政府', en: 'Yungu Municipal Government' },
    region: places.chengdu,
  })
  guild = await alliance.member({
    names: { 'zh-Hans': '长三角云谷元宇宙产业联盟', en: 'Yungu Delta Metaverse Alliance' },
    region: places.jinjiang,
    profile: { fields: ['digital_twin', 'virtual_human'], capabilities: ['computing_power'], parentId: city.uuid },
    externalReferences: [{ system: 'CRM.example.org', value: 'A-1' }],
  })
  await alliance.member({
    names: '重庆云谷虚拟人协会',
    associationKind: 'ASSOCIATION',
    region: places.chongqing,
    status: 'SUSPENDED',
  })
  clock.now = new Date('2026-11-24T08:00:00Z')
  chip = await alliance.member({
    kind: 'COMPANY',
    names: { 'zh-Hans': '绿芯100%_云谷科技', en: 'Greenchip 100%_ Yungu' },
    region: places.shenzhen,
    status: 'LISTED',
    profile: { fields: ['industrial_metaverse'] },
  })
  await alliance.member({ kind: 'COMPANY', names: '一二三数字公司', region: places.chengdu, status: 'LISTED' })
  left = await alliance.member({ names: '已退云谷联盟', status: 'WITHDRAWN' })
})
afterAll(() => alliance.close())

/** The short names of the members that a filter finds, by pinyin. */
async function found(filter: object, actor = alliance.anonymous): Promise<string[]> {
  const { members } = await alliance.as(actor).ask<Connection>(list, { filter })
  expect(members.totalCount).toBe(members.nodes.length)
  return members.nodes.map(({ profile }) => profile.name.slice(0, 2)).sort()
}

describe('the filter of the directory', () => {
  it.each<[object, string[]]>([
    [{}, ['一二', '云谷', '绿芯', '重庆', '长三']],
    [{ kinds: ['COMPANY', 'CITY'] }, ['一二', '云谷', '绿芯']],
    [{ kinds: [] }, []],
    [{ associationKinds: ['ALLIANCE'] }, ['长三']],
    [{ regions: ['510000'] }, ['一二', '云谷', '长三']],
    [{ regions: ['510100'] }, ['一二', '云谷', '长三']],
    [{ regions: ['510104', '500000'] }, ['重庆', '长三']],
    [{ regions: ['990000'] }, []],
    [{ regions: ['000000'] }, []],
    [{ fields: ['virtual_human', 'industrial_metaverse'] }, ['绿芯', '长三']],
    [{ fields: ['unheard_of'] }, []],
    [{ capabilities: ['computing_power'] }, ['长三']],
    [{ statuses: ['LISTED', 'SUSPENDED'] }, ['一二', '绿芯', '重庆']],
    [{ statuses: ['WITHDRAWN'] }, []],
    [{ updatedSince: '2026-11-24T00:00:00Z' }, ['一二', '绿芯']],
    [{ updatedSince: '2026-11-24T16:00:00.001+08:00' }, []],
    [{ externalReference: { system: 'crm.example.org', value: 'A-1' } }, ['长三']],
    [{ externalReference: { system: 'crm.example.org', value: 'A-2' } }, []],
    [{ name: '元宇宙' }, ['长三']],
    [{ name: '谷' }, ['云谷', '绿芯', '重庆', '长三']],
    [{ name: 'DELTA meta' }, ['长三']],
    [{ name: 'changsanjiao' }, ['长三']],
    [{ name: 'csj' }, ['长三']],
    [{ name: 'chongqingyungu' }, ['重庆']],
    [{ name: 'ｌｖｘｉｎ' }, ['绿芯']],
    [{ name: '%' }, ['绿芯']],
    [{ name: '_' }, ['绿芯']],
    [{ name: '云%谷' }, []],
    [{ name: '\\' }, []],
    [{ name: '  ' }, ['一二', '云谷', '绿芯', '重庆', '长三']],
    [{ name: '谷', kinds: ['ASSOCIATION'], regions: ['510000'] }, ['长三']],
  ])('%j', async (filter, names) => {
    expect(await found(filter)).toEqual(names)
  })

  it('shows those that left to the secretariat alone', async () => {
    const officer = await alliance.officerOf(guild)
    expect(await found({ statuses: ['WITHDRAWN'] }, officer)).toEqual([])
    expect(await found({ statuses: ['WITHDRAWN'] }, await alliance.secretariat())).toEqual(['已退'])
    const one = 'query ($id: ID!) { member(id: $id) { id } node(id: $id) { id } }'
    expect(await alliance.as(officer).ask(one, { id: left.id })).toEqual({ member: null, node: null })
    expect(await alliance.as(await alliance.secretariat()).ask(one, { id: left.id })).toEqual({
      member: { id: left.id },
      node: { id: left.id },
    })
  })

  it.each([
    [{ regions: ['5101'] }, 'six digits'],
    [{ regions: ['51%%%%'] }, 'six digits'],
    [{ fields: Array(101).fill('x') }, '100 at most'],
    [{ updatedSince: '2026-02-30T00:00:00Z' }, 'is no DateTime'],
  ])('refuses %j', async (filter, message) => {
    const result = await alliance.as(alliance.anonymous).query(list, { filter })
    expect(result.errors?.[0]?.message).toContain(message)
  })
})

describe('the order of the directory', () => {
  it.each([
    ['PINYIN', ['长三', '重庆', '绿芯', '一二', '云谷']],
    ['STROKES', ['一二', '云谷', '长三', '重庆', '绿芯']],
    ['NAME', ['重庆', '绿芯', '一二', '长三', '云谷']],
    ['JOINED', ['云谷', '长三', '重庆', '绿芯', '一二']],
    ['UPDATED', ['云谷', '长三', '重庆', '绿芯', '一二']],
  ])('%s, both ways, page by page', async (by, names) => {
    const client = alliance.as(alliance.anonymous)
    const short = ({ members }: Connection) => members.nodes.map(({ profile }) => profile.name.slice(0, 2))
    const upward = { by, direction: 'ASC' }
    const whole = short(await client.ask<Connection>(list, { orderBy: upward }))
    // Rows entered at one moment tie: ids decide, ascending as they were made.
    expect(whole).toEqual(names)
    expect(short(await client.ask<Connection>(list, { orderBy: { by, direction: 'DESC' } }))).toEqual(
      whole.toReversed(),
    )

    for (const size of [1, 2, 3, 4]) {
      const forward: string[] = []
      let after: string | null = null
      do {
        const page: Connection = await client.ask<Connection>(list, { orderBy: upward, first: size, after })
        forward.push(...short(page))
        after = page.members.pageInfo.hasNextPage ? page.members.pageInfo.endCursor : null
      } while (after)
      expect(forward).toEqual(whole)
      const backward: string[] = []
      let before: string | null = null
      do {
        const page: Connection = await client.ask<Connection>(list, { orderBy: upward, last: size, before })
        backward.unshift(...short(page))
        before = page.members.pageInfo.hasPreviousPage ? page.members.pageInfo.startCursor : null
      } while (before)
      expect(backward).toEqual(whole)
    }
  })

  it.each(['2026-02-30 08:00:00+00', '2026-11-23 08:00:00+99', '0000-01-01 00:00:00+00', '2026-11-23 24:00:00+00'])(
    'refuses a cursor of the impossible moment %s',
    async moment => {
      const parts = ['members UPDATED asc', moment, '00000000-0000-7000-8000-000000000000']
      const after = Buffer.from(JSON.stringify(parts)).toString('base64url')
      const result = await alliance.as(alliance.anonymous).query(list, { orderBy: { by: 'UPDATED' }, after })
      expect(errorCodes(result)).toEqual(['BAD_USER_INPUT'])
    },
  )

  it('is by pinyin when nothing is said, and refuses the cursor of another order', async () => {
    const client = alliance.as(alliance.anonymous)
    const { members } = await client.ask<Connection>(list, { first: 1 })
    expect(members.nodes[0]?.profile.name).toBe('长三角云谷元宇宙产业联盟')
    const wrong = await client.query(list, { orderBy: { by: 'STROKES' }, after: members.pageInfo.endCursor })
    expect(errorCodes(wrong)).toEqual(['BAD_USER_INPUT'])
  })

  it.each([{ first: 0 }, { first: 1000 }, { last: 1_000_000 }, { after: 'rubbish' }])('refuses %j', async page => {
    const result = await alliance.as(alliance.anonymous).query(list, page)
    expect(errorCodes(result)).toEqual(['BAD_USER_INPUT'])
    expect(result.data).toBeNull()
  })
})

describe('one member', () => {
  it('is found by its id, with everything public of it', async () => {
    const data = await alliance.as(alliance.anonymous, 'en').ask(
      `query ($id: ID!) {
        member(id: $id) {
          __typename id version region { code name }
          profile {
            name chinese: name(locale: "zh-CN") names { locale text } summary summaries { locale } description
            fields { code label } capabilities { label } parent { __typename id profile { name } } lead { id }
            logoUrl websiteUrl founded size creditCode creditCodeReviewed sources { fact }
          }
          membership { status joiningNumber joinedOn }
          externalReferences { system value }
          createdAt updatedAt
          ... on Association { kind }
        }
      }`,
      { id: guild.id },
    )
    expect(data).toEqual({
      member: {
        __typename: 'Association',
        id: guild.id,
        version: 2,
        region: { code: '510104', name: 'Jinjiang District' },
        profile: {
          name: 'Yungu Delta Metaverse Alliance',
          chinese: '长三角云谷元宇宙产业联盟',
          names: [
            { locale: 'zh-Hans', text: '长三角云谷元宇宙产业联盟' },
            { locale: 'en', text: 'Yungu Delta Metaverse Alliance' },
          ],
          summary: null,
          summaries: [],
          description: null,
          fields: [
            { code: 'digital_twin', label: 'Digital twin' },
            { code: 'virtual_human', label: 'Virtual human' },
          ],
          capabilities: [{ label: 'Computing power' }],
          parent: { __typename: 'City', id: city.id, profile: { name: 'Yungu Municipal Government' } },
          lead: null,
          logoUrl: null,
          websiteUrl: null,
          founded: null,
          size: null,
          creditCode: null,
          creditCodeReviewed: false,
          sources: [],
        },
        membership: { status: 'ADMITTED', joiningNumber: 2, joinedOn: '2026-11-23' },
        externalReferences: [{ system: 'crm.example.org', value: 'A-1' }],
        createdAt: '2026-11-23T08:00:00.000Z',
        updatedAt: '2026-11-23T08:00:00.000Z',
        kind: 'ALLIANCE',
      },
    })
  })

  it('is null for an id of nothing, and for its UUID under another kind', async () => {
    const client = alliance.as(alliance.anonymous)
    const one = 'query ($id: ID!) { member(id: $id) { id } }'
    expect(await client.ask(one, { id: `assoc_${'0'.repeat(26)}` })).toEqual({ member: null })
    expect(await client.ask(one, { id: guild.id.replace('assoc', 'company') })).toEqual({ member: null })
  })

  it.each(['nonsense', `ann_${'0'.repeat(26)}`, `assoc_${'0'.repeat(26)}x`, ''])('refuses the id "%s"', async id => {
    const result = await alliance.as(alliance.anonymous).query('query ($id: ID!) { member(id: $id) { id } }', { id })
    expect(errorCodes(result)).toEqual(['BAD_USER_INPUT'])
  })

  it('is one of many by id: a malformed id is the error of its own place', async () => {
    const many = 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }'
    const ids = [guild.id, 'nonsense', guild.id.replace('assoc', 'company'), city.id]
    const { data, errors } = await alliance.as(alliance.anonymous).query(many, { ids })
    expect(data).toEqual({ nodes: [{ id: guild.id }, null, null, { id: city.id }] })
    expect(errors?.map(({ path, extensions }) => [path, extensions.code])).toEqual([[['nodes', 1], 'BAD_USER_INPUT']])
  })

  it('keeps contacts and history from those without the permission', async () => {
    const ask = (field: string) => `query ($id: ID!) { member(id: $id) { ${field} } }`
    const fields = ['contacts { name }', 'profileHistory { totalCount }', 'membership { transitions { reason } }']
    for (const field of fields) {
      const anonymous = await alliance.as(alliance.anonymous).query(ask(field), { id: guild.id })
      expect(errorCodes(anonymous)).toEqual(['UNAUTHENTICATED'])
      const portal = await alliance.as(await alliance.portal()).query(ask(field), { id: guild.id })
      expect(errorCodes(portal)).toEqual(['FORBIDDEN'])
    }
    const other = alliance.as(await alliance.officerOf(city))
    expect(await other.ask(ask(fields[0]!), { id: guild.id })).toEqual({ member: { contacts: [] } })
    expect(await other.ask(ask(fields[1]!), { id: guild.id })).toEqual({ member: { profileHistory: null } })
    expect(await other.ask(ask(fields[2]!), { id: guild.id })).toEqual({
      member: { membership: { transitions: null } },
    })
    const own = alliance.as(await alliance.officerOf(guild, 'VIEWER'))
    for (const field of fields) expect((await own.query(ask(field), { id: guild.id })).errors).toBeUndefined()
  })
})

describe('a city', () => {
  const lists = `query ($id: ID!, $filter: MemberFilter) {
    member(id: $id) {
      ... on City {
        associations(filter: $filter, orderBy: { by: STROKES }) { totalCount nodes { id } }
        companies(filter: $filter, first: 1) { totalCount nodes { profile { name } } pageInfo { hasNextPage } }
      }
    }
  }`

  it('lists the associations and companies of its place and of its districts', async () => {
    const data = await alliance.as(alliance.anonymous).ask(lists, { id: city.id })
    expect(data).toEqual({
      member: {
        associations: { totalCount: 1, nodes: [{ id: guild.id }] },
        companies: {
          totalCount: 1,
          nodes: [{ profile: { name: '一二三数字公司' } }],
          pageInfo: { hasNextPage: false },
        },
      },
    })
    const filtered = await alliance.as(alliance.anonymous).ask(lists, { id: city.id, filter: { name: '三数' } })
    expect(filtered).toMatchObject({ member: { associations: { totalCount: 0 }, companies: { totalCount: 1 } } })
  })

  it('lists as one of many with as many statements as alone', async () => {
    for (const region of [places.mianyang, places.shenzhen, places.guangzhou])
      await alliance.member({ kind: 'CITY', names: `云谷${region}市政厅`, region, status: 'LISTED' })
    const query = `query ($first: Int) {
      members(filter: { kinds: [CITY] }, first: $first) { nodes { ... on City {
        associations(first: 2) { totalCount nodes { id } }
        companies(first: 2, orderBy: { by: NAME, direction: DESC }) { totalCount nodes { profile { name } } }
      } } }
    }`
    const client = alliance.as(alliance.anonymous)
    const alone = await alliance.countStatements(() => client.ask(query, { first: 1 }))
    let data: unknown
    const together = await alliance.countStatements(async () => {
      data = await client.ask(query, { first: 100 })
    })
    expect(together).toBe(alone)
    const none = { totalCount: 0, nodes: [] }
    expect(data).toEqual({
      members: {
        nodes: [
          { associations: none, companies: none },
          { associations: none, companies: { totalCount: 1, nodes: [{ profile: { name: 'Greenchip 100%_ Yungu' } }] } },
          { associations: none, companies: none },
          {
            associations: { totalCount: 1, nodes: [{ id: guild.id }] },
            companies: { totalCount: 1, nodes: [{ profile: { name: '一二三数字公司' } }] },
          },
        ],
      },
    })
  })

  it.each([{ kinds: ['CITY'] }, { regions: ['440000'] }])('refuses %j, which it sets itself', async filter => {
    const result = await alliance.as(alliance.anonymous).query(lists, { id: city.id, filter })
    expect(new Set(errorCodes(result))).toEqual(new Set(['BAD_USER_INPUT']))
  })
})

it('reads a page of 50 with no more statements than a page of 5', async () => {
  for (let i = 0; i < 50; i++)
    await alliance.member({
      names: `云谷测试公司${i}`,
      kind: 'COMPANY',
      region: [places.guangzhou, places.mianyang][i % 2],
      status: 'LISTED',
      profile: {
        fields: ['digital_twin'],
        capabilities: ['real_time_rendering'],
        parentId: guild.uuid,
        leadId: chip.uuid,
      },
      externalReferences: [{ system: 'test', value: String(i) }],
    })
  const secretariat = alliance.as(await alliance.secretariat())
  const query = `query ($first: Int) {
    members(first: $first, filter: { name: "云谷测试公司" }) {
      totalCount
      nodes {
        id contacts { name } externalReferences { value } region { name province { name } }
        membership { status transitions { by } } profileHistory(first: 2) { totalCount nodes { by } }
        profile { name fields { label } capabilities { label } parent { profile { name } } lead { region { name } } }
      }
    }
  }`
  let nodes = 0
  const statements = (first: number) =>
    alliance.countStatements(async () => {
      const data = await secretariat.ask<{ members: { nodes: unknown[] } }>(query, { first })
      nodes = data.members.nodes.length
    })
  // One for each list and each level of things; which of them share a batch depends on the driver's timing.
  expect(await statements(5)).toBeLessThanOrEqual(14)
  expect(await statements(50)).toBeLessThanOrEqual(14)
  expect(nodes).toBe(50)
})
