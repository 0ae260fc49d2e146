import { readFileSync } from 'node:fs'
import { buildSchema as buildFromSdl, findBreakingChanges, isInterfaceType, isObjectType } from 'graphql'
import { describe, expect, it } from 'vitest'
import { buildSchema } from '../../src/server/schema.ts'

const released = buildFromSdl(readFileSync(new URL('released.graphql', import.meta.url), 'utf8'))

describe('the released SDL', () => {
  it('is broken by nothing in the present one: fields are deprecated with a date, not removed', () => {
    expect(findBreakingChanges(released, buildSchema())).toEqual([])
  })

  it('is deprecated with a date and the way out: "2027-01-01: use …"', () => {
    const vague = Object.values(buildSchema().getTypeMap())
      .filter(type => isObjectType(type) || isInterfaceType(type))
      .flatMap(type => Object.values(type.getFields()).map(field => ({ name: `${type.name}.${field.name}`, field })))
      .filter(({ name, field }) => {
        const reason = field.deprecationReason
        return reason != null && !name.startsWith('__') && !/^20\d\d-\d\d-\d\d: use .+/.test(reason)
      })
    expect(vague.map(({ name }) => name)).toEqual([])
  })
})
