// Goal: the build names all that is missing in one line, builds what changed and nothing else. Method: the real
// script in a small package of its own, with a PATH that has only Node.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'

// As little as makes a module: the compiler runs some times.
const compilerOptions = {
  module: 'nodenext',
  target: 'es2022',
  types: [],
  lib: ['es2022'],
  skipLibCheck: true,
  rootDir: '.',
  outDir: 'dist',
  declaration: true,
}
const root = join(import.meta.dirname, '../../..')

function makePackage(t: Test): string {
  const directory = t.testdir({
    native: { addon: {} },
    tools: {},
    src: { cli: { 'main.ts': '#!/usr/bin/env node\nexport const one = 1\n' } },
    'package.json': JSON.stringify({ name: 'small', type: 'module' }),
    'binding.gyp': '{}',
    'tsconfig.build.json': JSON.stringify({ compilerOptions, include: ['src'] }),
  })
  copyFileSync(join(root, 'tools/build-native.mjs'), join(directory, 'tools/build-native.mjs'))
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  return directory
}

function build(directory: string, parts: readonly string[], path: string) {
  const script = join(directory, 'tools', 'build-native.mjs')
  // Through env: what the test runner gives its children would load its compiler into ours.
  const command = ['-i', `PATH=${path}`, `HOME=${directory}`, process.execPath, script, ...parts]
  return spawnSync('/usr/bin/env', command, { cwd: directory, encoding: 'utf8' })
}

t.test('all that is missing is named in one line, with where to get it', async (t) => {
  const { status, stderr } = build(makePackage(t), [], '/nonexistent')
  t.equal(status, 1)
  t.equal(stderr.trimEnd().split('\n').length, 1, stderr)
  t.match(stderr, /^distributary: cannot build: missing the Rust compiler .*rustup/)
  t.match(stderr, /C\+\+20 compiler: apt-get install g\+\+/)
  t.match(stderr, /make/)
})

t.test('what is built is not built again until it changes, and what has no source leaves dist', async (t) => {
  const directory = makePackage(t)
  const path = dirname(process.execPath)
  const made = join(directory, 'dist', 'src', 'cli', 'main.js')
  mkdirSync(join(directory, 'src', 'late'))
  writeFileSync(join(directory, 'src', 'late', 'two.ts'), 'export const two = 2\n')
  const first = build(directory, ['ts'], path)
  t.equal(first.status, 0, first.stdout + first.stderr)
  t.match(first.stdout, /dist\/ built/)
  t.ok(statSync(made).mode & 0o111, 'the command can be executed')
  t.ok(existsSync(join(directory, 'dist', 'src', 'late', 'two.js')))
  t.equal(build(directory, ['ts'], path).stdout, '')
  rmSync(join(directory, 'src', 'late'), { recursive: true })
  t.match(build(directory, ['ts'], path).stdout, /dist\/ built/)
  t.notOk(existsSync(join(directory, 'dist', 'src', 'late', 'two.js')))
  rmSync(made)
  t.match(build(directory, ['ts'], path).stdout, /dist\/ built/, 'a file that is gone is made again')
})

t.test('a fault of the sources fails the build and is found again the next time', async (t) => {
  const directory = makePackage(t)
  writeFileSync(join(directory, 'src', 'wrong.ts'), "export const wrong: number = 'text'\n")
  for (let time = 0; time < 2; time++) {
    const { status, stdout, stderr } = build(directory, ['ts'], dirname(process.execPath))
    t.equal(status, 1)
    t.match(stdout, /wrong\.ts/)
    t.match(stderr, /cannot build: dist\//)
  }
})

t.test('an unknown part is refused with the parts there are', async (t) => {
  t.match(build(makePackage(t), ['everything'], '/nonexistent').stderr, /no part everything; the parts are rust, cpp/)
})
