#!/usr/bin/env node
// Builds what a clone lacks: the Rust addon, the C++ addon, better-sqlite3, and the JavaScript of dist/.
// Usage: node tools/build-native.mjs [rust] [cpp] [database] [ts]; without a word, all of them.
// Each part is skipped when nothing it is made of has changed since it was built.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stamps = join(root, 'native', 'build')
const require = createRequire(import.meta.url)
const RUST_MIN = [1, 88]

/** Stops with one line that says what is in the way. */
class BuildError extends Error {}

function walk(path) {
  if (!existsSync(path)) return []
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const inner = join(path, entry.name)
    return entry.isDirectory() ? walk(inner) : [inner]
  })
}

/** A digest of all that a part is made of: the files' names and contents, and Node's version. */
function fingerprint(files) {
  const hash = createHash('sha256').update(`${process.versions.node} ${process.arch}`)
  for (const file of files.toSorted()) {
    hash.update(`\0${relative(root, file)}\0`).update(readFileSync(file))
  }
  return hash.digest('hex')
}

/** A part made of `files`, built by `build` into `outputs`; a stamp keeps the digest it was built from. */
function stampedPart({ name, files, outputs, missing, build }) {
  const digest = fingerprint(files.filter((file) => existsSync(file)))
  const stamp = join(stamps, `${name}.stamp`)
  const isStamped = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === digest
  return {
    isBuilt: () => isStamped() && outputs().every((output) => existsSync(output)),
    missing,
    build() {
      build()
      mkdirSync(stamps, { recursive: true })
      writeFileSync(stamp, digest)
    },
  }
}

function run(what, command, args, cwd = root) {
  const startedMs = performance.now()
  const { status, signal, error } = spawnSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] })
  if (error) throw new BuildError(`${what}: ${error.message}`)
  if (status !== 0) throw new BuildError(`${what}: ${signal ?? `exit code ${status}`}; its own words are above`)
  console.log(`distributary: ${what} built in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
}

function isOnPath(command) {
  if (command.includes('/')) return existsSync(command)
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** What is missing for a Rust build, as a list of phrases; empty: nothing. */
function missingForRust() {
  const hint = 'install it from https://rustup.rs'
  const { status, stdout } = spawnSync('cargo', ['--version'], { encoding: 'utf8' })
  if (status !== 0) return [`the Rust compiler (cargo, rustc): ${hint}`]
  const [, major, minor] = /(\d+)\.(\d+)/.exec(stdout) ?? []
  const isOld = Number(major) < RUST_MIN[0] || (Number(major) === RUST_MIN[0] && Number(minor) < RUST_MIN[1])
  return isOld ? [`Rust ${RUST_MIN.join('.')} or newer (found ${stdout.trim()}): run rustup update, or ${hint}`] : []
}

/** The folder whose include/node holds the headers of exactly this Node; null: none does. */
function findNodeDirectory() {
  const nearby = dirname(dirname(realpathSync(process.execPath)))
  const candidates = [process.env['npm_config_nodedir'], nearby, '/usr', '/usr/local']
  return candidates.find((directory) => directory && headersVersion(directory) === process.versions.node) ?? null
}

function headersVersion(directory) {
  const file = join(directory, 'include', 'node', 'node_version.h')
  if (!existsSync(file)) return null
  const text = readFileSync(file, 'utf8')
  const part = (name) => new RegExp(`#define NODE_${name}_VERSION (\\d+)`).exec(text)?.[1]
  return ['MAJOR', 'MINOR', 'PATCH'].map(part).join('.')
}

/** npm names its own node-gyp to the scripts it runs; else it lies where npm lies. */
function findNodeGyp() {
  const named = process.env['npm_config_node_gyp']
  if (named && existsSync(named)) return named
  const beside = join(dirname(dirname(realpathSync(process.execPath))), 'lib/node_modules/npm/node_modules/node-gyp')
  const file = join(beside, 'bin', 'node-gyp.js')
  return existsSync(file) ? file : null
}

function missingForCpp() {
  const version = process.versions.node
  const compiler = process.env['CXX']?.split(' ')[0] ?? ['c++', 'g++', 'clang++'].find(isOnPath)
  const missing = []
  if (!compiler || !isOnPath(compiler)) missing.push('a C++20 compiler: apt-get install g++ (or clang)')
  if (!isOnPath('make')) missing.push('make: apt-get install make')
  if (!isOnPath('python3')) missing.push('python3 (node-gyp runs on it): apt-get install python3')
  if (!findNodeDirectory()) {
    const archive = `https://nodejs.org/dist/v${version}/node-v${version}-headers.tar.gz`
    missing.push(`the headers of Node ${version}: unpack ${archive} and run npm config set nodedir ITS_FOLDER`)
  }
  if (!findNodeGyp()) missing.push('node-gyp: run this through npm (npm run build)')
  return missing
}

function rustPart() {
  const sources = ['crates', 'addon/src', 'addon/build.rs', 'addon/Cargo.toml', 'Cargo.toml', 'Cargo.lock']
  const files = sources.flatMap((name) => {
    const path = join(root, 'native', name)
    return /\.(rs|toml|lock)$/.test(name) ? [path] : walk(path).filter((file) => /\.(rs|toml)$/.test(file))
  })
  const addon = join(root, 'native', 'addon')
  return stampedPart({
    name: 'rust',
    files,
    // The binary's name tells the platform; napi alone knows how.
    outputs: () => [
      join(addon, 'index.cjs'),
      join(addon, 'index.d.ts'),
      join(addon, readdirSync(addon).find((name) => name.endsWith('.node')) ?? 'none.node'),
    ],
    missing: missingForRust,
    build() {
      const cli = join(root, 'node_modules', '.bin', 'napi')
      if (existsSync(cli)) buildWithNapi(cli)
      else buildWithCargo()
    },
  })
}

/** In a clone: napi also writes the loader and the types, which are committed. */
function buildWithNapi(cli) {
  const options = ['--release', '--platform', '--js', 'index.cjs', '--dts', 'index.d.ts']
  const paths = ['--manifest-path', 'native/addon/Cargo.toml', '--package-json-path', 'package.json']
  run('the Rust addon', cli, ['build', ...options, ...paths, '--output-dir', 'native/addon'])
}

/** In a project that depends on the package: napi's hundred packages are not needed for what the loader looks for. */
function buildWithCargo() {
  const paths = ['--manifest-path', 'native/addon/Cargo.toml', '--target-dir', 'native/target']
  run('the Rust addon', 'cargo', ['build', '--release', '--locked', ...paths])
  const libc = process.report.getReport().header.glibcVersionRuntime ? 'gnu' : 'musl'
  const built = join(root, 'native', 'target', 'release', 'libdistributary_native.so')
  copyFileSync(built, join(root, 'native', 'addon', `distributary.linux-${process.arch}-${libc}.node`))
  rmSync(join(root, 'native', 'target'), { recursive: true, force: true })
}

function nodeGyp(what, cwd) {
  const args = ['rebuild', '--release', '--loglevel=warn', '--nodedir', findNodeDirectory()]
  run(what, process.execPath, [findNodeGyp(), ...args], cwd)
}

function cppPart() {
  const files = [join(root, 'binding.gyp'), ...walk(join(root, 'native', 'multicast'))]
  const output = join(root, 'native', 'multicast', 'multicast.node')
  return stampedPart({
    name: 'cpp',
    files: files.filter((file) => /\.(gyp|cc|h)$/.test(file)),
    outputs: () => [output],
    missing: missingForCpp,
    build() {
      nodeGyp('the C++ addon', root)
      // A rename beside: a process that has the old file mapped keeps it.
      copyFileSync(join(root, 'build', 'Release', 'multicast.node'), `${output}.new`)
      renameSync(`${output}.new`, output)
    },
  })
}

/** better-sqlite3 is there and opens a database: one built for another Node is built again. */
function isDatabaseBuilt() {
  try {
    const Database = require('better-sqlite3')
    new Database(':memory:').close()
    return true
  } catch {
    return false
  }
}

function databasePart() {
  return {
    isBuilt: isDatabaseBuilt,
    missing: missingForCpp,
    build: () => nodeGyp('better-sqlite3', dirname(require.resolve('better-sqlite3/package.json'))),
  }
}

function tsPart() {
  const sources = ['src', 'workers'].flatMap((name) => walk(join(root, name))).filter((file) => /\.m?ts$/.test(file))
  const settings = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'].map((name) => join(root, name))
  const types = join(root, 'native', 'addon', 'index.d.ts')
  const outputs = sources
    .filter((file) => !file.endsWith('.d.ts'))
    .map((file) => join(root, 'dist', relative(root, file).replace(/ts$/, 'js')))
  return stampedPart({
    name: 'ts',
    files: [...sources, ...settings, types],
    outputs: () => outputs,
    missing: () => [],
    build() {
      const compiler = require.resolve('typescript/bin/tsc')
      run('dist/', process.execPath, [compiler, '--project', 'tsconfig.build.json'])
      dropStale(new Set(outputs))
      if (existsSync(types)) {
        // The declarations in dist/ name it.
        mkdirSync(join(root, 'dist', 'native', 'addon'), { recursive: true })
        copyFileSync(types, join(root, 'dist', 'native', 'addon', 'index.d.ts'))
      }
      const command = join(root, 'dist', 'src', 'cli', 'main.js')
      if (existsSync(command)) chmodSync(command, 0o755)
    },
  })
}

/** Removes from dist/ what the sources no longer make. */
function dropStale(outputs) {
  for (const file of walk(join(root, 'dist'))) {
    const script = file.replace(/\.d\.(m?)ts(\.map)?$/, '.$1js').replace(/\.map$/, '')
    if (!outputs.has(script)) rmSync(file)
  }
}

const parts = { rust: rustPart, cpp: cppPart, database: databasePart, ts: tsPart }

try {
  const asked = process.argv.slice(2)
  const unknown = asked.find((name) => !Object.hasOwn(parts, name))
  if (unknown) throw new BuildError(`there is no part ${unknown}; the parts are ${Object.keys(parts).join(', ')}`)
  const names = asked.length > 0 ? asked : Object.keys(parts)
  // All that is missing is named in one line, before an hour is lost on the first part.
  const missing = names.map((name) => parts[name]()).flatMap((part) => (part.isBuilt() ? [] : part.missing()))
  if (missing.length > 0) throw new BuildError(`missing ${[...new Set(missing)].join('; and ')}`)
  for (const name of names) {
    // Made anew: an earlier part may have written what this one reads.
    const part = parts[name]()
    if (!part.isBuilt()) part.build()
  }
} catch (error) {
  if (!(error instanceof BuildError)) throw error
  console.error(`distributary: cannot build: ${error.message}`)
  process.exitCode = 1
}
