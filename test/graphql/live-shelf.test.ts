import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createShelf } from '../../src/graphql/live-shelf.ts'

const shelf = (milliseconds: number) =>
  createShelf<string>({ milliseconds, entries: 100, size: 10, sizeOf: value => value.length })

describe('what was made a moment ago', () => {
  it('is let go after that moment, asked for or not', async () => {
    const kept = shelf(30)
    kept.put('a', 'one')
    expect(kept.get('a')).toEqual({ value: 'one' })
    await sleep(20)
    kept.put('b', 'two')
    await sleep(120)
    expect(kept.count()).toBe(0)
    kept.put('c', 'three')
    expect(kept.count()).toBe(1)
    await sleep(120)
    expect(kept.count()).toBe(0)
  })

  it('makes room for what came later, by its size', () => {
    const kept = shelf(10_000)
    kept.put('a', '123456')
    kept.put('b', '1234')
    expect(kept.count()).toBe(2)
    kept.put('c', '1')
    expect(kept.get('a')).toBeUndefined()
    expect(kept.count()).toBe(2)
    kept.put('d', '12345678901')
    expect(kept.get('d')).toBeUndefined()
  })
})
