// Goal: wrong usage is told with exit code 2 before anything is asked of anybody.
// Method: the program itself with its output captured.
import t from 'tap'
import { runProgram } from '../../../src/cli/program.js'

t.test('wrong usage ends with 2, help and version with 0', async (t) => {
  const silence = t.capture(process.stderr, 'write', () => true)
  const quiet = t.capture(process.stdout, 'write', () => true)
  for (const args of [['publish'], ['nope'], ['publish', '.', '--site'], ['serve', '--role', 'king']]) {
    t.equal(await runProgram(args, '1.2.3'), 2, args.join(' '))
  }
  for (const args of [['--help'], ['publish', '--help'], ['--version']]) {
    t.equal(await runProgram(args, '1.2.3'), 0, args.join(' '))
  }
  const errors = silence().map((call) => String(call.args[0]))
  t.match(errors.join(''), /missing required argument|required option|unknown command|Allowed choices/)
  t.match(
    quiet()
      .map((call) => String(call.args[0]))
      .join(''),
    /1\.2\.3/,
  )
})

t.test('an error about a flag says once what is not valid, and why', async (t) => {
  const place = ['--site', 'www', '--group', 'edge', '--url', 'http://127.0.0.1:1']
  const cases: readonly (readonly [readonly string[], string])[] = [
    [['demo', '--nodes', '0'], '--nodes "0" is not valid: write a number from 1 to 100'],
    [['demo', '--nodes', '2', '--segments', '3'], '--segments "3" is not valid: write a number from 1 to 2'],
    [['publish', '.', ...place, '--quorum', 'x'], '--quorum "x" is not valid: write it like 25% or 0.25'],
    [
      ['rollback', ...place, '--reason', 'r', '--release', 'x'],
      '--release "x" is not valid: write it like 42 or www@42',
    ],
    [
      ['jobs', '--limit', '-1', '--url', 'http://127.0.0.1:1'],
      '--limit "-1" is not valid: write a whole number above 0',
    ],
  ]
  for (const [args, says] of cases) {
    const errors = t.capture(process.stderr, 'write', () => true)
    t.equal(await runProgram(['--no-color', ...args], '1.2.3'), 2, args.join(' '))
    t.equal(
      errors().map((call) => String(call.args[0]).split('\n')[0])[0],
      `error ENGINE_ERR_INVALID_ARGUMENT: ${says}`,
    )
    errors.restore()
  }
})
