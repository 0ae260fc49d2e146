import { fieldsOf, pageOf } from '../graphql/fields.ts'
import type { QueryMailsArgs, Resolvers } from '../graphql/generated.ts'
import { writeId } from '../ids.ts'
import { latestMails, mailList } from './reads.ts'
import type { MailRow } from './store.ts'

const { from } = fieldsOf<MailRow>()

export const mailResolvers: Resolvers = {
  Query: {
    mails: pageOf(mailList, ({ filter }: Partial<QueryMailsArgs>) => ({
      order: latestMails,
      input: { states: filter?.states ? Object.fromEntries(filter.states.map(state => [state, true])) : null },
    })),
  },
  Mail: {
    id: from(['id'], row => writeId('Mail', row.id)),
  },
}
