/** `YYYY-MM-DD`: the days of different moments compare as texts. */
const written = new Intl.DateTimeFormat('sv-SE', { timeZone: 'Asia/Shanghai', dateStyle: 'short' })

/** The day of a moment in Shanghai, `YYYY-MM-DD`: the alliance counts its days there. */
export function shanghaiDay(moment: Date): string {
  return written.format(moment)
}

const day = 86_400_000

/** The moment at which the next day begins in Shanghai, where every day has 24 hours and begins at 16:00 UTC. */
export function nextShanghaiDay(moment: Date): Date {
  return new Date(Date.parse(`${shanghaiDay(moment)}T00:00:00+08:00`) + day)
}
