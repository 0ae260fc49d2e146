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

export default defineConfig({
  test: {
    projects: [
      // The embedded database has one process.
      {
        resolve,
        test: { ...shared, name: 'pglite', include: ['**/*.test.ts'], exclude: ['journal/processes.test.ts'] },
      },
      { resolve, test: { ...shared, name: 'postgres', include: ['**/*.test.ts'] } },
    ],
  },
})
