import { sql } from 'kysely'
import { actorName } from '../access/store.ts'
import type { PageOrder } from '../database/page.ts'
import { listing, manyBy, oneBy, source } from '../reads/source.ts'
import { type InitiativeVersionRow, type SignatureRow, stateOf, visibleSignatures, visibleVersions } from './store.ts'

/** Versions that the actor may see, listed without the texts. Opening one changes the one before, too. */
const versions = source<InitiativeVersionRow>('initiativeVersions', {
  visible: (db, actor) => db.selectFrom('initiativeVersions').where(visibleVersions(actor)),
  // What late fields read.
  columns: {
    texts: sql`jsonb_build_object('titles', initiative_versions.titles, 'bodies', initiative_versions.bodies)`,
  },
  whole: [
    'id',
    'version',
    'number',
    'status',
    'requiresRenewal',
    'titles',
    'hashes',
    'sha256',
    'createdAt',
    'updatedAt',
    'openedAt',
    'supersededAt',
  ],
  news: { subject: null, types: ['initiative.drafted', 'initiative.opened'] },
})

export const versionById = oneBy(versions, 'id')

/** The version with a status that but one has: OPEN. */
export const versionByStatus = oneBy(versions, 'status')

export const versionList = listing(versions, (db, actor, _input: object) => versions.visible(db, actor))

export const latestVersionFirst: PageOrder = {
  name: 'initiative versions',
  direction: 'desc',
  keys: [
    { expression: sql`coalesce(initiative_versions.number, 2147483647)`, type: 'int' },
    { expression: sql.ref('initiativeVersions.id'), type: 'uuid' },
  ],
}

/** Signatures that the actor may see. A new version may make any of them due, and a member takes its own with it. */
export const signatures = source<SignatureRow>('initiativeSignatures', {
  visible: (db, actor) => db.selectFrom('initiativeSignatures').where(visibleSignatures(actor)),
  columns: {
    state: stateOf('initiativeSignatures'),
    countersignedBy: actorName(sql.ref('initiativeSignatures.countersignedBy')),
    withdrawnBy: actorName(sql.ref('initiativeSignatures.withdrawnBy')),
  },
  news: {
    subject: null,
    types: [
      'initiative.signed',
      'initiative.countersigned',
      'initiative.withdrawn',
      'initiative.opened',
      'member.profile',
      'member.membership',
    ],
  },
})

export const signatureById = oneBy(signatures, 'id')

/** The latest 100 signatures of a member, the latest first. */
export const signaturesOf = manyBy(signatures, 'memberId', {
  order: ['signedAt', 'id'],
  direction: 'desc',
  most: 100,
})
