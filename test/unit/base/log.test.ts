// Goal: a log line can be searched by field, tells errors by code, and never tells a secret.
// Method: a log that writes into memory.
import { Writable } from 'node:stream'
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { createLogger, formatLine, type LogFormat, silentLogger } from '../../../src/base/log.js'

const logInto = (format: LogFormat) => {
  const lines: string[] = []
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  return { lines, log: createLogger({ level: 'debug', format, destination }) }
}

t.test('a line is one JSON object with time, level, room and facts', async (t) => {
  const { lines, log } = logInto('json')
  log.child({ room: 'jobs' }).info({ jobId: 'A', nodeCount: 3 }, 'job accepted')
  t.match(JSON.parse(lines[0] ?? ''), { level: 'info', room: 'jobs', jobId: 'A', nodeCount: 3, msg: 'job accepted' })
  t.match(JSON.parse(lines[0] ?? '').time, /^\d{4}-\d\d-\d\dT.*Z$/)
})

t.test('secrets are taken out, at the top and below', async (t) => {
  const { lines, log } = logInto('json')
  const headers = { authorization: 'Bearer x-secret', host: 'h' }
  log.info({ token: 'x-secret', node: { ticket: 'x-secret', name: 'n' }, request: { headers } }, 'm')
  t.notMatch(lines[0], /x-secret/)
  t.match(JSON.parse(lines[0] ?? ''), { token: '[redacted]', node: { name: 'n' }, request: { headers: { host: 'h' } } })
})

t.test('our errors are told by code and way out, others with their stack', async (t) => {
  const { lines, log } = logInto('json')
  const cause = new TypeError('deep')
  log.warn({ err: new EngineError('ENGINE_ERR_NO_SPACE', { path: '/data' }, { cause }) }, 'm')
  log.error({ err: cause }, 'm')
  log.error({ err: 'a text' }, 'm')
  const [first, second, third] = lines.map((line) => JSON.parse(line) as { err: Record<string, unknown> })
  t.match(first?.err, {
    code: 'ENGINE_ERR_NO_SPACE',
    hint: /free space/,
    cause: { name: 'TypeError', message: 'deep' },
  })
  t.notOk(first?.err['stack'])
  t.match(second?.err, { name: 'TypeError', stack: /TypeError: deep/ })
  t.equal(third?.err, 'a text')
})

t.test('text for people holds the same on one line', async (t) => {
  const { lines, log } = logInto('text')
  log.child({ room: 'store' }).warn({ path: '/a b', count: 2 }, 'slow')
  t.match(lines[0], /^\d\d:\d\d:\d\d\.\d{3} warn {2}\[store\] slow path=\/a b count=2\n$/)
  t.match(formatLine('{"time":"2026-01-02T03:04:05.678Z","level":"info"}'), /^03:04:05\.678 info {2}\n$/)
})

t.test('a log of nothing says nothing', async (t) => {
  t.equal(silentLogger.isLevelEnabled('error'), false)
  silentLogger.child({ room: 'x' }).error('nobody hears')
})
