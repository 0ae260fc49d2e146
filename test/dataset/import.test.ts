import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import iconv from 'iconv-lite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exportMembers } from '../../src/dataset/export.ts'
import { type ImportOptions, importMembers } from '../../src/dataset/import.ts'
import { type Alliance, createAlliance } from '../support/alliance.ts'

let alliance: Alliance
let folder: string
beforeAll(async () => {
  alliance = await createAlliance()
  folder = await mkdtemp(join(tmpdir(), 'alliance-import-'))
})
afterAll(async () => {
  await alliance.close()
  await rm(folder, { recursive: true })
})

let files = 0
async function runImport(content: string | Uint8Array, options: ImportOptions = {}) {
  const file = join(folder, `${files++}.csv`)
  await writeFile(file, content)
  const lines: string[] = []
  const request = alliance.request()
  const summary = await importMembers(request, file, {
    print: line => lines.push(line),
    progress: () => undefined,
    ...options,
  })
  return { ...summary, lines }
}

const header = 'kind,association_kind,region,name_zh_hans,name_en,fields,founded,external_references'

describe('import of members', () => {
  it('enters new members, changes those known by their key, and leaves the others', async () => {
    const first = await runImport(`${header}
COMPANY,,510100,云谷一号科技,Yungu One,digital_twin,2020-05,yungu:1
ASSOCIATION,ALLIANCE,,云谷虚构联盟,Yungu Alliance,,2021,yungu:2
`)
    expect(first).toMatchObject({ created: 2, changed: 0, unchanged: 0, refused: 0, kept: true })
    const second = await runImport(`${header}
COMPANY,,510100,云谷一号科技,Yungu One Ltd.,digital_twin,2020-05,yungu:1
ASSOCIATION,ALLIANCE,,云谷虚构联盟,Yungu Alliance,,2021,yungu:2
COMPANY,,510100,云谷一号科技,,,,yungu:3
`)
    expect(second).toMatchObject({ created: 1, changed: 1, unchanged: 1, refused: 0, kept: true })
    expect(second.lines[0]).toMatch(/^line 2: changed 云谷一号科技 company_/)
    expect(second.lines[2]).toMatch(/^line 4: created 云谷一号科技 company_/)
  })

  it('changes nothing when a row is bad, and says why for each', async () => {
    const before = await alliance.count('members')
    const result = await runImport(`${header}
COMPANY,,510100,云谷四号,,,,yungu:4
FIRM,,510100,云谷五号,,,,yungu:5
COMPANY,,510100,,,,,yungu:6
COMPANY,,519999,云谷七号,,juggling,2022-13,yungu:7
COMPANY,,510100,云谷八号,,,,
`)
    expect(result).toMatchObject({ created: 1, refused: 4, kept: false })
    expect(result.lines[1]).toContain('kind: Write one of CITY, ASSOCIATION, COMPANY.')
    expect(result.lines[2]).toContain('A member needs a name')
    expect(result.lines[3]).toContain('founded: Write 2022, 2022-09 or 2022-09-26.')
    expect(result.lines[4]).toContain('A new member needs a key')
    expect(result.lines.at(-1)).toContain('Nothing was changed')
    expect(await alliance.count('members')).toBe(before)
  })

  it('makes the good changes when told so, and leaves no trace of a bad row', async () => {
    const before = {
      members: await alliance.count('members'),
      revisions: await alliance.count('memberRevisions'),
      events: await alliance.count('outbox'),
    }
    const result = await runImport(
      `${header}
COMPANY,,510100,云谷九号,,,,yungu:9
COMPANY,,510100,云谷十号,,,,yungu:9 | yungu:1
COMPANY,,510100,云谷十一号,,,,yungu:11
`,
      { keepGood: true },
    )
    expect(result).toMatchObject({ created: 2, refused: 1, kept: true })
    expect(result.lines[1]).toContain('belong to several members')
    expect(await alliance.count('members')).toBe(before.members + 2)
    expect(await alliance.count('memberRevisions')).toBe(before.revisions + 2)
    expect(await alliance.count('outbox')).toBe(before.events + 2)
  })

  it('changes nothing in a dry run', async () => {
    const before = await alliance.count('members')
    const result = await runImport(`${header}\nCOMPANY,,510100,云谷十二号,,,,yungu:12\n`, { dryRun: true })
    expect(result).toMatchObject({ created: 1, kept: false })
    expect(await alliance.count('members')).toBe(before)
  })

  it('reads GB18030, as spreadsheets in China write it', async () => {
    const result = await runImport(iconv.encode(`${header}\nCOMPANY,,510100,云谷十三号㐀,,,,yungu:13\n`, 'gb18030'))
    expect(result).toMatchObject({ created: 1, kept: true })
    const { members } = await alliance
      .as(alliance.anonymous)
      .ask(`{ members(filter: { name: "十三号㐀" }) { nodes { profile { name } } } }`)
    expect(members).toEqual({ nodes: [{ profile: { name: '云谷十三号㐀' } }] })
  })

  it.each([
    ['a wrong header', 'kind,nmae_zh_hans\nCOMPANY,x\n', 'unknown: nmae_zh_hans'],
    ['no header for the kind', 'name_zh_hans\nx\n', 'missing: kind'],
    ['a ragged row', 'kind,name_zh_hans\nCOMPANY\n', 'Line 2 has 1 cells, the header has 2'],
    ['NUL', 'kind,name_zh_hans\nCOMPANY,a\0b\n', 'NUL'],
    [
      'mixed encodings',
      Buffer.concat([
        Buffer.from('kind,name_zh_hans\nCOMPANY,云谷科技公司\n'),
        iconv.encode('COMPANY,云谷科技公司\n', 'gb18030'),
      ]),
      'mixes encodings',
    ],
  ])('refuses a file with %s', async (_, content, message) => {
    const before = await alliance.count('members')
    await expect(runImport(content)).rejects.toThrow(message)
    expect(await alliance.count('members')).toBe(before)
  })

  it('does not change what a decision or a review changes', async () => {
    const member = await alliance.member({
      names: '云谷已入会公司',
      kind: 'COMPANY',
      status: 'ADMITTED',
      region: '510100',
    })
    const result = await runImport(`id,kind,region,status\n${member.id},COMPANY,510700,SUSPENDED\n`)
    expect(result).toMatchObject({ refused: 1, kept: false })
    expect(result.lines[0]).toContain('region: This is 510100')
    expect(result.lines[0]).toContain('status: This is ADMITTED')
  })
})

describe('export of members', () => {
  it('comes back without a change', async () => {
    await alliance.member({
      kind: 'COMPANY',
      names: { 'zh-Hans': '云谷,“引号”"与|竖线', en: '=cmd()' },
      profile: {
        descriptions: [{ locale: 'zh-Hans', text: '第一行\n第二行, "引"' }],
        websiteUrl: 'https://yungu.example/?a=1',
        capabilities: ['computing_power', 'real_time_rendering'],
        size: 7,
      },
      externalReferences: [{ system: 'yungu', value: 'a:b' }],
    })
    const text = await exportMembers(alliance.db, { bom: true })
    const result = await runImport(text)
    const count = await alliance.count('members')
    expect(result).toMatchObject({ created: 0, changed: 0, unchanged: count, refused: 0 })
    expect(await exportMembers(alliance.db, { bom: true })).toBe(text)
  })
})
