import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const files = globSync('src/**/*.ts', { cwd: root }).sort()

/** The nouns in the order in which they may know each other, the first being known by all. */
const nouns = ['vocabularies', 'regions', 'members', 'membership', 'officers', 'offices', 'announcements', 'initiative']
/** Nouns of the SDL without a folder of the same name under src, and the other way round. */
const sdlOnly = ['base']

/** The floor of a file under src: it may import from its own floor and those below. */
function floor(file: string): number {
  const [folder, name] = file.includes('/') ? [file.split('/')[0]!, file.split('/').at(-1)!] : ['', file]
  if (folder === '') return ['main.ts', 'cli.ts'].includes(name) ? 10 : 0
  if (folder === 'database') return 1
  if (folder === 'journal') return 2
  if (folder === 'reads') return 3
  if (folder === 'graphql') return 7
  if (folder === 'server' || folder === 'dataset' || folder === 'portal') return 9
  const byRole: Record<string, number> = { store: 4, policy: 5, service: 6, resolvers: 8 }
  // Below the nouns, as they write mails and ask who is calling.
  if (folder === 'access' || folder === 'mail') return name === 'resolvers.ts' ? 8 : 3
  return byRole[name.replace(/\.ts$/, '')] ?? Number.NaN
}

const importPattern = /(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s+'(\.[^']+)'|import\('(\.[^']+)'\)/g

const imports = files.flatMap(file =>
  [...readFileSync(join(root, file), 'utf8').matchAll(importPattern)].map(match => ({
    from: relative('src', file),
    to: relative(join(root, 'src'), resolve(root, dirname(file), (match[1] ?? match[2])!)),
  })),
)

describe('the house', () => {
  it('has files to look at', () => {
    expect(files.length).toBeGreaterThan(40)
    expect(imports.length).toBeGreaterThan(150)
  })

  it('imports only from its own floor and those below', () => {
    const upward = imports.filter(({ from, to }) => to.endsWith('.ts') && floorOf(to) > floorOf(from))
    expect(upward.map(({ from, to }) => `${from} → ${to}`)).toEqual([])
  })

  it('lets a noun know only earlier nouns', () => {
    const noun = (file: string) => nouns.indexOf(file.split('/')[0]!)
    const backward = imports.filter(({ from, to }) => noun(from) >= 0 && noun(to) > noun(from))
    expect(backward.map(({ from, to }) => `${from} → ${to}`)).toEqual([])
  })

  it('has no circle', () => {
    const next = Map.groupBy(imports, ({ from }) => from)
    const done = new Set<string>()
    const circles: string[] = []
    const walk = (file: string, path: string[]) => {
      if (path.includes(file)) {
        circles.push([...path.slice(path.indexOf(file)), file].join(' → '))
        return
      }
      if (done.has(file)) return
      for (const { to } of next.get(file) ?? []) walk(to, [...path, file])
      done.add(file)
    }
    for (const file of next.keys()) walk(file, [])
    expect(circles).toEqual([])
  })

  it('uses the same nouns in schema, src and test', () => {
    const schema = globSync('schema/*.graphql', { cwd: root })
      .map(file => file.slice('schema/'.length, -'.graphql'.length))
      .filter(name => !sdlOnly.includes(name))
      .sort()
    expect(schema).toEqual([...nouns, 'access', 'mail'].sort())
    for (const noun of schema) {
      expect(globSync(`src/${noun}/*.ts`, { cwd: root }), `src/${noun}`).not.toEqual([])
      expect(globSync(`test/${noun}/*.test.ts`, { cwd: root }), `test/${noun}`).not.toEqual([])
    }
  })

  it('keeps its files short', () => {
    const long = files
      .filter(file => !file.endsWith('generated.ts') && !file.endsWith('tables.ts'))
      .map(file => ({ file, lines: readFileSync(join(root, file), 'utf8').split('\n').length }))
      .filter(({ lines }) => lines > 350)
    expect(long).toEqual([])
  })
})

/** The floor of a file, or an error when its name tells none: then it belongs under another name. */
function floorOf(file: string): number {
  const known = floor(file)
  return Number.isNaN(known) ? floorByImports(file) : known
}

/**
 * A file of a noun with a name of its own stands as low as its imports let it, and no higher than a service: what
 * imports from resolvers or from GraphQL is named as a part of the resolvers.
 */
function floorByImports(file: string, seen: readonly string[] = []): number {
  const known = floor(file)
  if (!Number.isNaN(known)) return known
  if (seen.includes(file)) return 0
  const below = imports.filter(({ from }) => from === file).map(({ to }) => floorByImports(to, [...seen, file]))
  return Math.min(6, Math.max(4, ...below))
}
