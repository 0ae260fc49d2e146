import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))

function readPackage(path: string): { version?: string; dependencies?: Record<string, string> } {
  return JSON.parse(readFileSync(path, 'utf8'))
}

/** The version that a folder's packages have installed; null when it is not there. */
function installed(root: string, name: string): string | null {
  const path = `${root}/node_modules/${name}/package.json`
  return existsSync(path) ? (readPackage(path).version ?? null) : null
}

/** Installs the peers that this folder's package.json names, unless they are there. @throws Error when that fails */
export function installPeers(progress: (message: string) => void): void {
  const wanted = Object.entries(readPackage(`${folder}package.json`).dependencies ?? {})
  if (wanted.every(([name, version]) => installed(folder, name) === version)) return
  progress('installing the other servers into test/bench/node_modules')
  const { status } = spawnSync('npm', ['ci', '--prefix', folder, '--no-audit', '--no-fund'], { stdio: 'inherit' })
  if (status !== 0) throw new Error('The other servers could not be installed. To measure without them: --no-peers')
}

/** The packages that a run depends on, with their versions: those of the service, and the peers. */
export function packageVersions(withPeers: boolean): Record<string, string> {
  const root = `${folder}../..`
  const ours = [
    '@apollo/server',
    'fastify',
    'graphql',
    'kysely',
    'dataloader',
    'pg',
    'ws',
    'graphql-ws',
    '@electric-sql/pglite',
  ]
  const peers = withPeers ? ['graphql-yoga', 'mercurius', 'graphql-jit', 'postgraphile'] : []
  const known = [
    ...ours.map(name => [name, installed(root, name)]),
    ...peers.map(name => [name, installed(folder, name)]),
  ]
  return Object.fromEntries(known.filter(([, version]) => version !== null))
}
