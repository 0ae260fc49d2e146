/** The operations of one socket, by the ids that its client gives them. */
export interface Turns {
  /** Whether another operation would be more than `most`, which the connection may have under way. */
  isFull(most: number): boolean
  /** Runs an operation, once an earlier one with its id, which the client has completed, is gone. */
  take(id: string, work: () => Promise<void>): Promise<void>
  /** The client wants no more of an operation. */
  complete(id: string): void
}

interface Turn {
  isOver: boolean
  gone: Promise<void>
}

/**
 * Keeps the operations of a socket apart. graphql-ws knows an operation by its id alone: an id used again while the
 * earlier operation is still being checked or cleared away would mix the two, and nobody would end the earlier one.
 */
export function createTurns(): Turns {
  const latest = new Map<string, Turn>()
  let underWay = 0
  let over = 0
  return {
    // Those which are over are soon gone; the second limit is for who completes faster than we check.
    isFull: most => underWay - over >= most || underWay >= 2 * most,
    take: (id, work) => {
      const earlier = latest.get(id)
      // Two at once under one id: the protocol closes the socket.
      if (earlier && !earlier.isOver) return work()
      const turn: Turn = { isOver: false, gone: Promise.resolve() }
      latest.set(id, turn)
      underWay++
      turn.gone = (async () => {
        try {
          await earlier?.gone.catch(() => undefined)
          if (!turn.isOver) await work()
        } finally {
          underWay--
          if (turn.isOver) over--
          if (latest.get(id) === turn) latest.delete(id)
        }
      })()
      return turn.gone
    },
    complete: id => {
      const turn = latest.get(id)
      if (!turn || turn.isOver) return
      turn.isOver = true
      over++
    },
  }
}
