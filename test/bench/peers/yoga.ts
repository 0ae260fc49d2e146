/** GraphQL Yoga as it comes, on `node:http`. */
import { createServer } from 'node:http'
import { createYoga } from 'graphql-yoga'
import { createContext } from './data.ts'
import { port, tellReady } from './parent.ts'
import { schema } from './schema.ts'

const yoga = createYoga({ schema, context: () => createContext(), logging: false })
createServer(yoga).listen(port, '127.0.0.1', tellReady)
