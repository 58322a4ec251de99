// Goal: an error says the same to a person, a program and another copy of the package.
// Method: errors are made and caught; nothing is mocked.
import t from 'tap'
import { EngineError, errorCodes, isErrorCode, toEngineError } from '../../../src/base/errors.js'

t.test('the details fill the text and the way out', async (t) => {
  const error = new EngineError('ENGINE_ERR_RELEASE_UNKNOWN', { site: 'www', release: 7 })
  t.equal(error.message, 'release www@7 is not kept')
  t.equal(new EngineError('ENGINE_ERR_GROUP_EMPTY', { group: 'edge' }).hint.includes('--group edge'), true)
  t.match(error, {
    code: 'ENGINE_ERR_RELEASE_UNKNOWN',
    status: 404,
    exitCode: 3,
    retryable: false,
    name: 'EngineError',
  })
})

t.test('a fact that is missing is said to be missing', async (t) => {
  t.equal(new EngineError('ENGINE_ERR_SITE_UNKNOWN').message, 'there is no site (site not known)')
  t.match(new EngineError('ENGINE_ERR_SITE_UNKNOWN', { site: null }).message, /not known/)
})

t.test('facts of every kind find words', async (t) => {
  const text = (site: unknown) => new EngineError('ENGINE_ERR_SITE_UNKNOWN', { site }).message
  t.equal(text(5n), 'there is no site 5')
  t.equal(text(false), 'there is no site false')
  t.equal(text(['a']), 'there is no site ["a"]')
  t.equal(text(new Error('why')), 'there is no site why')
  t.match(
    text(() => 1),
    /not known/,
  )
})

t.test('an error from elsewhere keeps its own text', async (t) => {
  const error = new EngineError('ENGINE_ERR_IO', {}, { message: 'as told', cause: new Error('root') })
  t.equal(error.message, 'as told')
  t.match(error.cause, { message: 'root' })
  t.notOk('cause' in new EngineError('ENGINE_ERR_IO'))
})

t.test('two copies of the package agree on what is an EngineError', async (t) => {
  const foreign = Object.assign(new Error('x'), { [Symbol.for('distributary.EngineError')]: true })
  t.ok(foreign instanceof EngineError)
  t.notOk(new Error('x') instanceof EngineError)
  t.notOk((null as unknown) instanceof EngineError)
  t.notOk(('text' as unknown) instanceof EngineError)
})

t.test('what is stored and sent is code, message and hint', async (t) => {
  t.same(Object.keys(new EngineError('ENGINE_ERR_CLOSING').toReport()), ['code', 'message', 'hint'])
})

t.test('every error keeps to the exit codes of the command line', async (t) => {
  const exits = new Set([1, 2, 3, 4, 5, 6, 7, 8, 10, 124, 130])
  t.same(
    errorCodes.filter((code) => !exits.has(new EngineError(code).exitCode)),
    [],
  )
  t.ok(isErrorCode('ENGINE_ERR_IO'))
  t.notOk(isErrorCode('toString'))
  t.notOk(isErrorCode(7))
})

t.test('anything that is caught becomes an EngineError', async (t) => {
  const ours = new EngineError('ENGINE_ERR_CLOSING')
  t.equal(toEngineError(ours), ours)
  const of = (code: string) => toEngineError(Object.assign(new Error('x'), { code }), { path: '/data' }).code
  t.equal(of('ENOSPC'), 'ENGINE_ERR_NO_SPACE')
  t.equal(of('EADDRINUSE'), 'ENGINE_ERR_PORT_IN_USE')
  t.equal(of('ABORT_ERR'), 'ENGINE_ERR_CANCELLED')
  t.equal(of('ECONNRESET'), 'ENGINE_ERR_IO')
  t.equal(of('SOMETHING_ELSE'), 'ENGINE_ERR_INTERNAL')
  t.equal(of('ENGINE_ERR_DIGEST_MISMATCH'), 'ENGINE_ERR_DIGEST_MISMATCH')
  t.equal(toEngineError(Object.assign(new Error('as told'), { code: 'ENGINE_ERR_IO' })).message, 'as told')
  t.match(toEngineError('a text').message, /a text/)
  t.match(toEngineError(undefined), { code: 'ENGINE_ERR_INTERNAL' })
})

t.test('where nobody says what was tried, an error of the system is its reason alone', async (t) => {
  const denied = Object.assign(new Error("EACCES: permission denied, mkdir '/data'"), { code: 'EACCES' })
  t.equal(toEngineError(denied).message, denied.message)
  t.equal(toEngineError(denied, { what: 'the journal' }).message, `the journal: ${denied.message}`)
  const full = Object.assign(new Error('x'), { code: 'ENOSPC', path: '/data/a' })
  t.equal(toEngineError(full).message, 'no space left for /data/a')
  t.equal(toEngineError(full, { path: '/data' }).message, 'no space left for /data')
})
