// A command of `engine` within this process, with what it says captured.
import type { Test } from 'tap'
import { runProgram } from '../../src/cli/program.js'

/** Runs `engine ARGS`. */
export async function ran(t: Test, ...args: readonly string[]) {
  const [out, err] = [t.capture(process.stdout, 'write', () => true), t.capture(process.stderr, 'write', () => true)]
  const code = await runProgram(args, '1.2.3')
  const textOf = (calls: typeof out): string =>
    calls()
      .map((call) => String(call.args[0]))
      .join('')
  const told = { code, out: textOf(out), err: textOf(err) }
  out.restore()
  err.restore()
  return told
}
