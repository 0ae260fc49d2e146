/** `npm test`: every check of the project, the cheap ones first. */
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const checks: [name: string, command: string, args: string[]][] = [
  ['types', 'tsc', ['-p', '.']],
  ['lint', 'biome', ['check', '--error-on-warnings', '.']],
  ['SDL lint', 'eslint', ['--config', 'test/house/eslint.config.js', 'schema']],
  ['dead code', 'knip', []],
  ['suite', 'vitest', ['run', '--config', 'test/vitest.config.ts']],
]

const { values, positionals } = parseArgs({ allowPositionals: true, options: { help: { type: 'boolean' } } })
if (values.help) {
  console.log(`npm test [-- FILE …]

Runs ${checks.map(([name]) => name).join(', ')}. With files, only the suite and of it these files.
The suite runs on PGlite and on PostgreSQL: the one of DATABASE_URL, or one that it starts itself.`)
  process.exit(0)
}

for (const [name, command, args] of positionals.length > 0 ? checks.slice(-1) : checks) {
  const begun = performance.now()
  console.log(`\n— ${name}`)
  const { status, error } = spawnSync(command, [...args, ...positionals], { stdio: 'inherit' })
  if (error) throw error
  if (status !== 0) {
    console.error(`— ${name} failed`)
    process.exit(1)
  }
  console.log(`— ${name} passed in ${((performance.now() - begun) / 1000).toFixed(1)} s`)
}
