import { readdirSync, readFileSync } from 'node:fs'

const folder = new URL('../../schema/', import.meta.url)

/** The whole SDL: base first, then the nouns by name. */
export function readSdl(): string {
  const files = readdirSync(folder).filter(name => name.endsWith('.graphql'))
  files.sort((a, b) => Number(b === 'base.graphql') - Number(a === 'base.graphql') || a.localeCompare(b, 'en'))
  return files.map(name => readFileSync(new URL(name, folder), 'utf8').trim()).join('\n\n')
}
