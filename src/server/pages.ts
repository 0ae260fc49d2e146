import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import helmet, { type FastifyHelmetOptions } from '@fastify/helmet'
import fastifyStatic from '@fastify/static'
import type { FastifyPluginAsync } from 'fastify'
import { sql } from 'kysely'
import type { Services } from '../graphql/context.ts'
import { readSdl } from '../graphql/sdl.ts'
import type { Metrics } from './metrics.ts'

const graphiqlFolder = fileURLToPath(new URL('../../build/graphiql/', import.meta.url))

const doors = [
  { path: '/graphql', what: 'GraphQL: POST, GET, WebSocket (graphql-transport-ws), Server-Sent Events', link: false },
  { path: '/graphiql', what: 'GraphiQL: try queries in the browser · 在浏览器中试用查询', link: true },
  { path: '/schema.graphql', what: 'the schema · 接口定义', link: true },
  { path: '/healthz', what: 'whether the process lives · 存活检查', link: true },
  { path: '/readyz', what: 'whether it can serve · 就绪检查', link: true },
  { path: '/metrics', what: 'figures for Prometheus · 运行指标', link: true },
] as const

function frontPage(): string {
  const items = doors.map(
    ({ path, what, link }) => `<li>${link ? `<a href="${path}">${path}</a>` : `<code>${path}</code>`} – ${what}</li>`,
  )
  return `<!doctype html>
<html lang="zh-Hans">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>元宇宙生态联盟 · Metaverse Alliance API</title>
<h1>元宇宙生态联盟 <small>Metaverse Alliance API</small></h1>
<ul>
${items.join('\n')}
</ul>
</html>
`
}

/** Whether the database answers within two seconds. */
async function databaseAnswers(services: Services): Promise<boolean> {
  const late = Promise.withResolvers<false>()
  const timer = setTimeout(() => late.resolve(false), 2_000)
  try {
    return await Promise.race([sql`select 1`.execute(services.db).then(() => true), late.promise])
  } catch {
    // Whatever it is, the answer is no; the requests that meet it log it.
    return false
  } finally {
    clearTimeout(timer)
  }
}

/** What browsers are told of pages. */
const pageHeaders: FastifyHelmetOptions = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      'default-src': ["'self'"],
      'script-src': ["'self'"],
      // GraphiQL's editor writes its styles itself.
      'style-src': ["'self'", "'unsafe-inline'"],
      'img-src': ["'self'", 'data:'],
      'font-src': ["'self'", 'data:'],
      'worker-src': ["'self'", 'blob:'],
      'connect-src': ["'self'"],
      'object-src': ["'none'"],
      'base-uri': ["'none'"],
      'form-action': ["'none'"],
      'frame-ancestors': ["'none'"],
    },
  },
  // Whether all of the host speaks TLS, its proxy knows.
  strictTransportSecurity: false,
}

/** The paths beside GraphQL: front page, GraphiQL, schema, health and figures; and what is said of all others. */
export function createPages(services: Services, metrics: Metrics, isStopping: () => boolean): FastifyPluginAsync {
  const sdl = `${readSdl()}\n`
  const front = frontPage()
  return async app => {
    await app.register(helmet, pageHeaders)
    app.get('/', async (request, reply) => {
      if (!request.headers.accept?.includes('text/html'))
        return { doors: Object.fromEntries(doors.map(({ path, what }) => [path, what])) }
      return reply.type('text/html; charset=utf-8').send(front)
    })
    app.get('/schema.graphql', (_, reply) => reply.type('text/plain; charset=utf-8').send(sdl))
    app.get('/healthz', async () => ({ status: 'alive' }))
    app.get('/readyz', async (_, reply) => {
      reply.header('cache-control', 'no-store')
      if (isStopping()) return reply.code(503).send({ status: 'stopping' })
      if (!(await databaseAnswers(services))) return reply.code(503).send({ status: 'database out of reach' })
      return { status: 'ready' }
    })
    app.get('/metrics', async (_, reply) => reply.type(metrics.contentType).send(await metrics.read()))

    if (existsSync(graphiqlFolder)) {
      await app.register(fastifyStatic, {
        root: graphiqlFolder,
        prefix: '/graphiql/',
        immutable: true,
        maxAge: '365d',
        index: false,
      })
      app.get('/graphiql', (_, reply) => reply.sendFile('index.html', { maxAge: 0, immutable: false }))
    } else
      app.get('/graphiql', (_, reply) =>
        reply.code(503).type('text/plain; charset=utf-8').send('GraphiQL is not built yet: npm run prepare\n'),
      )
    app.setNotFoundHandler((_, reply) =>
      reply.code(404).send({ errors: [{ message: 'Nothing is here. The doors are listed at /.' }] }),
    )
  }
}
