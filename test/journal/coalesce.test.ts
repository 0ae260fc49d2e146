import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { coalesce } from '../../src/journal/coalesce.ts'

/** Work of 10 ms, with how often it ran. */
function counted(rest?: number) {
  const count = { runs: 0 }
  const run = async () => {
    count.runs++
    await sleep(10)
  }
  return { count, work: coalesce(run, rest) }
}

it('begins at once, and runs once more for all that came meanwhile', async () => {
  const { count, work } = counted()
  work.request()
  expect(count.runs).toBe(1)
  work.request()
  work.request()
  await work.settled()
  expect(count.runs).toBe(2)
})

it.each([
  [0, 3],
  [4, 2],
])('with a rest of %i times a run: what comes soon after one makes %i runs in all', async (rest, runs) => {
  const { count, work } = counted(rest)
  work.request()
  await work.settled()
  for (let i = 0; i < 3; i++) {
    work.request()
    await setImmediate()
  }
  await work.settled()
  expect(count.runs).toBe(runs)
})

it('begins at once again after its rest', async () => {
  const { count, work } = counted(4)
  work.request()
  await work.settled()
  await sleep(100)
  work.request()
  expect(count.runs).toBe(2)
  await work.settled()
})
