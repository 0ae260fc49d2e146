import type { OfficerRole } from '../../src/access/permissions.ts'
import { programRequest } from '../../src/access/request.ts'
import { issueOfficerToken } from '../../src/access/tokens.ts'
import type { Config } from '../../src/config.ts'
import { writeCursor } from '../../src/journal/cursor.ts'
import { type Alliance, createAlliance, type TestMember } from '../support/alliance.ts'
import { ask, type Running, run } from './harness.ts'

/** The doors of an alliance in front of the real schema. */
export interface Real extends Running {
  readonly alliance: Alliance
  /** The secret of a token of the secretariat. */
  readonly staff: string
  /** As the program, which wakes the journal. */
  request(): ReturnType<typeof programRequest>
  /** The secret of a token of a new officer of the member, a liaison without a role. */
  officer(member: TestMember, role?: OfficerRole): Promise<string>
  /** Drafts an announcement; answers its id. Public unless told otherwise. */
  draft(audience?: object): Promise<string>
  /** Drafts and publishes a public announcement; answers its id. */
  publish(): Promise<string>
  /** The present, as clients are told it. */
  cursor(): string
}

/** Starts the service on an alliance of its own. `end` closes both. */
export async function runReal(settings: Partial<Config> = {}): Promise<Real> {
  const alliance = await createAlliance()
  const database = { db: alliance.db, connectionString: null, close: alliance.close }
  const running = await run(settings, { database, now: () => alliance.clock.now })
  const { services } = running
  const { secret: staff } = await running.token()
  const request = () => programRequest(services.db, services.now(), 'test', services.wake)
  let made = 0
  const change = async (query: string, variables: Record<string, unknown>): Promise<string> => {
    const answer = await ask(running, 'http', { query, variables }, { token: staff })
    const out = answer.data?.out as { announcement: { id: string } | null } | undefined
    if (!out?.announcement) throw new Error(JSON.stringify(answer))
    return out.announcement.id
  }
  const draft = (audience: object = { include: [{ public: true }] }) =>
    change(
      `mutation ($input: DraftAnnouncementInput!) {
        out: draftAnnouncement(input: $input) { announcement { id } userErrors { message } } }`,
      {
        input: {
          titles: [{ locale: 'zh-Hans', text: `关于召开第${++made}次联席会议的通知` }],
          bodies: [{ locale: 'zh-Hans', text: '请于会前提交议题。' }],
          category: 'NOTICE',
          audience,
        },
      },
    )
  return {
    ...running,
    alliance,
    staff,
    request,
    officer: async (member, role = 'LIAISON') => {
      const person = { name: '联络员小谷', email: `liaison-${++made}@example.org` }
      return (await issueOfficerToken(request(), { ...person, memberId: member.uuid, role })).secret
    },
    draft,
    publish: async () =>
      change(
        `mutation ($id: ID!) {
          out: publishAnnouncement(id: $id, expectedVersion: 1) { announcement { id } userErrors { message } } }`,
        { id: await draft() },
      ),
    cursor: () => writeCursor(services.feed.position()),
  }
}
