/**
 * The service as `src/main.ts` starts it, with one noun more: the projects of the bench. Settings are the same
 * environment variables; tells its parent once it is ready.
 */
import { readFileSync } from 'node:fs'
import { readConfig } from '../../../src/config.ts'
import { createLog } from '../../../src/server/log.ts'
import { prepareDatabase } from '../../../src/server/prepare.ts'
import { buildSchema } from '../../../src/server/schema.ts'
import { startService } from '../../../src/server/service.ts'
import { projectResolvers } from './resolvers.ts'

const config = readConfig()
const log = createLog(config)
const sdl = readFileSync(new URL('./projects.graphql', import.meta.url), 'utf8')
const schema = buildSchema([{ sdl, resolvers: projectResolvers }])
const { database } = await prepareDatabase(config, log, () => new Date())
const service = await startService(config, { database, log, schema })
const stop = () =>
  service
    .stop()
    .then(() => database.close())
    .then(() => process.exit())
process.once('SIGTERM', stop)
// Whoever started us is gone.
process.once('disconnect', stop)
process.send?.('ready')
