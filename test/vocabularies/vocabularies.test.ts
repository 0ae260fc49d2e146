import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Alliance, createAlliance } from '../support/alliance.ts'

let alliance: Alliance
beforeAll(async () => {
  alliance = await createAlliance()
})
afterAll(() => alliance.close())

describe('vocabularies', () => {
  it('list their words in order, in the language asked for, else the caller’s, else zh-Hans', async () => {
    const document = `{ vocabulary(name: FIELD) { code label zh: label(locale: "zh-CN") hant: label(locale: "zh-TW") source } }`
    const { vocabulary } = await alliance.as(alliance.anonymous).ask(document)
    expect(vocabulary).toEqual([
      { code: 'digital_twin', label: 'Digital twin', zh: '数字孪生', hant: '数字孪生', source: 'test' },
      { code: 'virtual_human', label: 'Virtual human', zh: '虚拟人', hant: '虚拟人', source: 'test' },
      {
        code: 'industrial_metaverse',
        label: 'Industrial metaverse',
        zh: '工业元宇宙',
        hant: '工业元宇宙',
        source: 'test',
      },
    ])
    const chinese = await alliance.as(alliance.anonymous, 'zh-Hans').ask(`{ vocabulary(name: CAPABILITY) { label } }`)
    expect(chinese.vocabulary).toEqual([{ label: '实时渲染' }, { label: '算力' }])
  })

  it('refuse a language that the alliance does not write in', async () => {
    const { errors } = await alliance
      .as(alliance.anonymous)
      .query(`{ vocabulary(name: FIELD) { label(locale: "fr") } }`)
    expect(errors?.[0]?.message).toContain('is no Locale')
  })
})
