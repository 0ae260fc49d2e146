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
    expect(result.lines[1]).toContain('Line 2 means the same member already')
    expect(await alliance.count('members')).toBe(before.members + 2)
    expect(await alliance.count('memberRevisions')).toBe(before.revisions + 2)
    expect(await alliance.count('outbox')).toBe(before.events + 2)
  })

  it('refuses a row whose keys belong to several members', async () => {
    const result = await runImport(`${header}\nCOMPANY,,510100,云谷十号,,,,yungu:2 | yungu:1\n`)
    expect(result.lines[0]).toContain('belong to several members')
  })

  it('knows a key however it is written, and adds further keys', async () => {
    const keys = async (name: string) => {
      const { members } = await alliance
        .as(alliance.anonymous)
        .ask<{ members: { nodes: { version: number; externalReferences: object[] }[] } }>(
          'query ($name: String) { members(filter: { name: $name }) { nodes { version externalReferences { system value } } } }',
          { name },
        )
      return members.nodes
    }
    const row = (references: string) => `${header}\nCOMPANY,,510100,云谷多钥公司,,,,${references}\n`
    expect(await runImport(row('CRM:7 | crm: 8'))).toMatchObject({ created: 1 })
    expect(await runImport(row('CRM:7 | crm: 8'))).toMatchObject({ unchanged: 1 })
    expect(await runImport(row('crm:8 | erp:x\\|y'))).toMatchObject({ changed: 1 })
    expect(await keys('云谷多钥公司')).toEqual([
      {
        version: 2,
        externalReferences: [
          { system: 'crm', value: '7' },
          { system: 'crm', value: '8' },
          { system: 'erp', value: 'x|y' },
        ],
      },
    ])
    expect(await runImport(row('crm:8 | erp:x\\|y'))).toMatchObject({ unchanged: 1 })
  })

  it('refuses a second row for the same member, by whichever key', async () => {
    const member = await alliance.member({
      kind: 'COMPANY',
      names: '云谷同一公司',
      externalReferences: [{ system: 'same', value: '1' }],
    })
    const result = await runImport(
      `id,kind,name_zh_hans,external_references\n${member.id},COMPANY,云谷同一公司甲,\n,COMPANY,云谷同一公司乙,same:1\n`,
    )
    expect(result).toMatchObject({ changed: 1, refused: 1, kept: false })
    expect(result.lines[1]).toContain('Line 2 means the same member already')
  })

  it('refuses a row of an older version that would change something', async () => {
    const member = await alliance.member({ kind: 'COMPANY', names: '云谷旧版公司' })
    const { version } = member.row
    const row = (name: string) => `id,version,kind,name_zh_hans\n${member.id},${version},COMPANY,${name}\n`
    expect(await runImport(row('云谷新版公司'))).toMatchObject({ changed: 1, kept: true })
    // Sent again, the same file asks for what is there already.
    expect(await runImport(row('云谷新版公司'))).toMatchObject({ unchanged: 1 })
    const stale = await runImport(row('云谷又一版公司'))
    expect(stale).toMatchObject({ refused: 1, kept: false })
    expect(stale.lines[0]).toContain(`CONFLICT: the file shows version ${version} and the member is at ${version + 1}`)
  })

  it('refuses an id with the prefix of another kind, for the member and for its parent', async () => {
    const member = await alliance.member({ kind: 'COMPANY' })
    const wrong = member.id.replace('company', 'city')
    const result = await runImport(
      `id,kind,name_zh_hans,parent,external_references\n${wrong},COMPANY,x,,\n,COMPANY,y,${wrong},wrong:1\n`,
    )
    expect(result.refused).toBe(2)
    for (const line of result.lines.slice(0, 2)) expect(line).toContain('There is no such member')
  })

  it('refuses the second of two rows with one credit code, and a circle of two rows', async () => {
    const [a, b] = [await alliance.member({ kind: 'COMPANY' }), await alliance.member({ kind: 'COMPANY' })]
    const codes = await runImport(
      'kind,name_zh_hans,credit_code,external_references\nCOMPANY,甲,915101000000004570,code:1\nCOMPANY,乙,915101000000004570,code:2\n',
    )
    expect(codes).toMatchObject({ created: 1, refused: 1 })
    expect(codes.lines[1]).toContain('Another member has this code')
    const circle = await runImport(`id,kind,parent\n${a.id},COMPANY,${b.id}\n${b.id},COMPANY,${a.id}\n`)
    expect(circle).toMatchObject({ changed: 1, refused: 1 })
    expect(circle.lines[1]).toContain('the two would form a circle')
  })

  it('of 10,000 rows with three bad ones changes nothing and names exactly the three', {
    timeout: 90_000,
  }, async () => {
    const bad = new Map([
      [1_234, 'FIRM,,510100,云谷坏行,,,,mass:bad-1'],
      [5_000, 'COMPANY,,510100,,,,,mass:bad-2'],
      [9_999, 'COMPANY,,519999,云谷坏行,,,,mass:bad-3'],
    ])
    const row = (i: number) => bad.get(i) ?? `COMPANY,,510100,云谷第${i}公司,Yungu ${i},digital_twin,2020,mass:${i}`
    const before = await alliance.traces()
    const result = await runImport([header, ...Array.from({ length: 10_000 }, (_, i) => row(i))].join('\n'))
    expect(result).toMatchObject({ created: 9_997, refused: 3, kept: false })
    const told = result.lines.filter(line => /^line \d+: refused/.test(line))
    expect(told.map(line => line.split(':')[0])).toEqual([...bad.keys()].map(i => `line ${i + 2}`))
    expect(await alliance.traces()).toEqual(before)
  })

  it('tells of a missing file in one line', async () => {
    await expect(importMembers(alliance.request(), join(folder, 'nowhere.csv'))).rejects.toThrow(
      /^The file .*nowhere\.csv can't be read: there is no such file or folder\.$/,
    )
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
        descriptions: [{ locale: 'zh-Hans', text: '第一行\r\n第二行, "引"\r第三行' }],
        websiteUrl: 'https://yungu.example/?a=1',
        capabilities: ['computing_power', 'real_time_rendering'],
        size: 7,
      },
      externalReferences: [
        { system: 'yungu', value: 'a:b' },
        { system: 'https://crm', value: 'a|b\\|c' },
      ],
    })
    const text = await exportMembers(alliance.db, { bom: true })
    const result = await runImport(text)
    const count = await alliance.count('members')
    expect(result).toMatchObject({ created: 0, changed: 0, unchanged: count, refused: 0 })
    expect(await exportMembers(alliance.db, { bom: true })).toBe(text)
  })
})
