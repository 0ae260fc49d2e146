import { sql } from 'kysely'
import type { PageOrder } from '../database/page.ts'
import { listing, oneBy, source } from '../reads/source.ts'
import type { MailRow } from './store.ts'

/** Mails. Who may read them, the SDL says. No event tells of their attempts. */
const mails = source<MailRow>('mails')

export const mailById = oneBy(mails, 'id')

/** Which mails to list: those whose states are true; all without any. */
export interface MailFilter {
  readonly states: { readonly [State in MailRow['state']]?: boolean } | null
}

/** Mails, of which each state is a stretch of an index. */
export const mailList = listing(mails, (db, _actor, { states }: MailFilter) => {
  const query = db.selectFrom('mails')
  if (!states) return query
  const named = Object.keys(states) as MailRow['state'][]
  return named.length > 0
    ? named.map(state => query.where('mails.state', '=', sql.lit(state)))
    : query.where(sql<boolean>`false`)
})

export const latestMails: PageOrder = {
  name: 'mails',
  direction: 'desc',
  keys: [{ expression: sql.ref('mails.id'), type: 'uuid' }],
}
