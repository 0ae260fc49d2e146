import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { parseId } from '../../src/ids.ts'
import { eventsSoFar } from '../announcements/story.ts'
import { type Alliance, createAlliance, places, type TestMember } from '../support/alliance.ts'
import { changed, decide, heard, opened, signed, type Version } from './story.ts'

let alliance: Alliance
let open: Version
let member: TestMember
const actors: Record<string, Actor> = {}
beforeAll(async () => {
  alliance = await createAlliance()
  member = await alliance.member({ region: places.chengdu })
  actors.staff = await alliance.secretariat()
  actors.anonymous = alliance.anonymous
  actors.portal = await alliance.portal()
  actors.own = await alliance.officerOf(member)
  actors.other = await alliance.officerOf(await alliance.member())
  open = await opened(alliance, actors.staff)
})
afterAll(() => alliance.close())

/** Who hears of what, by the name of the actor. */
async function told(since: number, args?: Record<string, unknown>) {
  const all: Record<string, string[]> = {}
  for (const [name, actor] of Object.entries(actors)) all[name] = await heard(alliance, actor, since, args)
  return all
}

const uuid = ({ id }: { id: string }) => parseId(id)!.uuid
const everybody = (of: string[]) => Object.fromEntries(Object.keys(actors).map(name => [name, of]))

describe('initiativeSigned', () => {
  it('tells everybody of every signature, and of nothing else', async () => {
    const since = await eventsSoFar(alliance)
    const first = await signed(alliance, member, open)
    await changed(alliance, actors.staff!, 'countersign', { id: first.id })
    open = await opened(alliance, actors.staff!, { requiresRenewal: true })
    const second = await signed(alliance, member, open)
    expect(await told(since)).toEqual(everybody([uuid(first), uuid(second)]))
  })

  it('tells of one that was withdrawn since those who may see it', async () => {
    const since = await eventsSoFar(alliance)
    const fickle = await alliance.member()
    actors.fickle = await alliance.officerOf(fickle)
    const { id } = await signed(alliance, fickle, open)
    await changed(alliance, actors.staff!, 'withdraw', { id, reason: '…' })
    expect(await told(since)).toEqual({ ...everybody([]), staff: [uuid({ id })], fickle: [uuid({ id })] })
    delete actors.fickle
  })

  it('tells the secretariat alone of a member that has left since', async () => {
    const since = await eventsSoFar(alliance)
    const gone = await alliance.member()
    const { id } = await signed(alliance, gone, open)
    await decide(alliance, gone, 'EXPEL')
    expect(await told(since)).toEqual({ ...everybody([]), staff: [uuid({ id })] })
  })

  it('tells only of what meets the filter', async () => {
    const since = await eventsSoFar(alliance)
    const media = await alliance.member({ associationKind: 'MEDIA', region: places.jinjiang })
    const company = await alliance.member({ kind: 'COMPANY', region: null })
    const first = await signed(alliance, media, open)
    const second = await signed(alliance, company, open)
    const [one, two] = [uuid(first), uuid(second)]
    const after = new Date(Date.parse(second.signedAt) + 1)
    for (const [filter, expected] of [
      [{}, [one, two]],
      [{ kinds: ['COMPANY'] }, [two]],
      [{ associationKinds: ['MEDIA'] }, [one]],
      [{ regions: [places.sichuan] }, [one]],
      [{ regions: [places.guangdong] }, []],
      [{ version: open.id }, [one, two]],
      [{ signedFrom: after }, []],
      [{ signedUntil: after }, [one, two]],
      [{ states: ['VALID'] }, [one, two]],
      [{ states: ['RENEWAL_DUE', 'WITHDRAWN'] }, []],
      [{ countersigned: false }, [one, two]],
      [{ countersigned: true }, []],
    ] as const)
      expect(await heard(alliance, alliance.anonymous, since, { filter }), JSON.stringify(filter)).toEqual(expected)
  })

  it('refuses a filter that is none', async () => {
    for (const filter of [{ regions: ['x'] }, { version: 'x' }])
      await expect(heard(alliance, alliance.anonymous, 0, { filter })).rejects.toMatchObject({ code: 'BAD_USER_INPUT' })
  })
})
