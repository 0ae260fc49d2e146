import 'graphiql/setup-workers/vite'
import { createGraphiQLFetcher } from '@graphiql/toolkit'
import { GraphiQL } from 'graphiql'
import 'graphiql/style.css'
import { createClient } from 'graphql-ws'
import { createElement } from 'react'
import { createRoot } from 'react-dom/client'

const url = new URL('/graphql', location.href)
const socketUrl = new URL(url)
socketUrl.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'

/** The headers written in the page, by lower-case name. */
function named(headers) {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]))
}

/** Sockets carry no headers: the token and the language go into connection_init. One socket for each pair. */
const clients = new Map()
function clientFor(headers) {
  const { authorization, 'accept-language': acceptLanguage } = named(headers)
  const key = JSON.stringify([authorization, acceptLanguage])
  if (!clients.has(key))
    clients.set(
      key,
      createClient({
        url: socketUrl.href,
        connectionParams: { authorization, acceptLanguage: acceptLanguage ?? navigator.language },
      }),
    )
  return clients.get(key)
}

const fetchers = new Map()
/** A fetcher whose subscriptions go through graphql-ws. */
function fetcher(params, options) {
  const client = clientFor(options?.headers)
  if (!fetchers.has(client)) fetchers.set(client, createGraphiQLFetcher({ url: url.href, wsClient: client }))
  return fetchers.get(client)(params, options)
}

const defaultQuery = `# 元宇宙生态联盟 · Metaverse Alliance
# 令牌 / Token: {"Authorization": "Bearer mva_…"} 填在下方 Headers · in Headers below.

query Viewer {
  viewer {
    kind
    name
    permissions
  }
}
`

createRoot(document.getElementById('graphiql')).render(createElement(GraphiQL, { fetcher, defaultQuery }))
