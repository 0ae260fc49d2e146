import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it, vi } from 'vitest'
import { WebSocketServer } from 'ws'
import { listen } from '../src/listen.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

it('prints as many events as asked for, though more came with them', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'graphql-transport-ws' })
  server.on('connection', socket =>
    socket.on('message', message => {
      const { id, type } = JSON.parse(String(message)) as { id: string; type: string }
      const send = (answer: object) => socket.send(JSON.stringify(answer))
      if (type === 'connection_init') send({ type: 'connection_ack' })
      if (type === 'subscribe')
        for (const cursor of ['a', 'b', 'c', 'd']) send({ id, type: 'next', payload: { data: { event: { cursor } } } })
    }),
  )
  await once(server, 'listening')
  const lines: string[] = []
  vi.spyOn(console, 'log').mockImplementation(line => void lines.push(line))
  const { port } = server.address() as AddressInfo
  await listen({ url: `ws://127.0.0.1:${port}`, feed: 'announcements', count: 2 })
  server.close()
  expect(lines).toEqual(['{"cursor":"a"}', '{"cursor":"b"}'])
})
