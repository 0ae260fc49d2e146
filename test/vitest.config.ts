import { createRequire } from 'node:module'
import { defineConfig } from 'vitest/config'

/** One suite, on both databases. */
const shared = {
  root: new URL('.', import.meta.url).pathname,
  globalSetup: [new URL('support/global-setup.ts', import.meta.url).pathname],
  testTimeout: 30_000,
  hookTimeout: 60_000,
}

// Vite would take graphql's `module` entry and libraries its `main`: two copies, which refuse each other's types.
const resolve = { alias: [{ find: /^graphql$/, replacement: createRequire(import.meta.url).resolve('graphql') }] }

/** Tests that touch no database: they run once. */
const withoutDatabase = [
  'name-keys.test.ts',
  'dataset/csv.test.ts',
  'database/lock.test.ts',
  'graphql/scalars.test.ts',
  'house/{floors,generated,ids,released}.test.ts',
  'journal/cursor.test.ts',
  'members/credit-code.test.ts',
  'server/answers.test.ts',
]

/** The bench's own libraries bring tests of theirs. */
const foreign = '**/node_modules/**'
/** Tests of what only exists with several processes, or with much data. */
const onPostgresOnly = [
  'database/big.test.ts',
  'journal/processes.test.ts',
  'server/{answers-processes,workers}.test.ts',
  // What it looks at does not depend on the database: the quicker one is enough.
  'server/answers-house.test.ts',
]
export default defineConfig({
  test: {
    maxWorkers: '100%',
    projects: [
      {
        resolve,
        test: { ...shared, name: 'pglite', include: ['**/*.test.ts'], exclude: [foreign, ...onPostgresOnly] },
      },
      {
        resolve,
        test: {
          ...shared,
          name: 'postgres',
          include: ['**/*.test.ts'],
          exclude: [foreign, ...withoutDatabase],
        },
      },
    ],
  },
})
