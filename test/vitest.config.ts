import { defineConfig } from 'vitest/config'

/** One suite, on both databases. Tests that touch no database run once, with the first. */
const shared = {
  root: new URL('.', import.meta.url).pathname,
  globalSetup: ['support/global-setup.ts'],
  testTimeout: 30_000,
  hookTimeout: 60_000,
}

export default defineConfig({
  test: {
    projects: [
      { test: { ...shared, name: 'pglite', include: ['**/*.test.ts'] } },
      { test: { ...shared, name: 'postgres', include: ['**/*.test.ts'] } },
    ],
  },
})
