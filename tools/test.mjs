#!/usr/bin/env node
// Runs the test suites one after the other and prints a sum: `npm test`, or `npm test -- tap rust` for some.
// The last line is `N passed, N failed`. What failed is printed a second time, whole, just before it.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { inCi, lacking, reprint, root, run, seconds } from './run-steps.mjs'

const failures = []

/** Test files of a folder, in the order of their names. */
function testFiles(folder) {
  const path = join(root, 'test', folder)
  if (!existsSync(path)) return []
  return readdirSync(path, { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join('test', folder, name))
    .toSorted()
}

/** One claim that one step checks. */
async function single(title, command, args, options) {
  const { code, output } = await run(command, args, options)
  if (code !== 0) failures.push({ title, output })
  return code === 0 ? { passed: 1, failed: 0, skipped: [] } : { passed: 0, failed: 1, skipped: [] }
}

/**
 * Counts claims in TAP: the subtests of each file, or the file itself when it has none or broke
 * outside of them. What a file printed is kept while it is not known to be well.
 */
class TapCount {
  passed = 0
  failed = 0
  skipped = []
  seen = new Set()
  #file = { passed: 0, failed: 0, lines: [] }

  take(line) {
    this.#file.lines.push(line)
    const found = /^( {4})?(not )?ok \d+(?: - (.*))?$/.exec(line)
    if (found === null) return
    const [, nested, not, title = ''] = found
    const skip = /# (?:SKIP|TO-?DO)\b ?(.*)$/i.exec(title)
    const tookMs = Number(/# time=([\d.]+)ms/.exec(title)?.[1] ?? 0)
    if (nested !== undefined) this.#takeClaim(not === undefined, title, skip)
    else this.#endFile(not === undefined, title.replace(/ # .*$/, ''), { skip, tookMs })
  }

  #takeClaim(isOk, title, skip) {
    if (skip !== null) this.skipped.push(title)
    else if (isOk) this.#file.passed += 1
    else this.#file.failed += 1
  }

  #endFile(isOk, title, { skip, tookMs }) {
    const { lines } = this.#file
    let { passed, failed } = this.#file
    if (skip !== null) this.skipped.push(title)
    else if (isOk && passed === 0 && failed === 0) passed = 1
    else if (!isOk && failed === 0) failed = 1
    this.passed += passed
    this.failed += failed
    this.seen.add(title)
    this.#file = { passed: 0, failed: 0, lines: [] }
    if (failed > 0) failures.push({ title, output: lines.join('\n') })
    const counts = `${passed} passed${failed > 0 ? `, ${failed} failed` : ''}, ${seconds(tookMs)}`
    console.log(`  ${failed > 0 ? 'NOT OK' : 'ok'}  ${title}  (${counts})`)
  }
}

async function tapFiles(files, { jobs, timeoutSeconds, minutes }) {
  if (files.length === 0) return { passed: 0, failed: 0, skipped: ['there are no such tests'] }
  const count = new TapCount()
  const args = ['--disable-coverage', '--allow-empty-coverage', '--reporter=tap', `--jobs=${jobs}`]
  const { code, output } = await run('tap', [...args, `--timeout=${timeoutSeconds}`, ...files], {
    minutes,
    onLine: (line) => count.take(line),
  })
  for (const title of files.filter((file) => !count.seen.has(file))) {
    count.failed += 1
    failures.push({ title, output: 'this file was not run, or did not come to its end' })
  }
  if (code !== 0 && count.failed === 0) {
    count.failed += 1
    failures.push({ title: `tap ended with code ${code}`, output: output.split('\n').slice(-200).join('\n') })
  }
  return count
}

async function rust() {
  let passed = 0
  let failed = 0
  const skipped = []
  const args = ['test', '--workspace', '--no-fail-fast', '--manifest-path', 'native/Cargo.toml']
  const onLine = (line) => {
    const found = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/.exec(line)
    if (found !== null) {
      passed += Number(found[1])
      failed += Number(found[2])
      for (let index = 0; index < Number(found[3]); index++) skipped.push('ignored')
    }
    if (/^\s+(Running|Doc-tests) |^test result: /.test(line)) console.log(`  ${line.trim()}`)
  }
  const { code, output } = await run('cargo', args, { onLine })
  if (code !== 0) {
    if (failed === 0) failed = 1
    failures.push({ title: 'cargo test', output: rustCause(output) })
  }
  return { passed, failed, skipped }
}

/** Of cargo's output: the parts about failures, or all of it when it did not get that far. */
function rustCause(output) {
  const parts = output.match(/^failures:\n\n[\s\S]*?^test result: FAILED.*$/gm)
  return parts === null ? output.split('\n').slice(-300).join('\n') : parts.join('\n')
}

async function whyNoLab() {
  if (process.getuid?.() !== 0) return 'it needs root, to make network namespaces'
  for (const [command, args] of [
    ['ip', ['-V']],
    ['nft', ['--version']],
    ['ethtool', ['--version']],
    ['sysctl', ['--version']],
    ['rsync', ['--version']],
    ['python3', ['--version']],
    ['cc', ['--version']],
  ]) {
    const why = await lacking(command, args)
    if (why !== null) return why
  }
  const probe = await run('unshare', ['--net', 'true'], { minutes: 1 })
  return probe.code === 0 ? null : 'network namespaces cannot be made here'
}

async function lab() {
  const why = await whyNoLab()
  if (why === null) return tapFiles(testFiles('lab'), { jobs: 1, timeoutSeconds: 1500, minutes: 90 })
  if (!inCi) return { passed: 0, failed: 0, skipped: [why] }
  failures.push({ title: 'lab', output: `the lab tests cannot run: ${why}` })
  return { passed: 0, failed: 1, skipped: [] }
}

async function whyNoPowerCuts() {
  if (process.getuid?.() !== 0) return 'it needs root, to mount images'
  const needed = [
    ['python3', ['--version']],
    ['cc', ['--version']],
    ['mkfs.ext4', ['-V']],
    ['losetup', ['--find']],
  ]
  for (const [command, args] of needed) {
    const why = await lacking(command, args)
    if (why !== null) return command === 'losetup' ? 'there is no free loop device' : why
  }
  return null
}

async function powercut() {
  const why = await whyNoPowerCuts()
  if (why === null) return tapFiles(testFiles('powercut'), { jobs: 1, timeoutSeconds: 900, minutes: 30 })
  if (!inCi) return { passed: 0, failed: 0, skipped: [why] }
  failures.push({ title: 'powercut', output: `the power cuts cannot be made: ${why}` })
  return { passed: 0, failed: 1, skipped: [] }
}

const inProcess = ['unit', 'property', 'badinput', 'repo']

const suites = {
  build: () => single('build', process.execPath, ['tools/build-native.mjs']),
  // CI has run the checks, which begin with it.
  types: () => (inCi ? { passed: 0, failed: 0, skipped: [] } : single('types', 'tsc', ['--noEmit'])),
  tap: () => tapFiles(inProcess.flatMap(testFiles), { jobs: 3, timeoutSeconds: 300, minutes: 60 }),
  simulation: () => tapFiles(testFiles('simulation'), { jobs: 2, timeoutSeconds: 600, minutes: 20 }),
  rust,
  e2e: () => tapFiles(testFiles('e2e'), { jobs: 4, timeoutSeconds: 600, minutes: 60 }),
  powercut,
  lab,
}

const chosen = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const unknown = chosen.filter((name) => !Object.hasOwn(suites, name))
if (unknown.length > 0) {
  console.error(`there is no suite ${unknown.join(', ')}; there are ${Object.keys(suites).join(', ')}`)
  process.exit(2)
}

const summary = []
let passed = 0
let failed = 0
for (const [name, suite] of Object.entries(suites)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue
  console.log(`${name}:`)
  const startMs = performance.now()
  const count = await suite()
  passed += count.passed
  failed += count.failed
  const skips =
    count.skipped.length === 0 ? '' : `, ${count.skipped.length} skipped (${count.skipped.slice(0, 3).join('; ')})`
  summary.push(
    `${name.padEnd(6)} ${count.passed} passed, ${count.failed} failed${skips}, ${seconds(performance.now() - startMs)}`,
  )
  console.log(`  ${summary.at(-1)}`)
}
reprint(failures)
console.log(`\n${summary.join('\n')}\n`)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1
