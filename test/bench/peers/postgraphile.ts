/** PostGraphile with its Amber preset, on the same tables and a few functions (`postgraphile-sql.ts`), on `node:http`. */
import { createServer } from 'node:http'
import { postgraphile } from 'postgraphile'
import { makePgService } from 'postgraphile/adaptors/pg'
import { grafserv } from 'postgraphile/grafserv/node'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'
import { poolSize } from '../contestants.ts'
import { port, tellReady } from './parent.ts'

const instance = postgraphile({
  extends: [PostGraphileAmberPreset],
  pgServices: [
    makePgService({
      connectionString: process.env.DATABASE_URL!,
      schemas: ['public'],
      pubsub: false,
      poolConfig: { max: poolSize },
    }),
  ],
  grafserv: { graphqlPath: '/graphql', graphiql: false, watch: false },
  grafast: { explain: false },
})
const server = createServer()
const serv = instance.createServ(grafserv)
await serv.addTo(server)
server.listen(port, '127.0.0.1', tellReady)
