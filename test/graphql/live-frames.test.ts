import { describe, expect, it } from 'vitest'
import { createFrames } from '../../src/graphql/live-frames.ts'

describe('the messages of a result', () => {
  const result = { data: { profile: { name: '成都元宇宙研究中心', note: '"quoted"' } } }

  it('are what the protocol asks for', () => {
    const { frame } = createFrames(result)
    for (const id of ['1', 'a "quoted" id', '标识'])
      expect(JSON.parse(frame(id).toString())).toEqual({ id, type: 'next', payload: result })
  })

  it('are the same bytes for all who gave their operations the same id', () => {
    const { frame } = createFrames(result)
    expect(frame('1')).toBe(frame('1'))
    const [one, two] = [frame('1'), frame('2')]
    expect(JSON.parse(two.toString()).id).toBe('2')
    expect(JSON.parse(one.toString()).id).toBe('1')
    expect(frame('1')).toEqual(one)
  })

  it('are written from the result once', () => {
    let written = 0
    const { frame } = createFrames({
      data: {
        toJSON: () => {
          written++
          return { profile: null }
        },
      },
    })
    for (const id of ['1', '2', '1', '3']) frame(id)
    expect(written).toBe(1)
  })

  it('count for what they hold on to', () => {
    const { frame, size } = createFrames(result)
    const before = size()
    expect(before).toBeGreaterThanOrEqual(2 * JSON.stringify(result).length)
    frame('1')
    expect(size()).toBe(before)
  })
})
