import { describe, expect, it } from 'vitest'
import { nextShanghaiDay, shanghaiDay } from '../../src/days.ts'
import { type Days, daysAway, haveDayInCommon, isNever, isWithin } from '../../src/offices/policy.ts'

const days = (fromDay: string, untilDay: string | null = null): Days => ({ fromDay, untilDay })

describe('days', () => {
  it('are from the first until before the last', () => {
    const may = days('2026-05-01', '2026-06-01')
    expect(['2026-04-30', '2026-05-01', '2026-05-31', '2026-06-01'].map(day => isWithin(day, may))).toEqual([
      false,
      true,
      true,
      false,
    ])
    expect(isWithin('9999-12-31', days('2026-05-01'))).toBe(true)
    expect(isNever(may)).toBe(false)
    expect(isNever(days('2026-05-01', '2026-05-01'))).toBe(true)
  })

  it.each([
    ['the same', days('2026-05-01', '2026-06-01'), true],
    ['those before', days('2026-04-01', '2026-05-01'), false],
    ['those behind', days('2026-06-01'), false],
    ['the first', days('2026-04-01', '2026-05-02'), true],
    ['the last', days('2026-05-31'), true],
    ['some within', days('2026-05-10', '2026-05-11'), true],
    ['all around', days('2020-01-01'), true],
    ['none, within', days('2026-05-10', '2026-05-10'), false],
  ])('have a day in common with others or not: %s', (_, others, expected) => {
    const may = days('2026-05-01', '2026-06-01')
    expect(haveDayInCommon(may, others)).toBe(expected)
    expect(haveDayInCommon(others, may)).toBe(expected)
  })

  it('begin at 16:00 UTC of the day before', () => {
    for (const moment of ['2026-11-23T16:00:00Z', '2026-11-24T15:59:59.999Z']) {
      expect(shanghaiDay(new Date(moment))).toBe('2026-11-24')
      expect(nextShanghaiDay(new Date(moment))).toEqual(new Date('2026-11-24T16:00:00Z'))
    }
  })

  it('away are those between leaving and coming back', () => {
    const passage = (at: string, toStatus: string) => ({ at: new Date(at), toStatus })
    const joined = passage('2025-01-01T00:00:00Z', 'ADMITTED')
    const left = passage('2025-03-01T16:00:00Z', 'WITHDRAWN')
    const back = passage('2025-05-01T00:00:00Z', 'ADMITTED')
    const expelled = passage('2026-01-01T00:00:00Z', 'EXPELLED')
    expect(daysAway([joined])).toEqual([])
    expect(daysAway([joined, back])).toEqual([])
    expect(daysAway([joined, left])).toEqual([days('2025-03-02')])
    expect(daysAway([joined, left, back, expelled])).toEqual([days('2025-03-02', '2025-05-01'), days('2026-01-01')])
  })
})
