import { shanghaiDay } from '../days.ts'

/** Some days in Asia/Shanghai: from the first until the first that is no longer one of them; null for no end. */
export interface Days {
  readonly fromDay: string
  readonly untilDay: string | null
}

const isBefore = (day: string, until: string | null) => until === null || day < until

/** Whether these are no days at all, as those of a term that was struck. */
export function isNever({ fromDay, untilDay }: Days): boolean {
  return !isBefore(fromDay, untilDay)
}

/** Whether a day is one of these. */
export function isWithin(day: string, { fromDay, untilDay }: Days): boolean {
  return fromDay <= day && isBefore(day, untilDay)
}

/** Whether some day is one of both. */
export function haveDayInCommon(some: Days, others: Days): boolean {
  return (
    !isNever(some) &&
    !isNever(others) &&
    isBefore(some.fromDay, others.untilDay) &&
    isBefore(others.fromDay, some.untilDay)
  )
}

/**
 * The days on which a body was out of the alliance after it had left: from the day of leaving until that of coming back.
 * @param passages when it left and when it was admitted or reinstated, in this order
 */
export function daysAway(passages: readonly { readonly at: Date; readonly toStatus: string }[]): Days[] {
  const away: Days[] = []
  let leftOn: string | null = null
  for (const { at, toStatus } of passages) {
    const isLeaving = toStatus !== 'ADMITTED'
    if (isLeaving) leftOn ??= shanghaiDay(at)
    else if (leftOn !== null) {
      away.push({ fromDay: leftOn, untilDay: shanghaiDay(at) })
      leftOn = null
    }
  }
  return leftOn === null ? away : [...away, { fromDay: leftOn, untilDay: null }]
}
