import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { resolverTypes, tableTypes } from '../../codegen.ts'

const source = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

describe('generated types', () => {
  it('of tables are those of the migrations', async () => {
    expect(await tableTypes()).toBe(source('src/database/tables.ts'))
  })

  it('of resolvers are those of the SDL', async () => {
    expect(await resolverTypes()).toBe(source('src/graphql/generated.ts'))
  })
})
