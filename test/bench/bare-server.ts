/**
 * The yardstick: what the machine gives when a program does only this. `node:http`, a pool of `pg` with named
 * statements, JSON made by PostgreSQL, and `ws` sending a ready text. No limits, no rights, no checks.
 *
 * Run as a process of its own with DATABASE_URL and PORT; tells its parent once it listens.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import pg from 'pg'
import { WebSocket, WebSocketServer } from 'ws'
import { dashboardSql, pageSql, profileSql, updateSql } from './bare-sql.ts'
import { poolSize } from './contestants.ts'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: poolSize })

async function ask(name: string, text: string, values: unknown[]): Promise<string | undefined> {
  const { rows } = await pool.query<{ body: string }>({ name, text, values })
  return rows[0]?.body
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

function answer(response: ServerResponse, body: string): void {
  response
    .writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(body) })
    .end(body)
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = request.url ?? ''
  if (url.startsWith('/member/')) {
    const member = await ask('profile', profileSql, [url.slice('/member/'.length)])
    return answer(response, `{"data":{"member":${member ?? 'null'}}}`)
  }
  if (url.startsWith('/members?')) {
    const query = new URLSearchParams(url.slice('/members?'.length))
    const page = await ask('page', pageSql, [query.get('kind'), query.get('facet')])
    return answer(response, `{"data":{"members":${page}}}`)
  }
  if (url.startsWith('/projects?')) {
    const query = new URLSearchParams(url.slice('/projects?'.length))
    return answer(response, `{"data":{"projects":${await ask('dashboard', dashboardSql, [query.get('field')])}}}`)
  }
  if (url === '/update') {
    const { id, version, summary } = JSON.parse(await readBody(request))
    const member = await ask('update', updateSql, [id, version, summary, 'account:bench', 'bench'])
    const userErrors = member === undefined ? '[{"code":"CONFLICT"}]' : '[]'
    return answer(response, `{"data":{"updateProfile":{"member":${member ?? 'null'},"userErrors":${userErrors}}}}`)
  }
  if (url === '/publish') {
    const frame = await readBody(request)
    answer(response, '{"data":{}}')
    for (const client of sockets.clients) if (client.readyState === WebSocket.OPEN) client.send(frame)
    return
  }
  response.writeHead(404).end()
}

const server = createServer((request, response) => {
  handle(request, response).catch(error => {
    console.error(error)
    response.writeHead(500).end()
  })
})
const sockets = new WebSocketServer({ server, perMessageDeflate: false })
// Whoever started us is gone.
process.on('disconnect', () => process.exit())
server.listen(Number(process.env.PORT), '127.0.0.1', () => process.send?.('ready'))
