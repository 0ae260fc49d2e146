/**
 * Builds GraphiQL into build/graphiql, with everything that it needs: nothing comes from elsewhere when it is served.
 * Runs as npm's `prepare`, once after installation.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

if (existsSync(path('../../../node_modules/vite'))) {
  const { build } = await import('vite')
  await build({
    root: path('.'),
    base: '/graphiql/',
    configFile: false,
    logLevel: 'error',
    worker: { format: 'es' },
    build: {
      outDir: path('../../../build/graphiql'),
      emptyOutDir: true,
      // The editor alone is larger than what Vite warns of.
      chunkSizeWarningLimit: 10_000,
    },
  })
} else console.log('GraphiQL is not built: the development dependencies are not installed.')
