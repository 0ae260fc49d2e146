import { setTimeout as sleep } from 'node:timers/promises'
import type { Db, Tx } from './client.ts'

/** Serialization failure and deadlock: the transaction did nothing and may be tried again. */
const retryable = new Set(['40001', '40P01'])
const attempts = 5

/** The SQLSTATE of an error of either driver; undefined for other errors. */
export function sqlState(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('code' in cause && typeof cause.code === 'string') return cause.code
  return undefined
}

/**
 * Runs `work` in one transaction: all of it or nothing.
 * A transaction that met a deadlock or a serialization failure is tried again with jitter, five times at most,
 * so `work` must do nothing outside the transaction.
 * Within a transaction it joins that one: then the outer one decides, and tries again.
 */
export async function transact<T>(db: Db, work: (tx: Tx) => Promise<T>): Promise<T> {
  if (db.isTransaction) return work(db as Tx)
  for (let attempt = 1; ; attempt++) {
    try {
      return await db.transaction().execute(work)
    } catch (error) {
      if (attempt === attempts || !retryable.has(sqlState(error) ?? '')) throw error
      await sleep(Math.random() * 10 * 2 ** attempt)
    }
  }
}
