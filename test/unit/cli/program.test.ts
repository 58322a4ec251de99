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

t.test('no line of any help is wider than 80 columns', async (t) => {
  const told = t.capture(process.stdout, 'write', () => true)
  const helpOf = async (...args: readonly string[]): Promise<readonly string[]> => {
    await runProgram([...args, '--help'], '1.2.3')
    return told().flatMap((call) => String(call.args[0]).split('\n'))
  }
  const below = (lines: readonly string[]): readonly string[] => {
    const start = lines.findIndex((line) => line.endsWith('ommands:'))
    if (start < 0) return []
    return lines.slice(start).flatMap((line) => /^ {2}([a-z][a-z-]*)/.exec(line)?.[1] ?? [])
  }
  const lines = [...(await helpOf())]
  for (const name of below(lines)) {
    const page = await helpOf(name)
    lines.push(...page)
    for (const inner of below(page)) lines.push(...(await helpOf(name, inner)))
  }
  told.restore()
  t.ok(lines.length > 400, `${lines.length} lines were read`)
  t.same(
    lines.filter((line) => line.length > 80),
    [],
  )
})

t.test('an error about a flag says once what is not valid, and why', async (t) => {
  const place = ['--site', 'www', '--group', 'edge', '--url', 'http://127.0.0.1:1']
  const cases: readonly (readonly [readonly string[], string])[] = [
    [['demo', '--nodes', '0'], '--nodes "0" is not valid: write a number from 1 to 100'],
    [['demo', '--nodes', '2', '--segments', '3'], '--segments "3" is not valid: write a number from 1 to 2'],
    [['doctor', '--listen', 'x'], '--listen "x" is not valid: write it like 10.0.0.1:7400'],
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

t.test('wrong usage is one result with --json, and names the help that says how', async (t) => {
  const cases: readonly (readonly [readonly string[], RegExp, string])[] = [
    [['status', '--json', '--bogus'], /unknown option '--bogus'/, 'see engine status --help'],
    [['jobs', '--sit', 'x', '--json'], /unknown option '--sit' \(Did you mean --site\?\)/, 'see engine jobs --help'],
    [['nope', '--json'], /unknown command 'nope'/, 'see engine --help'],
    [['commit', '--json'], /missing required argument 'job'/, 'see engine commit --help'],
  ]
  // No assertion while the streams are captured: they carry what tap says, too.
  const complained = t.capture(process.stderr, 'write', () => true)
  const told = t.capture(process.stdout, 'write', () => true)
  const codes: number[] = []
  for (const [args] of cases) codes.push(await runProgram(args, '1.2.3'))
  const [out = [], errors = []] = [told, complained].map((stream) => stream().map((call) => String(call.args[0])))
  told.restore()
  complained.restore()
  t.same(codes, [2, 2, 2, 2])
  const results = out.filter((line) => line.startsWith('{'))
  t.equal(results.length, cases.length, 'one each')
  for (const [at, [, message, hint]] of cases.entries()) {
    const error = { code: 'ENGINE_ERR_INVALID_ARGUMENT', message, hint }
    t.match(JSON.parse(results[at] ?? ''), { type: 'result', status: 'failed', error })
    t.match(errors.join(''), hint)
  }
})

t.test('without a command the help is told, and no error', async (t) => {
  const complained = t.capture(process.stderr, 'write', () => true)
  t.equal(await runProgram([], '1.2.3'), 2)
  t.match(
    complained()
      .map((call) => String(call.args[0]))
      .join(''),
    /Usage: engine/,
  )
  t.notMatch(
    complained()
      .map((call) => String(call.args[0]))
      .join(''),
    /ENGINE_ERR/,
  )
})
