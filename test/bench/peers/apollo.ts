/** Apollo Server as it comes, behind Fastify. */
import { ApolloServer } from '@apollo/server'
import fastifyApollo from '@as-integrations/fastify'
import Fastify from 'fastify'
import { type Context, createContext } from './data.ts'
import { port, tellReady } from './parent.ts'
import { schema } from './schema.ts'

const apollo = new ApolloServer<Context>({ schema })
await apollo.start()
const app = Fastify()
await app.register(fastifyApollo(apollo), { context: async () => createContext() })
await app.listen({ port, host: '127.0.0.1' })
tellReady()
