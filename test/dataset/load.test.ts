import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/database/client.ts'
import { loadFoundingData } from '../../src/dataset/load.ts'
import { createDatabase } from '../support/database.ts'

let database: Database
beforeAll(async () => {
  database = await createDatabase()
  await loadFoundingData(database.db, new Date())
})
afterAll(() => database.close())

const members = () => database.db.selectFrom('members').selectAll().execute()
const regions = () => database.db.selectFrom('regions').selectAll().execute()
const events = () => database.db.selectFrom('outbox').selectAll().execute()

describe('the founding data', () => {
  it('shows nobody as having joined', async () => {
    const bodies = await members()
    expect(bodies.length).toBe(115)
    expect(new Set(bodies.map(({ status }) => status))).toEqual(new Set(['LISTED']))
    expect(bodies.filter(({ joiningNumber }) => joiningNumber !== null)).toEqual([])
  })

  it('names a source for every body and every place', async () => {
    const bare = (await members()).filter(({ sources }) => !Array.isArray(sources) || sources.length === 0)
    expect(bare).toEqual([])
    expect((await regions()).filter(({ source }) => source === '')).toEqual([])
  })

  it('enters each city’s governing body once, and keeps bodies of nearly the same name apart', async () => {
    const cities = await database.db.selectFrom('members').select('regionCode').where('kind', '=', 'CITY').execute()
    expect(cities.length).toBe(37)
    expect(new Set(cities.map(({ regionCode }) => regionCode)).size).toBe(37)
    const delta = await database.db
      .selectFrom('memberReferences')
      .select('memberId')
      .where('value', 'in', ['org-060', 'org-061'])
      .execute()
    expect(new Set(delta.map(({ memberId }) => memberId)).size).toBe(2)
  })

  it('links a committee with its association, and a unit with its company', async () => {
    const links = await database.db
      .selectFrom('members')
      .innerJoin('members as parent', 'parent.id', 'members.parentId')
      .select(['members.names', 'parent.names as of'])
      .execute()
    expect(links.map(({ of }) => of['zh-Hans']).sort()).toEqual(['四川省区块链行业协会', '科大讯飞'])
  })

  it('places every place below a place that there is', async () => {
    const places = await regions()
    expect(places.length).toBe(77)
    const codes = new Set(places.map(({ code }) => code))
    for (const { code, parentCode, provinceCode, level } of places) {
      expect(codes.has(provinceCode)).toBe(true)
      if (code.endsWith('0000'))
        expect([parentCode, ['PROVINCE', 'DIRECT_MUNICIPALITY'].includes(level)]).toEqual([null, true])
      else expect(codes.has(parentCode!)).toBe(true)
    }
  })

  it('is loaded once: a second load changes nothing, and what a member changed stays', async () => {
    const before = [await members(), await regions(), await events()]
    expect(await loadFoundingData(database.db, new Date())).toMatchObject({ places: 0, members: 0 })
    expect([await members(), await regions(), await events()]).toEqual(before)
  })
})
