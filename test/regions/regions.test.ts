import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { codePrefix, containing } from '../../src/regions/store.ts'
import { type Alliance, createAlliance } from '../support/alliance.ts'

let alliance: Alliance
beforeAll(async () => {
  alliance = await createAlliance()
})
afterAll(() => alliance.close())
const anyone = () => alliance.as(alliance.anonymous)

describe('places', () => {
  it('tell their names, the place above and the province', async () => {
    const { region } = await anyone().ask(`{ region(code: "510104") {
      id code level iso3166 name zh: name(locale: "zh-Hans") shortName parent { code parent { code parent { code } } } province { iso3166 } coordinates { longitude } timeZone } }`)
    expect(region).toEqual({
      id: expect.stringMatching(/^reg_/),
      code: '510104',
      level: 'DISTRICT',
      iso3166: null,
      name: 'Jinjiang District',
      zh: '锦江区',
      shortName: '锦江',
      parent: { code: '510100', parent: { code: '510000', parent: null } },
      province: { iso3166: 'CN-SC' },
      coordinates: null,
      timeZone: 'Asia/Shanghai',
    })
  })

  it('are found by level, province and part of a name, page by page', async () => {
    const codes = async (filter: string) => {
      const { regions } = await anyone().ask<{ regions: { nodes: { code: string }[] } }>(
        `{ regions(filter: { ${filter} }) { nodes { code } } }`,
      )
      return regions.nodes.map(({ code }) => code)
    }
    expect(await codes('province: "510000"')).toEqual(['510000', '510100', '510104', '510700'])
    expect(await codes('levels: [PROVINCE, DIRECT_MUNICIPALITY]')).toEqual(['440000', '500000', '510000'])
    expect(await codes('name: "chengdu"')).toEqual(['510100'])
    expect(await codes('name: "州"')).toEqual(['440100'])
    expect(await codes('name: "%"')).toEqual([])
    const { regions } = await anyone().ask(
      `{ regions(first: 3) { totalCount pageInfo { hasNextPage } nodes { code } } }`,
    )
    expect(regions).toMatchObject({
      totalCount: 8,
      pageInfo: { hasNextPage: true },
      nodes: [{ code: '440000' }, {}, {}],
    })
  })

  it('are null when not recorded, and refused by name when no code', async () => {
    expect(await anyone().ask(`{ region(code: "659999") { id } }`)).toEqual({ region: null })
    const { errors } = await anyone().query(`{ region(code: "chengdu") { id } }`)
    expect(errors?.[0]).toMatchObject({
      message: expect.stringContaining('six digits'),
      extensions: { code: 'BAD_USER_INPUT' },
    })
  })

  it('are nodes', async () => {
    const { region } = await anyone().ask(`{ region(code: "510100") { id } }`)
    const { nodes } = await anyone().ask(
      `query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Region { code } } }`,
      {
        ids: [region?.id, 'reg_00000000000000000000000000'],
      },
    )
    expect(nodes).toEqual([{ __typename: 'Region', id: region?.id, code: '510100' }, null])
  })

  it('take more than a hundred ids for too many', async () => {
    const { errors } = await anyone().query(`query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`, {
      ids: Array.from({ length: 101 }, () => 'reg_00000000000000000000000000'),
    })
    expect(errors?.[0]?.message).toContain('at most 100')
  })
})

describe('codes', () => {
  it.each([
    ['510000', '51'],
    ['510100', '5101'],
    ['510104', '510104'],
    ['500000', '50'],
    ['110112', '110112'],
  ])('%s and what lies within begin with %s', (code, prefix) => {
    expect(codePrefix(code)).toBe(prefix)
  })

  it('are no patterns', () => {
    expect(containing('50%_\\')).toBe('%50\\%\\_\\\\%')
  })
})
