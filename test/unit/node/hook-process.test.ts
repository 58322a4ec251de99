// Goal: whatever a program does (writes without end, ignores signals, leaves children), its run ends and nothing stays.
// Method: real programs of this machine, in process groups of their own.
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock } from '../../../src/base/clock.js'
import { HOOK_ARGUMENT_CHARS_MAX, HOOK_OUTPUT_BYTES_MAX } from '../../../src/base/limits.js'
import { type ProgramOptions, type ProgramResult, runProgram } from '../../../src/node/hook-process.js'
import { until } from '../../support/until.js'

const never = new AbortController().signal
const environment = { PATH: process.env['PATH'] ?? '' }

const run = (t: Test, command: readonly string[], more: Partial<ProgramOptions> = {}): Promise<ProgramResult> => {
  const [program = '', ...words] = command
  const options = { program, words, cwd: t.testdirName, env: environment, timeoutMs: 60_000 }
  return runProgram({ ...options, clock: systemClock, signal: never, ...more })
}

const sh = (script: string): readonly string[] => ['sh', '-c', script]

/** The number that a script wrote into a file, once it is there. */
const pidIn = (path: string): Promise<number> =>
  until(`a process number in ${path}`, async () => Number(await readFile(path, 'utf8').catch(() => '')) || undefined)

/** A process that has ended and was not buried counts as gone. */
const gone = (pid: number): Promise<true | undefined> =>
  until(`the end of process ${pid}`, async () => {
    const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    return state === '' || /\) [ZX] /.test(state) ? true : undefined
  })

t.beforeEach((t) => void t.testdir())

t.test('a program that ends well or badly is told with its exit code and both its streams', async (t) => {
  t.match(await run(t, sh('echo out; echo err >&2')), { end: { how: 'exited', exitCode: 0 }, output: /out[^]*err/ })
  t.match(await run(t, sh('echo why; exit 3')), { end: { how: 'exited', exitCode: 3 }, output: 'why\n' })
  t.match(await run(t, sh('kill -9 $$')), { end: { how: 'killed', signal: 'SIGKILL' } })
})

t.test('what cannot be started is told with the reason, and throws nothing', async (t) => {
  t.match(await run(t, ['no-such-program']), {
    end: { how: 'not-started', why: /there is no program no-such-program/ },
  })
  const plain = join(t.testdirName, 'plain')
  await writeFile(plain, '#!/bin/sh\n')
  await chmod(plain, 0o644)
  t.match(await run(t, [plain]), { end: { how: 'not-started', why: /may not be run/ } })
  t.match(await run(t, ['true'], { cwd: '/no/such/directory' }), { end: { how: 'not-started', why: /no directory/ } })
  t.match(await run(t, ['echo', 'a\0b']), { end: { how: 'not-started', why: /null bytes/ } })
  t.match(await run(t, ['echo', 'x'.repeat(4_000_000)]), { end: { how: 'not-started', why: /too long/ } })
})

t.test('nothing but its own environment and no open input is passed on', async (t) => {
  process.env['ENGINE_TOKEN'] = 'secret'
  t.teardown(() => delete process.env['ENGINE_TOKEN'])
  const { output } = await run(t, sh('env; cat'), { env: { ...environment, A: 'b' } })
  t.match(output, /^A=b$/m)
  const names = output.split('\n').flatMap((line) => /^\w+(?==)/.exec(line)?.[0] ?? [])
  // The shell's own, and what the test runner gives every program.
  const others = /^(PWD|_|SHLVL|OLDPWD|NODE_OPTIONS|_TAPJS_\w+)$/
  t.strictSame(names.filter((name) => !others.test(name)).toSorted(), ['A', 'PATH'])
})

t.test('a word is one argument, whatever is in it', async (t) => {
  const words = ['a b', '$(id)', '`id`', '"; id; "', '*', 'x'.repeat(HOOK_ARGUMENT_CHARS_MAX)]
  const { output } = await run(t, ['printf', '%s\\n', ...words])
  t.strictSame(output.trimEnd().split('\n'), words)
})

t.test('output without end costs no memory: its beginning and its end are kept', async (t) => {
  const { output } = await run(t, sh('echo first; head -c 50000000 /dev/zero | tr "\\0" x; echo; echo last'))
  t.ok(Buffer.byteLength(output) <= HOOK_OUTPUT_BYTES_MAX)
  t.match(output, /^first\n/)
  t.match(output, /left out/)
  t.match(output, /\nlast\n$/)
})

t.test('a program that never ends is stopped at its limit, and what it wrote is kept', async (t) => {
  const result = await run(t, sh('echo begun; exec sleep 1000'), { timeoutMs: 200 })
  t.match(result, { end: { how: 'timeout' }, output: 'begun\n' })
})

t.test('one that ignores the request to end is killed, with the children that it started', async (t) => {
  const path = join(t.testdirName, 'child')
  const deaf = 'while :; do sleep 1; done'
  const script = `trap '' TERM; sh -c 'trap "" TERM; echo $$ > ${path}; ${deaf}' & ${deaf}`
  const result = await run(t, sh(script), { timeoutMs: 500 })
  t.match(result.end, { how: 'timeout' })
  t.ok(await gone(await pidIn(path)))
})

t.test('children that a program leaves behind end with it, and nobody waits for their output', async (t) => {
  const path = join(t.testdirName, 'child')
  const result = await run(
    t,
    sh(`sh -c 'echo $$ > ${path}; exec sleep 1000' & while [ ! -s ${path} ]; do :; done; echo done`),
  )
  t.match(result, { end: { how: 'exited', exitCode: 0 }, output: 'done\n' })
  t.ok(await gone(await pidIn(path)))
})

t.test('a daemon with a session of its own goes on, and is not waited for although it holds the output', async (t) => {
  const path = join(t.testdirName, 'daemon')
  const script = `setsid sh -c 'echo $$ > ${path}; exec sleep 1000' & while [ ! -s ${path} ]; do :; done`
  t.match(await run(t, sh(script)), { end: { how: 'exited', exitCode: 0 } })
  const pid = await pidIn(path)
  t.ok(process.kill(pid, 0), 'it runs')
  process.kill(pid, 'SIGKILL')
  t.ok(await gone(pid))
})

t.test('a signal stops it like its limit does, and one that came before starts nothing', async (t) => {
  const stopping = new AbortController()
  const running = run(t, sh('echo $$ > pid; exec sleep 1000'), { signal: stopping.signal })
  const pid = await pidIn(join(t.testdirName, 'pid'))
  stopping.abort()
  t.match(await running, { end: { how: 'stopped' } })
  t.ok(await gone(pid))
  t.match(await run(t, sh('echo $$ > late'), { signal: stopping.signal }), { end: { how: 'stopped' } })
  await t.rejects(readFile(join(t.testdirName, 'late')))
})
