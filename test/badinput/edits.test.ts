// What must not get in by way of edits, over real sockets: hostile paths and bodies are refused with a code that stays,
// no job is made, nothing of them stays on the disk, and after all of it a good one is taken.
import { existsSync, readdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { FILE_PATH_CHARS_MAX } from '../../src/base/file-limits.js'
import { HTTP_REQUEST_MS } from '../../src/base/limits.js'
import { UPLOAD_WINDOW_MS } from '../../src/base/upload-limits.js'
import { Coordinator } from '../../src/coordinator.js'
import { ManualClock } from '../support/manual-clock.js'
import { until } from '../support/until.js'
import { digestOf } from '../support/uploads.js'

interface Place {
  readonly coordinator: Coordinator
  readonly url: string
  readonly port: number
  readonly directory: string
  readonly clock: ManualClock
}

async function place(t: {
  testdir(content: Record<string, never>): string
  teardown(run: () => unknown): void
}): Promise<Place> {
  const dataDir = join(t.testdir({}), 'data')
  const clock = new ManualClock()
  const coordinator = await Coordinator.open({ dataDir, clock, listen: { host: '127.0.0.1', port: 0 } })
  t.teardown(() => coordinator.close())
  const { url } = coordinator
  return { coordinator, url, port: Number(new URL(url).port), directory: join(dataDir, 'uploads'), clock }
}

/** Says something on a socket of its own; `heard` is all that came back once the other side closed. */
function say(port: number, text: string): { readonly socket: Socket; readonly heard: Promise<string> } {
  const socket = connect(port, '127.0.0.1')
  socket.write(text)
  socket.on('error', () => {})
  let said = ''
  const heard = new Promise<string>((resolve) => {
    socket.on('data', (data) => {
      said += data.toString('latin1')
    })
    socket.on('close', () => resolve(said))
  })
  return { socket, heard }
}

const request = (method: string, path: string, body: string, ...headers: readonly string[]): string =>
  [`${method} /v1/sites/www/files/${path} HTTP/1.1`, 'Host: 127.0.0.1', 'Connection: close', ...headers, '', body].join(
    '\r\n',
  )
const answered = (text: string): string =>
  `${/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 'cut'} ${/"code":"([A-Z_]+)"/.exec(text)?.[1] ?? ''}`.trim()

/** Nothing that was sent is there, and no job is of it; then a good content is taken. */
async function isUntouched({ coordinator, directory, url }: Place): Promise<string> {
  const incoming = join(directory, 'www/incoming')
  await until('what was cut is gone', () => !existsSync(incoming) || readdirSync(incoming).length === 0)
  const folders = ['blobs', 'incoming', 'parts', 'open'].map((name) => join(directory, 'www', name))
  const left = folders.flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : []))
  const sites = existsSync(directory) ? readdirSync(directory).filter((name) => name !== 'www' && name !== '.boot') : []
  const jobs = await coordinator.jobs()
  const good = await fetch(`${url}/v1/sites/www/blobs`, { method: 'POST', body: 'good' })
  const isTaken = (await good.text()).includes(digestOf('good'))
  return `${left.join()} ${sites.join()} ${jobs.length} ${good.status} ${isTaken}`
}
const UNTOUCHED = '  0 201 true'

const escapes = '422 ENGINE_ERR_PATH_ESCAPES'
const refused = '409 ENGINE_ERR_EDIT_REFUSED'
const invalid = '400 ENGINE_ERR_INVALID_ARGUMENT'
/** Paths as they are written in a request, and what they are answered with. */
const paths: readonly (readonly [string, string])[] = [
  ['../x', escapes],
  ['%2e%2e/x', escapes],
  ['a/%2e%2e/%2e%2e/x', escapes],
  ['%2E%2E', escapes],
  ['.', escapes],
  ['a/./b', escapes],
  ['a//b', escapes],
  ['a/', escapes],
  ['/etc/passwd', escapes],
  ['%2fetc%2fpasswd', refused],
  ['a%2fb', refused],
  ['a%2F..%2F..%2Fx', refused],
  ['%00', refused],
  ['a%00b', refused],
  ['%zz', refused],
  ['a%2', refused],
  ['x'.repeat(256), refused],
  [`a/${'%C3%A4'.repeat(128)}`, refused],
  [`${'x/'.repeat(2100)}x`, refused],
  ['x'.repeat(FILE_PATH_CHARS_MAX + 1), invalid],
]

t.test('paths that lead nowhere, in both requests for one path', async (t) => {
  const here = await place(t)
  for (const [path, wanted] of paths) {
    const put = say(here.port, request('PUT', path, 'bytes', 'Content-Length: 5'))
    t.equal(answered(await put.heard), wanted, `PUT ${path.slice(0, 60)}`)
    const remove = say(here.port, request('DELETE', path, ''))
    t.equal(answered(await remove.heard), wanted, `DELETE ${path.slice(0, 60)}`)
  }
  t.equal(await isUntouched(here), UNTOUCHED)
})

t.test('edits of a job that are none, one among good ones', async (t) => {
  const here = await place(t)
  const digest = digestOf('x')
  const put = { type: 'put', path: 'a', digest, sizeBytes: 1 }
  const bad: readonly (readonly [string, object, string])[] = [
    ...paths
      .filter(([path]) => path.length <= FILE_PATH_CHARS_MAX)
      .flatMap(([path, wanted]) =>
        [put, { type: 'mkdir' }, { type: 'set-properties', mode: '644' }, { type: 'remove' }].map(
          (edit) => [`${edit.type} ${path.slice(0, 40)}`, { ...edit, path }, wanted] as const,
        ),
      ),
    ['no path', { type: 'remove' }, invalid],
    ['a path that is no text', { type: 'remove', path: 7 }, invalid],
    ['a NUL as it is', { type: 'remove', path: 'a\0b' }, refused],
    ['half a digest', { ...put, digest: digest.slice(1) }, invalid],
    ['a digest in capitals', { ...put, digest: 'A'.repeat(64) }, invalid],
    ['less than nothing', { ...put, sizeBytes: -1 }, invalid],
    ['half a byte', { ...put, sizeBytes: 0.5 }, invalid],
    ['more than a number holds', { ...put, sizeBytes: 2 ** 60 }, invalid],
    ['a mode of letters', { ...put, mode: 'u+x' }, invalid],
    ['set-user-id', { ...put, mode: '4755' }, refused],
    ['a time of letters', { type: 'set-properties', path: 'a', mtimeNs: 'now' }, invalid],
    ['a time past all', { type: 'set-properties', path: 'a', mtimeNs: '9'.repeat(19) }, refused],
    ['a word too many', { ...put, owner: 'root' }, invalid],
  ]
  for (const [what, edit, wanted] of bad) {
    const answer = await fetch(`${here.url}/v1/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ site: 'www', group: 'edge', commands: [{ type: 'mkdir', path: 'fine' }, edit] }),
    })
    t.equal(answered(`HTTP/1.1 ${answer.status} ${await answer.text()}`), wanted, what)
  }
  t.equal(await isUntouched(here), UNTOUCHED)
})

t.test('bodies that are not what they say', async (t) => {
  const here = await place(t)
  const good = 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='
  const put = (body: string, ...headers: readonly string[]): Promise<string> =>
    say(here.port, request('PUT', 'a', body, ...headers)).heard.then(answered)
  const five = 'Content-Length: 5'
  const chunked = 'Transfer-Encoding: chunked'
  const mismatch = '422 ENGINE_ERR_DIGEST_MISMATCH'
  t.equal(await put('hello', five, `Repr-Digest: sha-256=:${good.replace('L', 'M')}:`), mismatch)
  t.equal(await put('hello', five, 'Repr-Digest: sha-256=hello'), invalid)
  t.equal(await put('hello', five, 'Content-Range: bytes 0-4/10'), invalid)
  t.equal(await put('hello', five, 'Content-Length: 4'), invalid, 'two lengths')
  t.equal(await put('hello', five, chunked), invalid, 'both lengths')
  t.equal(await put('', 'Content-Length: -1'), invalid)
  t.equal(await put('zz\r\nhello', chunked), invalid, 'chunks that are none')
  t.equal(await put('5\r\nhello\r\n-1\r\n', chunked), invalid)
  t.equal(await put('hello and more', five), invalid, 'more than was announced')
  t.equal(await isUntouched(here), UNTOUCHED)
})

t.test('a body that ends before its end is no file', async (t) => {
  const here = await place(t)
  for (const [headers, body] of [
    [['Content-Length: 100000'], 'x'.repeat(50_000)],
    [['Transfer-Encoding: chunked'], `c350\r\n${'x'.repeat(50_000)}\r\n`],
  ] as const) {
    const { socket, heard } = say(here.port, request('PUT', 'a', body, ...headers))
    const incoming = join(here.directory, 'www/incoming')
    await until('it comes in', () => existsSync(incoming) && readdirSync(incoming).length === 1)
    socket.destroy()
    await heard
    await until('it is gone', () => readdirSync(incoming).length === 0)
  }
  t.equal(await isUntouched(here), UNTOUCHED)
})

t.test('a body of a byte now and then is cut, and nobody waits for it', async (t) => {
  const here = await place(t)
  const { socket, heard } = say(here.port, request('PUT', 'a', 'x', 'Content-Length: 100000'))
  const incoming = join(here.directory, 'www/incoming')
  await until('it comes in', () => existsSync(incoming) && readdirSync(incoming).length === 1)
  const drip = setInterval(() => socket.writable && socket.write('x'), 5)
  t.teardown(() => clearInterval(drip))
  here.clock.advance(UPLOAD_WINDOW_MS)
  await until('the request has ended', async () => {
    here.clock.advance(HTTP_REQUEST_MS)
    return Promise.race([heard, sleep(50, undefined)])
  })
  t.equal(answered(await heard), '408 ENGINE_ERR_UPLOAD_SLOW')
  t.equal(await isUntouched(here), UNTOUCHED)
})
