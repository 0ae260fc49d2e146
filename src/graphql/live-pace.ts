/**
 * Lets long work that is done for listeners stand aside, so that requests get through in between: the work asks often
 * whether its time is over, and while it is, waits for its turn. All who share a pace share the time.
 */
export interface Pace {
  /** Whether the time that such work has at once is used up. */
  isOver(): boolean
  /** Resolves when the event loop has gone round. Others whose turn it was, too, may have used the time up: ask again. */
  next(): Promise<void>
}

/** How long such work goes on at once, in milliseconds. A query goes through the loop about three times. */
const share = 2
/** How many have their turn at once: when they find no time left they were woken for nothing, and ask again. */
const turns = 4

/** Makes the pace of a process. @param milliseconds how long the work goes on at once */
export function createPace(milliseconds: number = share): Pace {
  let end = 0
  const waiting: (() => void)[] = []

  const isOver = () => performance.now() >= end

  function goOn(): void {
    end = performance.now() + milliseconds
    wakeSome()
  }

  function wakeSome(): void {
    for (const wake of waiting.splice(0, turns)) wake()
    if (waiting.length === 0) return
    // A tick asked for by a microtask comes when those who were woken have done what they could.
    queueMicrotask(() =>
      process.nextTick(() => {
        if (isOver()) setImmediate(goOn)
        else wakeSome()
      }),
    )
  }

  return {
    isOver,
    next: () =>
      new Promise(resolve => {
        if (waiting.push(resolve) === 1) setImmediate(goOn)
      }),
  }
}
