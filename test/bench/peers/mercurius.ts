/** Mercurius with its compiler: documents are compiled by `graphql-jit` when they come the second time. */
import Fastify from 'fastify'
import mercurius from 'mercurius'
import { createContext } from './data.ts'
import { port, tellReady } from './parent.ts'
import { schema } from './schema.ts'

const app = Fastify()
await app.register(mercurius, { schema, context: () => createContext() as object, jit: 1 })
await app.listen({ port, host: '127.0.0.1' })
tellReady()
