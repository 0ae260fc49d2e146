import { type Checked, isSignedIn } from './live-rights.ts'

/** Ends listeners when their token does, be there something to deliver or not. */
export interface ExpiryWatch {
  /** Takes a new listener in. It is watched for as long as it is among the listeners. */
  watch(listener: Checked): void
  stop(): void
}

/** A timer takes no more than 2^31 milliseconds; and clocks are set. */
const longest = 3_600_000
/** Tokens that end one soon after the other are dealt with together. */
const shortest = 50

/**
 * Watches with one timer, for the earliest end of all.
 * @param listeners all there are at the moment
 */
export function watchExpiries<Listener extends Checked>(options: {
  readonly listeners: Iterable<Listener>
  readonly now: () => Date
  readonly onExpired: (listener: Listener) => void
}): ExpiryWatch {
  const { listeners, now, onExpired } = options
  let next = Number.POSITIVE_INFINITY
  let timer: NodeJS.Timeout | undefined

  function arm(end: number): void {
    if (end >= next) return
    next = end
    clearTimeout(timer)
    const pause = Math.min(Math.max(end - now().getTime(), shortest), longest)
    timer = setTimeout(look, pause)
    timer.unref()
  }

  function look(): void {
    next = Number.POSITIVE_INFINITY
    const moment = now().getTime()
    let earliest = next
    for (const listener of [...listeners]) {
      const end = endOf(listener)
      if (end <= moment) onExpired(listener)
      else earliest = Math.min(earliest, end)
    }
    arm(earliest)
  }

  return {
    watch: listener => arm(endOf(listener)),
    stop: () => clearTimeout(timer),
  }
}

/** When the listener's token ends, in milliseconds since 1970; never without one. */
function endOf({ actor }: Checked): number {
  return isSignedIn(actor) ? actor.expiresAt.getTime() : Number.POSITIVE_INFINITY
}
