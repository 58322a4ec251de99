// Goal: data goes to stdout, all else to stderr, and nothing that others named reaches a terminal raw.
import { PassThrough } from 'node:stream'
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { createOutput, fail, fit, type OutputOptions, printable, table, withTimes } from '../../../src/cli/output.js'

const capture = (options: Partial<OutputOptions> = {}) => {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const output = createOutput({
    ...{ json: false, quiet: false, color: false, progress: true, dumbTerminal: false, stdout, stderr },
    ...options,
  })
  return { output, out: () => String(stdout.read() ?? ''), err: () => String(stderr.read() ?? '') }
}

t.test('data and notes go to different streams, and quiet keeps the data', (t) => {
  const loud = capture()
  loud.output.print('a row')
  loud.output.note('a hint')
  t.equal(loud.out(), 'a row\n')
  t.equal(loud.err(), 'a hint\n')
  const quiet = capture({ quiet: true })
  quiet.output.print('a row')
  quiet.output.note('a hint')
  t.equal(quiet.out(), 'a row\n')
  t.equal(quiet.err(), '')
  t.end()
})

t.test('an error tells its code, what happened and the way out, and gives the exit code', (t) => {
  const { output, out, err } = capture({ json: true })
  t.equal(fail(output, new EngineError('ENGINE_ERR_SITE_UNKNOWN', { site: 'www' })), 3)
  t.match(err(), /ENGINE_ERR_SITE_UNKNOWN: there is no site www\n\s+see/)
  t.match(JSON.parse(out()), { type: 'result', status: 'failed', error: { code: 'ENGINE_ERR_SITE_UNKNOWN' } })
  t.end()
})

t.test('a terminal that says it has no columns is taken for one of 80', (t) => {
  const [stdout, stderr] = [0, 1].map(() => Object.assign(new PassThrough(), { isTTY: true, columns: 0 }))
  const { output } = capture({ stdout, stderr } as never)
  t.equal(output.columns, 80)
  t.equal(output.dataColumns, Number.POSITIVE_INFINITY)
  t.end()
})

t.test('nothing is redrawn where it is not a terminal', (t) => {
  const { output, err } = capture()
  output.redraw(['a', 'b'])
  t.equal(err(), '')
  t.end()
})

t.test('times leave as RFC 3339, durations and other numbers as they are', (t) => {
  t.same(withTimes({ holdUntilMs: 0, untilMs: null, deadlineMs: 1, mtimeNs: '1' }), {
    ...{ holdUntil: '1970-01-01T00:00:00.000Z', until: null, deadlineMs: 1, mtimeNs: '1' },
  })
  t.same(withTimes({ createdAtMs: 0, finishedAtMs: null, lastSeenMs: 0, tookMs: 5, nodes: [{ atMs: 0 }] }), {
    createdAt: '1970-01-01T00:00:00.000Z',
    finishedAt: null,
    lastSeenAt: '1970-01-01T00:00:00.000Z',
    tookMs: 5,
    nodes: [{ at: '1970-01-01T00:00:00.000Z' }],
  })
  t.end()
})

t.test('names with control or direction characters cannot drive a terminal', (t) => {
  t.equal(printable('a\u001b[2Jb\u202ec\n'), 'a\\u{1b}[2Jb\\u{202e}c\\u{a}')
  t.end()
})

t.test('quiet silences no error, and one that is only told makes no result', (t) => {
  const { output, out, err } = capture({ quiet: true, json: true })
  output.complain({ code: 'ENGINE_ERR_QUORUM', message: '1 of\u001b[2J 3', hint: 'look' })
  t.equal(err(), 'error ENGINE_ERR_QUORUM: 1 of\\u{1b}[2J 3\n  look\n')
  t.equal(out(), '')
  t.end()
})

t.test('a table is as wide as its content, and what a screen has no room for goes below its row', (t) => {
  const [head, long] = [['NODE', 'WHY'], 'x'.repeat(100)]
  const rows = [
    ['n1', long],
    ['node-22', ''],
    ['n3', 'short'],
  ]
  t.same(table(head, rows, 40), ['NODE     WHY', 'n1', `  ${long}`, 'node-22', 'n3       short'])
  t.same(table(head, rows, capture().output.dataColumns)[1], `n1       ${long}`, 'a pipe has room for all')
  const screen = Object.assign(new PassThrough(), { columns: 40 })
  t.equal(capture({ stdout: screen }).output.dataColumns, 40)
  t.equal(fit('abc', 5), 'abc  ')
  t.end()
})
