import { findPassing } from './live-fault.ts'

/** Does a work when it is its turn. */
export type Gate = <T>(work: () => Promise<T>) => Promise<T>

interface Waiting {
  start(): void
  fail(error: unknown): void
}

/**
 * Lets a number of works run at once; the others wait in order. When one of them meets a fault that passes, those who
 * wait meet it, too, without trying: else each would wait in vain for a database that is out of reach.
 */
export function createGate(size: number): Gate {
  const queue: Waiting[] = []
  let free = size
  return async work => {
    if (free > 0) free--
    else await new Promise<void>((start, fail) => queue.push({ start, fail }))
    try {
      return await work()
    } catch (error) {
      if (findPassing(error)) for (const waiting of queue.splice(0)) waiting.fail(error)
      throw error
    } finally {
      const next = queue.shift()
      if (next) next.start()
      else free++
    }
  }
}
