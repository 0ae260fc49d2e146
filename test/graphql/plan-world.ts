import { sql } from 'kysely'
import type { Actor } from '../../src/access/actor.ts'
import { newUuid, writeId } from '../../src/ids.ts'
import { updateProfile } from '../../src/members/service.ts'
import { done, drafted, published } from '../announcements/story.ts'
import { changed, drafted as draftedVersion, opened, signed } from '../initiative/story.ts'
import { type Alliance, places, type TestMember } from '../support/alliance.ts'

/** What the generator of documents takes its arguments from, and who asks. */
export interface World {
  /** One of each kind of caller, by what it is. */
  readonly actors: ReadonlyMap<string, Actor>
  /** Ids of things that there are, and of some that there are not. */
  readonly ids: Readonly<Record<'member' | 'announcement' | 'version' | 'other' | 'wrong', readonly string[]>>
  readonly codes: readonly string[]
  /** Cursors by the fields that gave them. */
  readonly cursors: ReadonlyMap<string, readonly string[]>
}

/** Every connection of the schema that a caller can walk to in one or two steps, to take cursors of. */
const cursorSources = `{
  members(first: 50) { edges { cursor node {
    profileHistory(first: 3) { edges { cursor } }
    ... on City { associations(first: 5) { edges { cursor } } companies(first: 5) { edges { cursor } } }
  } } }
  regions(first: 20) { edges { cursor } }
  officeTerms(first: 20) { edges { cursor } }
  alliance {
    rotatingChairs(first: 3) { edges { cursor } } permanentChairs(first: 3) { edges { cursor } }
    council(first: 10) { edges { cursor } } secretariatHosts(first: 3) { edges { cursor } }
  }
  announcements(first: 20) { edges { cursor node {
    revisions(first: 3) { edges { cursor } } recipients(first: 5) { edges { cursor } }
  } } }
  initiativeVersions(first: 3) { edges { cursor } }
  signatories(first: 5) { edges { cursor } }
  tokens(first: 5) { edges { cursor } }
  portals(first: 5) { edges { cursor } }
}`

function collectCursors(found: Map<string, string[]>, field: string, value: unknown): void {
  if (Array.isArray(value)) for (const one of value) collectCursors(found, field, one)
  else if (typeof value === 'object' && value !== null)
    for (const [name, inner] of Object.entries(value)) {
      if (name === 'cursor') found.set(field, [...(found.get(field) ?? []), inner])
      else collectCursors(found, name === 'edges' || name === 'node' ? field : name, inner)
    }
}

async function addMembers(alliance: Alliance): Promise<readonly TestMember[]> {
  const { member, clock } = alliance
  const capital = await member({
    kind: 'CITY',
    names: { 'zh-Hans': '云谷市人民政府', en: 'Yungu Municipal Government' },
    profile: { fields: ['virtual_human'], founded: '1999' },
  })
  const port = await member({ kind: 'CITY', names: '海谷市人民政府', region: places.guangzhou, status: 'LISTED' })
  const guild = await member({
    names: { 'zh-Hans': '云谷元宇宙产业联盟', en: 'Yungu Metaverse Alliance', 'zh-Hant': '雲谷元宇宙產業聯盟' },
    region: places.jinjiang,
    profile: {
      fields: ['digital_twin', 'virtual_human'],
      capabilities: ['computing_power'],
      parentId: capital.uuid,
      summaries: [{ locale: 'en', text: 'An invented alliance.' }],
      size: 12,
    },
    externalReferences: [
      { system: 'crm.example.org', value: 'B-2' },
      { system: 'crm.example.org', value: 'A-1' },
    ],
  })
  clock.now = new Date('2026-11-24T08:00:00Z')
  const committee = await member({
    names: '云谷虚拟人专业委员会',
    associationKind: 'COMMITTEE',
    region: places.chengdu,
    profile: { parentId: guild.uuid, leadId: guild.uuid },
  })
  const firm = await member({
    kind: 'COMPANY',
    names: { en: 'Greenchip 100%_' },
    region: places.jinjiang,
    profile: { fields: ['industrial_metaverse'], capabilities: ['real_time_rendering'], leadId: committee.uuid },
    externalReferences: [{ system: 'founding-data', value: '云 谷' }],
  })
  const nowhere = await member({ kind: 'COMPANY', names: '无地虚构公司', region: null, status: 'LISTED' })
  const resting = await member({
    names: '重庆虚构协会',
    associationKind: 'ASSOCIATION',
    status: 'SUSPENDED',
    region: places.chongqing,
  })
  const gone = await member({ names: '已退虚构联盟', region: places.chengdu, status: 'WITHDRAWN' })
  const expelled = await member({ kind: 'COMPANY', names: '除名虚构公司', region: places.shenzhen, status: 'EXPELLED' })
  const orphan = await member({ names: '虚构孤儿分会', region: places.mianyang, profile: { parentId: resting.uuid } })
  for (let i = 0; i < 6; i++)
    await member({
      kind: 'COMPANY',
      names: `云谷第${i}数字公司`,
      region: i % 2 ? places.chengdu : places.guangzhou,
      profile: { leadId: firm.uuid },
    })
  return [capital, port, guild, committee, firm, nowhere, resting, gone, expelled, orphan]
}

/** Gives each of these the council, and each another office, over days that overlap; of the last one a term was struck. */
async function addTerms({ db, clock }: Alliance, holders: readonly TestMember[]): Promise<void> {
  const others = ['ROTATING_CHAIR', 'PERMANENT_CHAIR', 'SECRETARIAT_HOST'] as const
  const terms = holders.flatMap(({ uuid }, i) => [
    { memberId: uuid, office: 'COUNCIL' as const, fromDay: `202${i}-01-01`, untilDay: i % 2 ? '2027-01-01' : null },
    { memberId: uuid, office: others[i % 3]!, fromDay: '2026-01-01', untilDay: i < 5 ? '2027-01-01' : '2026-01-01' },
  ])
  const at = clock.now
  const rows = terms.map(term => ({ ...term, id: newUuid(), createdAt: at, updatedAt: at }))
  await db.insertInto('officeTerms').values(rows).execute()
  const changes = rows.map(({ id, office, fromDay, untilDay }) => ({
    termId: id,
    version: 1,
    office,
    fromDay,
    untilDay,
  }))
  const made = { at, actor: 'test', change: 'GRANTED' as const, reason: '测试' }
  await db
    .insertInto('officeTermChanges')
    .values(changes.map(change => ({ ...change, ...made })))
    .execute()
}

/** Makes a small alliance of all that members, announcements and callers can be. Everything in it is invented. */
export async function createWorld(alliance: Alliance): Promise<World> {
  const { db, clock } = alliance
  const all = await addMembers(alliance)
  const [capital, , guild, committee, firm, nowhere, resting, gone, , orphan] = all as [...TestMember[]] as TestMember[]
  const staff = await alliance.secretariat()
  const officer = await alliance.officerOf(guild!)
  const request = alliance.request(officer)
  const contacts = [
    { role: '联络员', name: '小谷', phone: '+86 28 0000 0000' },
    { role: 'press', name: 'Gu', email: 'press@yungu.example' },
  ]
  await alliance
    .as(officer)
    .ask(
      `mutation ($id: ID!, $input: SetContactsInput!) { setContacts(id: $id, input: $input) { userErrors { code } } }`,
      { id: guild!.id, input: { expectedVersion: guild!.row.version, contacts } },
    )
  for (let i = 0; i < 4; i++) {
    const { version } = await db
      .selectFrom('members')
      .select('version')
      .where('id', '=', guild!.uuid)
      .executeTakeFirstOrThrow()
    await updateProfile(
      request,
      { id: guild!.uuid },
      {
        expectedVersion: version,
        profile: { size: 20 + i, summaries: [{ locale: 'zh-Hans', text: `第${i}次` }] },
      },
    )
  }
  // What no writer can bring about: the parent left, a word was taken from the vocabulary, another stands there twice.
  await db.updateTable('members').set({ parentId: gone!.uuid }).where('id', '=', orphan!.uuid).execute()
  await sql`update members set fields = '{digital_twin,no_such_term,digital_twin}' where id = ${committee!.uuid}`.execute(
    db,
  )
  await sql`update regions set longitude = 104.06, latitude = 30 where code = ${places.chengdu}`.execute(db)

  await addTerms(alliance, [capital!, guild!, committee!, firm!, resting!, gone!])
  const edited = await published(alliance, staff, {
    pinnedUntil: '2027-01-01T00:00:00Z',
    acknowledgeBy: '2026-12-01T00:00:00Z',
  })
  const announcements = [
    (await drafted(alliance, staff)).id,
    edited.id,
    (
      await published(alliance, staff, {
        audience: { include: [{ members: [guild!.id, capital!.id] }], exclude: [{ members: [capital!.id] }] },
      })
    ).id,
    (
      await published(alliance, staff, {
        audience: { include: [{ allMembers: true }] },
        urgency: 'CRITICAL',
        acknowledgeBy: '2026-12-02T00:00:00Z',
      })
    ).id,
  ]
  const { id, version } = await published(alliance, staff)
  await done(alliance, staff, 'retract', { id, expectedVersion: version, reason: '测试' })
  announcements.push(id)
  await done(alliance, officer, 'acknowledge', { id: announcements[3] })
  await done(alliance, officer, 'markRead', { id: announcements[2] })
  clock.now = new Date('2026-11-25T08:00:00Z')
  const versions = [await opened(alliance, staff)]
  const given = [await signed(alliance, guild!, versions[0]!), await signed(alliance, capital!, versions[0]!)]
  versions.push(await opened(alliance, staff, { requiresRenewal: true }), await draftedVersion(alliance, staff))
  for (const signer of [guild!, firm!]) given.push(await signed(alliance, signer, versions[1]!))
  await changed(alliance, staff, 'countersign', { id: given[2]!.id })
  await changed(alliance, staff, 'withdraw', { id: given[3]!.id, reason: '测试' })

  const actors = new Map<string, Actor>([
    ['anonymous', alliance.anonymous],
    ['officer of the alliance', officer],
    ['viewer of the alliance', await alliance.officerOf(guild!, 'VIEWER')],
    ['foreign officer', await alliance.officerOf(firm!, 'REPRESENTATIVE')],
    ['officer of a listed body', await alliance.officerOf(nowhere!)],
    ['officer of a suspended member', await alliance.officerOf(resting!)],
    ['staff', staff],
    ['portal', await alliance.portal()],
    ['portal without scopes', await alliance.portal([])],
  ])
  const found = new Map<string, string[]>()
  collectCursors(found, '', await alliance.as(staff).ask(cursorSources))
  collectCursors(found, '', await alliance.as(officer).ask('{ inbox(first: 5) { edges { cursor } } }'))
  const tokens = await db.selectFrom('tokens').select('id').execute()
  const portals = await db.selectFrom('portals').select('id').execute()
  return {
    actors,
    ids: {
      member: all.map(one => one.id),
      announcement: announcements,
      version: versions.map(one => one.id),
      other: [...given.map(one => one.id), writeId('Token', tokens[0]!.id), writeId('Portal', portals[0]!.id)],
      wrong: [
        writeId('City', newUuid()),
        writeId('Company', guild!.uuid),
        writeId('Announcement', newUuid()),
        'nonsense',
        '',
        'city_0',
      ],
    },
    codes: [...Object.values(places), '510', '999999', '5101.0'],
    cursors: found,
  }
}
