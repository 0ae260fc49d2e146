import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from '../../src/access/actor.ts'
import { type Alliance, createAlliance, errorCodes } from '../support/alliance.ts'
import { done, drafted, draftInput, footprint, mutations, published } from './story.ts'

let alliance: Alliance
const actors: Record<string, Actor> = {}
beforeAll(async () => {
  alliance = await createAlliance()
  const member = await alliance.member()
  const suspended = await alliance.member({ status: 'SUSPENDED' })
  const listed = await alliance.member({ status: 'LISTED' })
  actors.anonymous = alliance.anonymous
  actors.staff = await alliance.secretariat()
  actors.portal = await alliance.portal()
  actors.viewer = await alliance.officerOf(member, 'VIEWER')
  actors.liaison = await alliance.officerOf(member, 'LIAISON')
  actors.representative = await alliance.officerOf(member, 'REPRESENTATIVE')
  actors.suspended = await alliance.officerOf(suspended, 'REPRESENTATIVE')
  actors.listed = await alliance.officerOf(listed, 'REPRESENTATIVE')
})
afterAll(() => alliance.close())

const expectedCode = (name: string) => (name === 'anonymous' ? 'UNAUTHENTICATED' : 'FORBIDDEN')

/** Refused for each of the callers, without a trace. */
async function expectRefused(names: string[], mutation: keyof typeof mutations, variables: Record<string, unknown>) {
  const before = await footprint(alliance)
  for (const name of names) {
    const result = await alliance.as(actors[name]!).query(mutations[mutation], variables)
    expect(errorCodes(result), `${mutation} by ${name}`).toEqual([expectedCode(name)])
  }
  expect(await footprint(alliance)).toEqual(before)
}

const notStaff = ['anonymous', 'portal', 'viewer', 'liaison', 'representative', 'suspended', 'listed']
const soon = '2026-11-24T08:00:00Z'

describe('only the secretariat', () => {
  it('drafts', async () => {
    await expectRefused(notStaff, 'draft', { input: draftInput })
    expect(await drafted(alliance, actors.staff!)).toMatchObject({ status: 'DRAFT', version: 1 })
  })

  it('edits', async () => {
    const { id } = await drafted(alliance, actors.staff!)
    const variables = { id, input: { expectedVersion: 1, category: 'EVENT' } }
    await expectRefused(notStaff, 'edit', variables)
    expect(await done(alliance, actors.staff!, 'edit', variables)).toMatchObject({ version: 2 })
  })

  it('schedules and unschedules', async () => {
    const { id } = await drafted(alliance, actors.staff!)
    await expectRefused(notStaff, 'schedule', { id, expectedVersion: 1, publishAt: soon })
    const scheduled = await done(alliance, actors.staff!, 'schedule', { id, expectedVersion: 1, publishAt: soon })
    expect(scheduled.status).toBe('SCHEDULED')
    await expectRefused(notStaff, 'unschedule', { id, expectedVersion: 2 })
    const draft = await done(alliance, actors.staff!, 'unschedule', { id, expectedVersion: 2 })
    expect(draft).toMatchObject({ status: 'DRAFT', version: 3 })
  })

  it('publishes and retracts', async () => {
    const { id } = await drafted(alliance, actors.staff!)
    await expectRefused(notStaff, 'publish', { id, expectedVersion: 1 })
    expect(await done(alliance, actors.staff!, 'publish', { id, expectedVersion: 1 })).toMatchObject({
      status: 'PUBLISHED',
    })
    await expectRefused(notStaff, 'retract', { id, expectedVersion: 2, reason: '有误' })
    expect(await done(alliance, actors.staff!, 'retract', { id, expectedVersion: 2, reason: '有误' })).toMatchObject({
      status: 'RETRACTED',
    })
  })

  it('reminds', async () => {
    const { id } = await published(alliance, actors.staff!, { acknowledgeBy: soon })
    await expectRefused(notStaff, 'remind', { id })
    await done(alliance, actors.staff!, 'remind', { id })
  })

  it.each(['audience { include { public } }', 'revisions { totalCount }', 'recipients { totalCount }'])(
    'reads %s',
    async fields => {
      const { id } = await published(alliance, actors.staff!)
      const document = `query ($id: ID!) { announcement(id: $id) { ${fields} } }`
      for (const name of notStaff)
        expect(errorCodes(await alliance.as(actors[name]!).query(document, { id }))).toEqual([expectedCode(name)])
      await alliance.as(actors.staff!).ask(document, { id })
    },
  )

  it('previews an audience', async () => {
    const document = '{ audiencePreview(audience: { include: [{ public: true }] }) { memberCount } }'
    for (const name of notStaff)
      expect(errorCodes(await alliance.as(actors[name]!).query(document))).toEqual([expectedCode(name)])
    expect(await alliance.as(actors.staff!).ask(document)).toEqual({ audiencePreview: { memberCount: 1 } })
  })
})

describe('only officers of members', () => {
  it('acknowledge: liaison and representative of an admitted one', async () => {
    const { id } = await published(alliance, actors.staff!, { acknowledgeBy: soon })
    await expectRefused(['anonymous', 'portal', 'viewer', 'suspended', 'listed', 'staff'], 'acknowledge', { id })
    expect(await done(alliance, actors.liaison!, 'acknowledge', { id })).toMatchObject({ status: 'PUBLISHED' })
    await done(alliance, actors.representative!, 'acknowledge', { id })
  })

  it('read and mark as read: all of an admitted or suspended one', async () => {
    const { id } = await published(alliance, actors.staff!)
    await expectRefused(['anonymous', 'portal', 'listed', 'staff'], 'markRead', { id })
    for (const name of ['viewer', 'liaison', 'representative', 'suspended'])
      await done(alliance, actors[name]!, 'markRead', { id })
    expect(await alliance.count('announcementReads')).toBe(4)
    for (const name of ['anonymous', 'portal', 'listed', 'staff'])
      expect(errorCodes(await alliance.as(actors[name]!).query('{ inbox { totalCount } }'))).toEqual([
        expectedCode(name),
      ])
  })
})
