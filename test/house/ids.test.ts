import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type IdType, newUuid, parseId, readId, writeId } from '../../src/ids.ts'

const types: IdType[] = [
  'Region',
  'City',
  'Association',
  'Company',
  'Announcement',
  'Token',
  'Portal',
  'InitiativeVersion',
  'Signature',
]

describe('ids', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.constantFrom(...types), (uuid, type) => {
        expect(parseId(writeId(type, uuid))).toEqual({ type, uuid })
      }),
    )
  })

  it('ascend within one process, also within one millisecond', () => {
    const made = Array.from({ length: 10_000 }, () => newUuid())
    expect(made).toEqual([...made].sort())
    expect(new Set(made).size).toBe(made.length)
    expect(made[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it('of another type are refused by name', () => {
    const id = writeId('Announcement', newUuid())
    expect(() => readId(id, 'City', 'Company')).toThrow('is the id of a Announcement; the id of a City or Company')
  })

  it.each(['', 'city', 'city_', 'city_0', `city_${'0'.repeat(27)}`, `city_${'z'.repeat(26)}`, 'constructor_x', '\0'])(
    'refuse %j',
    id => {
      expect(parseId(id)).toBeNull()
      expect(() => readId(id, 'City')).toThrow('is no id')
    },
  )
})
