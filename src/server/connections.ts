import { LRUCache } from 'lru-cache'
import type { Actor } from '../access/actor.ts'
import { type Text, text } from '../errors.ts'

/** Why a lasting connection is closed by this side. */
export type CloseReason = 'revoked' | 'expired' | 'changed' | 'restart'

/** The reasons in words short enough for a close frame. */
export const closeTexts: Record<CloseReason, Text> = {
  revoked: text('The token was revoked.', '令牌已被吊销。'),
  expired: text('The token has expired.', '令牌已过期。'),
  changed: text('The member that this token acts for has left the alliance.', '此令牌所代表的成员已离开联盟。'),
  restart: text('The service restarts. Connect again and resume.', '服务正在重启，请重新连接并续传。'),
}

/** A lasting connection: a WebSocket, or a stream of Server-Sent Events. */
export interface Connection {
  /** Who is at the other end; changes when its rights do. */
  actor: Actor
  /** Ends it. A restart may wait for what is under way. */
  close(reason: CloseReason): void | Promise<void>
}

/** All lasting connections of this process. */
export interface Connections {
  /** Takes a connection in. Answers how to let it go. */
  add(connection: Connection): () => void
  /** Closes a connection whose token was revoked between our look at it and this moment. Answers whether it did. */
  closeIfRevoked(connection: Connection): boolean
  /** Closes the connections of a token. */
  revoke(tokenId: string): void
  /** All of them. */
  all(): Iterable<Connection>
  /** Closes all for a restart, and resolves when they have finished. */
  drain(): Promise<void>
}

/** How often tokens are looked at for their end, in milliseconds. */
const sweepInterval = 1_000

/** Starts to watch over the lasting connections. */
export function watchConnections(now: () => Date): Connections {
  const open = new Set<Connection>()
  // Between the look at a token and the connection's entry here, news of its end may pass.
  const revoked = new LRUCache<string, true>({ max: 10_000 })
  const timer = setInterval(() => {
    const moment = now()
    for (const connection of open)
      if ('expiresAt' in connection.actor && connection.actor.expiresAt <= moment) void connection.close('expired')
  }, sweepInterval)
  timer.unref()
  return {
    add(connection) {
      open.add(connection)
      return () => open.delete(connection)
    },
    closeIfRevoked(connection) {
      const isRevoked = 'tokenId' in connection.actor && revoked.has(connection.actor.tokenId)
      if (isRevoked) void connection.close('revoked')
      return isRevoked
    },
    revoke(tokenId) {
      revoked.set(tokenId, true)
      for (const connection of open)
        if ('tokenId' in connection.actor && connection.actor.tokenId === tokenId) void connection.close('revoked')
    },
    all: () => [...open],
    async drain() {
      clearInterval(timer)
      await Promise.all([...open].map(connection => connection.close('restart')))
    },
  }
}
