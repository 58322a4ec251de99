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
