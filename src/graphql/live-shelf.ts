import { LRUCache } from 'lru-cache'

/** What was made a moment ago. */
export interface Shelf<Value> {
  get(key: string): { readonly value: Value } | undefined
  put(key: string, value: Value): void
  /** How many values it holds on to. */
  count(): number
}

/**
 * Keeps values for a moment and holds on to none of them any longer, asked for or not.
 * @param options.size how much of `sizeOf` it holds at most; the oldest make room
 */
export function createShelf<Value>(options: {
  readonly milliseconds: number
  readonly entries: number
  readonly size: number
  readonly sizeOf: (value: Value) => number
}): Shelf<Value> {
  const { milliseconds, entries, size, sizeOf } = options
  const kept = new LRUCache<string, { readonly value: Value }>({
    max: entries,
    maxSize: size,
    sizeCalculation: ({ value }) => sizeOf(value),
    ttl: milliseconds,
  })
  let isSweeping = false

  // One timer for all, where lru-cache's own purge has one for each; and none while nothing is kept.
  function sweepLater(): void {
    if (isSweeping || kept.size === 0) return
    isSweeping = true
    const sweep = () => {
      isSweeping = false
      kept.purgeStale()
      sweepLater()
    }
    // A little later, else what was put first is just not old enough.
    setTimeout(sweep, milliseconds * 1.1 + 2).unref()
  }

  return {
    get: key => kept.get(key),
    put: (key, value) => {
      kept.set(key, { value })
      sweepLater()
    },
    count: () => kept.size,
  }
}
