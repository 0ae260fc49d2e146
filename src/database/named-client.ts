import pg from 'pg'

/** How many statements may have names: each keeps its plan in the memory of every connection's server process. */
const mostNames = 1_000

/** Names by the text of the statement: the same on every connection. */
const names = new Map<string, string>()
let given = 0

function nameOf(text: string): string | undefined {
  const known = names.get(text)
  if (known !== undefined || names.size >= mostNames) return known
  const name = `s${++given}`
  names.set(text, name)
  return name
}

/** Whether PostgreSQL refuses a named statement because a migration changed what it answers. */
export function isOutdatedPlan(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '0A000' && /cached plan/.test(error.message)
}

/**
 * A connection of which every statement with parameters is named, so that PostgreSQL parses and plans it once. The
 * statements that come this way are the service's own, few hundred; those beyond the first thousand stay unnamed.
 */
export class NamedClient extends pg.Client {
  // The overloads of `query` are many; Kysely calls it with a text and values, its cursors with an object.
  override query(...args: unknown[]): never {
    const [text, values] = args
    const name = typeof text === 'string' && Array.isArray(values) && values.length > 0 ? nameOf(text) : undefined
    const send = super.query.bind(this) as (...all: unknown[]) => Promise<unknown>
    if (name === undefined) return send(...args) as never
    return send({ name, text, values }, ...args.slice(2)).catch((error: unknown) => {
      if (!isOutdatedPlan(error)) throw error
      // A new name is prepared anew. Within a transaction it is too late: `transact` begins again.
      names.clear()
      if (this.getTransactionStatus() !== 'I') throw error
      return send({ name: nameOf(text as string), text, values })
    }) as never
  }
}
