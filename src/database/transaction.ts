import { setTimeout as sleep } from 'node:timers/promises'
import type { Db, Tx } from './client.ts'
import { isOutdatedPlan } from './named-client.ts'

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
 * Runs what is a transaction of its own, such as a single statement. One that met a deadlock or a serialization failure
 * is tried again with jitter, five times at most. Within a transaction the outer one is tried again, not this.
 */
export async function tryAgain<T>(db: Db, run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run()
    } catch (error) {
      const mayPass = retryable.has(sqlState(error) ?? '') || isOutdatedPlan(error)
      if (attempt === attempts || db.isTransaction || !mayPass) throw error
      await sleep(Math.random() * 10 * 2 ** attempt)
    }
  }
}

/**
 * Runs `work` in one transaction: all of it or nothing. It is tried again as by `tryAgain`, so `work` must do nothing
 * outside the transaction.
 * Within a transaction it joins that one: then the outer one decides, and tries again.
 */
export async function transact<T>(db: Db, work: (tx: Tx) => Promise<T>): Promise<T> {
  return db.isTransaction ? work(db as Tx) : tryAgain(db, () => db.transaction().execute(work))
}
