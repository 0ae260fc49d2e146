import { afterAll, beforeAll, expect, it } from 'vitest'
import { put, settle } from '../server/answers-story.ts'
import { type Real, runReal } from '../server/real.ts'
import { type Offices, officesOf } from './story.ts'

let running: Real
let offices: Offices
beforeAll(async () => {
  running = await runReal()
  offices = officesOf(running.alliance, await running.alliance.secretariat())
})
afterAll(() => running.end())

it('who holds what today is kept until midnight in Shanghai, and who held it on a day as long as nothing changes', async () => {
  const { clock, member } = running.alliance
  const [one, next] = [await member(), await member()]
  await offices.granted(one, { office: 'ROTATING_CHAIR', until: '2026-11-24' })
  await offices.granted(next, { office: 'ROTATING_CHAIR', from: '2026-11-24' })
  const asked = (args: string) =>
    put(running, `{ alliance${args} { at rotatingChairs { totalCount nodes { isResting member { id } } } } }`)
  const held = (at: string, ...members: { id: string }[]) => ({
    alliance: {
      at,
      rotatingChairs: {
        totalCount: members.length,
        nodes: members.map(({ id }) => ({ isResting: false, member: { id } })),
      },
    },
  })
  // The journal tells once more of what this process changed before.
  await settle(running)
  clock.now = new Date('2026-11-23T15:00:00Z')
  const [today, fixed] = [held('2026-11-23', one), held('2026-11-23', one)]
  expect(await asked('')).toMatchObject({ data: today, isKept: false })
  expect(await asked('(at: "2026-11-23")')).toMatchObject({ data: fixed, isKept: false })
  clock.now = new Date('2026-11-23T15:59:59.999Z')
  expect(await asked('')).toMatchObject({ data: today, isKept: true })
  clock.now = new Date('2026-11-23T16:00:00Z')
  expect(await asked('')).toMatchObject({ data: held('2026-11-24', next), isKept: false })
  expect(await asked('')).toMatchObject({ data: held('2026-11-24', next), isKept: true })
  expect(await asked('(at: "2026-11-23")')).toMatchObject({ data: fixed, isKept: true })
})

it('whether a term rests is kept until midnight in Shanghai, too', async () => {
  const { clock, member } = running.alliance
  const resting = await member()
  await offices.granted(resting, { from: '2026-11-25' })
  await offices.decide(resting, 'suspend')
  const asked = () =>
    put(running, 'query ($id: ID!) { member(id: $id) { officeTerms { nodes { isResting } } } }', { id: resting.id })
  const told = (isResting: boolean) => ({ member: { officeTerms: { nodes: [{ isResting }] } } })
  await settle(running)
  clock.now = new Date('2026-11-24T15:00:00Z')
  expect(await asked()).toMatchObject({ data: told(false), isKept: false })
  expect(await asked()).toMatchObject({ data: told(false), isKept: true })
  clock.now = new Date('2026-11-24T16:00:00Z')
  expect(await asked()).toMatchObject({ data: told(true), isKept: false })
})
