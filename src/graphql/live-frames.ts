import type { ExecutionResult } from 'graphql'

/** A result as messages of graphql-transport-ws, made for many receivers. */
export interface Frames {
  /** The message that carries it to an operation with this id, in UTF-8. The bytes are shared: nobody may change them. */
  frame(id: string): Buffer
  /** How many bytes it holds on to, about. */
  size(): number
}

/** What a group of callers hears of one event. */
export interface Outcome extends Frames {
  readonly seq: number
  readonly result: ExecutionResult
}

/**
 * Writes a result once. Messages differ by the id only; receivers that gave their operations the same id, as those who
 * count them do, share the whole message, the others the work of writing it.
 */
export function createFrames(result: ExecutionResult): Frames {
  let rest: Buffer | undefined
  let last: { readonly id: string; readonly frame: Buffer } | undefined
  const write = () => (rest ??= Buffer.from(`,"type":"next","payload":${JSON.stringify(result)}}`))
  return {
    frame: id => {
      if (last?.id !== id) last = { id, frame: Buffer.concat([Buffer.from(`{"id":${JSON.stringify(id)}`), write()]) }
      return last.frame
    },
    size: () => 2 * write().length,
  }
}
