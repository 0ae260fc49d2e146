import { Socket } from 'node:net'
import type { CompiledQuery, Kysely } from 'kysely'
import { LRUCache } from 'lru-cache'
import pg from 'pg'
import { isOutdatedPlan } from './named-client.ts'

/** Rows as arrays, in the order of the columns selected. */
export type FlatRows = readonly (readonly unknown[])[]

/** A few connections on which reading statements follow each other without waiting for answers. */
export interface Reader {
  rows(text: string, parameters: readonly unknown[]): Promise<FlatRows>
  close(): Promise<void>
}

/** How many connections read. More wait for each other on the server's cores; one alone is held up by a slow statement. */
const lanes = 2
/** After how many milliseconds without an answer a lane counts as held up by what it is at. */
const heldUpAfter = 20
/** How many statements have names at a time, and how many a connection may have met before it is replaced. */
const mostNames = 500
const mostMet = 2 * mostNames

interface Lane {
  readonly client: pg.Client
  readonly socket: Socket
  /** Null once it is connected. */
  connecting: Promise<unknown> | null
  readonly met: Set<string>
  waiting: number
  /** When it last answered, or began after it had nothing to do; in milliseconds. */
  movedAt: number
  isCorked: boolean
}

/**
 * Opens pipelined connections, when they are first needed.
 *
 * Statements that come again are named, so that they are parsed and planned once. Their texts follow from what callers
 * ask and have no end: the names are bounded, and a connection that met too many is replaced, since PostgreSQL keeps
 * what it prepared as long as the connection lives.
 * @param named whether statements may be named; PgBouncer's transaction mode can't have it
 */
export function createReader(config: pg.ClientConfig, named: boolean): Reader {
  const open: (Lane | undefined)[] = Array.from({ length: lanes })
  const uses = new LRUCache<string, { name: string | null }>({ max: mostNames })
  let given = 0
  let isClosed = false

  function nameOf(text: string): string | undefined {
    const use = uses.get(text)
    if (use === undefined) {
      uses.set(text, { name: null })
      return undefined
    }
    use.name ??= `r${++given}`
    return use.name
  }

  function connect(place: number): Lane {
    const socket = new Socket()
    const client = new pg.Client({ ...config, pipeline: true, stream: () => socket })
    const lane: Lane = { client, socket, connecting: null, met: new Set(), waiting: 0, movedAt: 0, isCorked: false }
    const drop = () => {
      if (open[place] === lane) open[place] = undefined
    }
    client.on('error', drop)
    client.on('end', drop)
    lane.connecting = client.connect().then(
      () => {
        lane.connecting = null
      },
      (error: unknown) => {
        drop()
        throw error
      },
    )
    open[place] = lane
    return lane
  }

  /** The lane with the least before it, of those that no slow statement holds up. */
  function choose(): Lane {
    if (isClosed) throw new Error('The reader is closed.')
    const late = performance.now() - heldUpAfter
    const isHeldUp = ({ waiting, movedAt }: Lane) => waiting > 0 && movedAt < late
    let best: Lane | undefined
    for (let place = 0; place < lanes; place++) {
      const lane = open[place] ?? connect(place)
      if (!best || (isHeldUp(best) === isHeldUp(lane) ? lane.waiting < best.waiting : isHeldUp(best))) best = lane
    }
    return best!
  }

  /** Gives no more to a lane that met too many statements, and closes it once it has answered all. */
  function retire(lane: Lane): void {
    const place = open.indexOf(lane)
    if (place >= 0) open[place] = undefined
    if (lane.waiting === 0) lane.client.end().catch(() => undefined)
  }

  async function send(lane: Lane, text: string, parameters: readonly unknown[]): Promise<FlatRows> {
    if (lane.connecting) await lane.connecting
    if (!lane.isCorked) {
      // What comes in the same turn of the event loop goes out in one write.
      lane.isCorked = true
      lane.socket.cork()
      setImmediate(() => {
        lane.isCorked = false
        lane.socket.uncork()
      })
    }
    const name = named ? nameOf(text) : undefined
    if (name !== undefined) lane.met.add(name)
    const { rows } = await lane.client.query<unknown[]>({
      name,
      text,
      values: parameters as unknown[],
      rowMode: 'array',
    })
    return rows
  }

  async function rows(text: string, parameters: readonly unknown[]): Promise<FlatRows> {
    const lane = choose()
    if (lane.waiting++ === 0) lane.movedAt = performance.now()
    try {
      return await send(lane, text, parameters)
    } catch (error) {
      if (!isOutdatedPlan(error)) throw error
      uses.delete(text)
      return await send(lane, text, parameters)
    } finally {
      lane.waiting--
      lane.movedAt = performance.now()
      if (lane.met.size > mostMet) retire(lane)
    }
  }

  return {
    rows,
    close: async () => {
      isClosed = true
      await Promise.allSettled(open.map(lane => lane?.client.end()))
    },
  }
}

const readers = new WeakMap<object, Reader>()

/** Lets `readFlat` of this handle go by the reader; its transactions don't. */
export function setReader(db: object, reader: Reader): void {
  readers.set(db, reader)
}

/**
 * Runs a compiled SELECT and answers its rows as arrays: by the reader of the handle where it has one.
 * @param isLong whether it may take long, so that others should not have to wait behind it
 */
export async function readFlat<DB>(
  db: Kysely<DB>,
  query: CompiledQuery,
  parameters: readonly unknown[],
  isLong = false,
): Promise<FlatRows> {
  const reader = isLong ? undefined : readers.get(db)
  if (reader) return reader.rows(query.sql, parameters)
  const { rows } = await db.executeQuery<Record<string, unknown>>({ ...query, parameters })
  return rows.map(row => Object.values(row))
}
