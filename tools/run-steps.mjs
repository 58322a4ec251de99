// Runs programs for `npm run check` and `npm test`: shows a line a step, keeps what they print, counts.
// It ends only what it started: each program is a process group of its own, ended by its id.
import { spawn } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const inCi = (process.env.CI ?? '') !== '' && process.env.CI !== 'false'

const running = new Set()

/** Sends a signal to the process groups that this program started, then ends. */
function forward(signal) {
  for (const child of running) signalGroup(child, signal)
  process.exit(signal === 'SIGINT' ? 130 : 143)
}
process.once('SIGINT', () => forward('SIGINT'))
process.once('SIGTERM', () => forward('SIGTERM'))

function signalGroup(child, signal) {
  try {
    process.kill(-child.pid, signal)
  } catch {
    // It has ended already.
  }
}

/** Settings of this shell must not reach what is tested. */
function cleanEnvironment(extra) {
  const kept = Object.entries(process.env).filter(([name]) => !/^(ENGINE_|TAP_|FORCE_COLOR)/.test(name))
  const path = [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter)
  return { ...Object.fromEntries(kept), NO_COLOR: '1', CARGO_TERM_COLOR: 'never', ...extra, PATH: path }
}

/**
 * Runs one program to its end.
 * @param options.onLine  sees each line as it comes; options.minutes bounds the whole run.
 * @returns {Promise<{code: number | null, output: string, ms: number}>} both streams, in order.
 */
export function run(command, args, options = {}) {
  const startMs = performance.now()
  const child = spawn(command, args, {
    cwd: options.cwd ?? root,
    env: cleanEnvironment(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  running.add(child)
  let output = ''
  let line = ''
  const take = (text) => {
    output += text
    const lines = (line + text).split('\n')
    line = lines.pop() ?? ''
    for (const whole of lines) options.onLine?.(whole)
  }
  child.stdout.setEncoding('utf8').on('data', take)
  child.stderr.setEncoding('utf8').on('data', take)
  const minutes = options.minutes ?? 60
  const bound = setTimeout(() => {
    take(`\n${command} ${args.join(' ')} took longer than ${minutes} minutes and was ended\n`)
    signalGroup(child, 'SIGKILL')
  }, minutes * 60_000)
  // A log that grows tells a slow step from one that hangs.
  const pulse = setInterval(() => console.log(`  … ${command}, ${seconds(performance.now() - startMs)}`), 60_000)
  return new Promise((done) => {
    const finish = (code) => {
      clearTimeout(bound)
      clearInterval(pulse)
      running.delete(child)
      done({ code, output, ms: performance.now() - startMs })
    }
    child.once('error', (error) => {
      output += `${command} cannot be run: ${error.message}\n`
      finish(null)
    })
    child.once('close', finish)
  })
}

export const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`

/** Says why a program that is needed cannot be run; null when it can. */
export async function lacking(command, args = ['--version']) {
  const { code } = await run(command, args, { minutes: 1 })
  return code === 0 ? null : `${command} is not installed`
}

/** Prints all failures once more, whole, so that the end of a log shows the cause; `--report=FILE` keeps them, too. */
export function reprint(failures) {
  const report = process.argv.find((argument) => argument.startsWith('--report='))?.slice('--report='.length)
  for (const { title, output } of failures) {
    const text = `\n===== FAILED: ${title} =====\n${output.trimEnd()}\n===== end of ${title} =====\n`
    console.log(text)
    if (report !== undefined) appendFileSync(report, text)
  }
}
