/** The port that the parent chose. */
export const port = Number(process.env.PORT)

/** Tells the parent that the server listens, and ends with it. */
export function tellReady(): void {
  process.on('disconnect', () => process.exit())
  process.send?.('ready')
}
