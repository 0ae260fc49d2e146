import type { NewEvent } from './catalog.ts'

/** What this process has just committed, for those who must know before the caller is answered. */
export interface News {
  /** Tells every listener, at once. */
  tell(events: readonly NewEvent[]): void
  /**
   * Hears of the events of every change that this process commits, before its caller is answered; of other processes'
   * the feed tells. May hear of an event whose commit failed, since the answer to a commit can get lost.
   * @param listener does what it does synchronously
   */
  onCommitted(listener: (events: readonly NewEvent[]) => void): void
}

/** @param onError called with what a listener threw: the change is committed and the others hear of it all the same */
export function createNews(onError: (error: unknown) => void): News {
  const listeners: ((events: readonly NewEvent[]) => void)[] = []
  return {
    tell: events => {
      for (const listener of listeners) {
        try {
          listener(events)
        } catch (error) {
          onError(error)
        }
      }
    },
    onCommitted: listener => void listeners.push(listener),
  }
}
