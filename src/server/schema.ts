import { type IExecutableSchemaDefinition, makeExecutableSchema } from '@graphql-tools/schema'
import type { GraphQLSchema } from 'graphql'
import { accessResolvers } from '../access/resolvers.ts'
import { announcementResolvers } from '../announcements/resolvers.ts'
import { nodeResolvers } from '../graphql/node-resolvers.ts'
import { enforcePermissions } from '../graphql/permissions.ts'
import { scalars } from '../graphql/scalars.ts'
import { readSdl } from '../graphql/sdl.ts'
import { sharedResolvers } from '../graphql/shared-resolvers.ts'
import { initiativeResolvers } from '../initiative/resolvers.ts'
import { mailResolvers } from '../mail/resolvers.ts'
import { memberResolvers } from '../members/resolvers.ts'
import { membershipResolvers } from '../membership/resolvers.ts'
import { officerResolvers } from '../officers/resolvers.ts'
import { officeResolvers } from '../offices/resolvers.ts'
import { regionResolvers } from '../regions/resolvers.ts'
import { vocabularyResolvers } from '../vocabularies/resolvers.ts'

/** What stands behind every type of the SDL. */
export const resolvers = [
  scalars,
  sharedResolvers,
  nodeResolvers,
  vocabularyResolvers,
  regionResolvers,
  memberResolvers,
  membershipResolvers,
  officeResolvers,
  accessResolvers,
  mailResolvers,
  officerResolvers,
  announcementResolvers,
  initiativeResolvers,
]

/** A noun that is not of the house, such as the bench's projects. */
interface GuestNoun {
  readonly sdl: string
  readonly resolvers: NonNullable<IExecutableSchemaDefinition['resolvers']>
}

/** The executable schema, with the permissions of the SDL before every resolver. @throws Error when a field states none */
export function buildSchema(guests: readonly GuestNoun[] = []): GraphQLSchema {
  return enforcePermissions(
    makeExecutableSchema({
      typeDefs: [readSdl(), ...guests.map(({ sdl }) => sdl)],
      resolvers: [...resolvers, ...guests.flatMap(guest => guest.resolvers)],
      resolverValidationOptions: { requireResolversForResolveType: 'error', requireResolversToMatchSchema: 'error' },
    }),
  )
}
