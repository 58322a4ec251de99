#!/usr/bin/env node
// Everything that is checked without running the product, fast before slow, a line a step: `npm run check`,
// or `npm run check -- lint types` for some. CI runs exactly this. The last line is `N passed, N failed`.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { inCi, lacking, reprint, root, run, seconds } from './run-steps.mjs'

const cargo = (...args) => ['cargo', [...args]]
const manifest = ['--manifest-path', 'native/Cargo.toml']

/** Compares what the build generates with what was committed, whoever owns the clone. */
const addonTypes = [
  '-c',
  'safe.directory=*',
  'diff',
  '--exit-code',
  '--',
  'native/addon/index.cjs',
  'native/addon/index.d.ts',
]

/** C++ sources, as arguments. */
function cppFiles() {
  const folder = join(root, 'native', 'multicast')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => /\.(cc|h)$/.test(name))
    .map((name) => `native/multicast/${name}`)
}

/** Name, what it checks, and the programs that do. A missing `needs` skips the step, but fails in CI. */
const steps = [
  { name: 'format', of: 'TypeScript, JSON', commands: [['biome', ['format', '--error-on-warnings', '.']]] },
  { name: 'names', of: 'files and folders', commands: [['ls-lint', []]] },
  { name: 'lint', of: 'TypeScript', commands: [['oxlint', ['--type-aware', '--deny-warnings', '--format=unix']]] },
  { name: 'types', of: 'TypeScript', commands: [['tsc', ['--noEmit']]] },
  {
    name: 'deps',
    of: 'who imports whom',
    commands: [
      ['depcruise', ['--config', '.dependency-cruiser.cjs', '--output-type', 'err-long', 'src', 'workers', 'test']],
    ],
  },
  { name: 'dead', of: 'unused files, exports, packages', commands: [['knip', ['--no-progress']]] },
  { name: 'copies', of: 'near copies, 1 %', commands: [['jscpd', ['--config', '.jscpd.json']]] },
  {
    name: 'docs',
    of: 'generated files are what the code says',
    commands: [
      [process.execPath, ['--import', 'tsx', 'tools/generate-docs.ts', '--check']],
      // Only a clean clone can tell what the build has changed.
      ...(inCi && existsSync(join(root, '.git')) ? [['git', addonTypes]] : []),
    ],
  },
  { name: 'rustfmt', of: 'Rust', commands: [cargo('fmt', '--all', ...manifest, '--check', '--', '--color', 'never')] },
  {
    name: 'clang',
    of: 'C++ format',
    needs: 'clang-format',
    commands: [['clang-format', ['--dry-run', '--Werror', ...cppFiles()]]],
  },
  {
    name: 'clippy',
    of: 'Rust',
    commands: [cargo('clippy', '--workspace', '--all-targets', ...manifest, '--', '-D', 'warnings')],
  },
  {
    name: 'sizes',
    of: 'lengths, words, rooms, pages',
    commands: [['tap', ['--disable-coverage', '--allow-empty-coverage', '--reporter=tap', 'test/repo/tidy.test.ts']]],
  },
]

/** @returns {Promise<string | null>} what is wrong, or null. */
async function perform(step) {
  for (const [command, args] of step.commands) {
    const { code, output } = await run(command, args, { minutes: 30 })
    if (code !== 0) return `$ ${command} ${args.join(' ')}\n${output}`
  }
  return null
}

const chosen = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const unknown = chosen.filter((name) => !steps.some((step) => step.name === name))
if (unknown.length > 0) {
  console.error(`there is no step ${unknown.join(', ')}; there are ${steps.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}

const failures = []
let passed = 0
for (const step of steps) {
  if (chosen.length > 0 && !chosen.includes(step.name)) continue
  const startMs = performance.now()
  const missing = step.needs === undefined ? null : await lacking(step.needs)
  if (missing !== null && !inCi) {
    console.log(`skip  ${step.name.padEnd(8)} ${missing}`)
    continue
  }
  const output = missing ?? (await perform(step))
  if (output === null) passed += 1
  else failures.push({ title: `check ${step.name}`, output })
  const time = seconds(performance.now() - startMs)
  console.log(`${output === null ? 'ok  ' : 'FAIL'}  ${step.name.padEnd(8)} ${step.of}, ${time}`)
}
reprint(failures)
console.log(`${passed} passed, ${failures.length} failed`)
process.exitCode = failures.length === 0 ? 0 : 1
