// What must not get in by way of uploads, over real sockets: each bad body is refused with a reason, nothing of it
// stays, and after all of it the server takes a good one.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { HTTP_BODY_BYTES_MAX, HTTP_REQUEST_MS } from '../../src/base/limits.js'
import { UPLOAD_WINDOW_MS } from '../../src/base/upload-limits.js'
import type { Problem } from '../../src/control/schema/problem.js'
import type { Uploads } from '../../src/uploads/index.js'
import { serve } from '../support/control.js'
import { FakeDoor } from '../support/fake-door.js'
import { ManualClock } from '../support/manual-clock.js'
import { until } from '../support/until.js'
import { digestOf, fileLine, manifestOf, openRoom } from '../support/uploads.js'

interface Place {
  readonly url: string
  readonly port: number
  readonly room: Uploads
  readonly directory: string
  readonly clock: ManualClock
  readonly id: string
}

const content = 'x'.repeat(100_000)
const digest = digestOf(content)

async function place(t: {
  testdir(content: Record<string, never>): string
  teardown(run: () => unknown): void
}): Promise<Place> {
  const clock = new ManualClock()
  const directory = join(t.testdir({}), 'uploads')
  const room = await openRoom(directory, { clock })
  const door = new FakeDoor()
  door.uploads = room
  const { server } = await serve(t, { door, clock })
  const { id } = await room.create('www', Readable.from([Buffer.from(manifestOf({ x: content, y: 'why' }))]))
  return { url: server.url, port: server.address.port, room, directory, clock, id }
}

/** Opens a socket and says something; `heard` is all that came back once the other side closed. */
function say(
  port: number,
  text: string,
): { readonly socket: Socket; readonly heard: Promise<string>; soFar(): string } {
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
  return { socket, heard, soFar: () => said }
}

const head = (id: string, ...headers: readonly string[]): string =>
  [`PUT /v1/uploads/${id}/blobs/${digest} HTTP/1.1`, 'Host: 127.0.0.1', ...headers, '', ''].join('\r\n')

/** Whether a good upload still comes to its end, and nothing else is on the disk. */
async function stillTakes({ url, id, directory }: Place): Promise<boolean> {
  for (const [each, text] of [
    [digest, content],
    [digestOf('why'), 'why'],
  ] as const) {
    const answer = await fetch(`${url}/v1/uploads/${id}/blobs/${each}`, { method: 'PUT', body: text })
    if (answer.status !== 200) return false
    await answer.text()
  }
  const complete = await fetch(`${url}/v1/uploads/${id}/complete`, { method: 'POST' })
  await complete.text()
  const left = ['parts', 'incoming'].flatMap((folder) => readdirSync(join(directory, 'www', folder)))
  return complete.status === 200 && left.length === 0
}

const problemOf = async (answer: Response): Promise<string> =>
  `${answer.status} ${((await answer.json()) as Problem).code}`

t.test('manifests that are none, too many words about nothing, and routes that are not', async (t) => {
  const here = await place(t)
  const post = (body: string | Buffer, site = 'www'): Promise<Response> =>
    fetch(`${here.url}/v1/uploads?site=${site}`, { method: 'POST', body })
  for (const text of [
    '{',
    '[]',
    'null',
    '\0',
    fileLine('../x', 'x'),
    fileLine('a/b', 'x'),
    `${fileLine('a', 'x')}\n`.repeat(2),
  ]) {
    t.equal(await problemOf(await post(text)), '422 ENGINE_ERR_MANIFEST_INVALID', text.slice(0, 60))
  }
  for (const site of ['', '..', 'a%2fb', '.x', 'x'.repeat(65)]) {
    t.equal(await problemOf(await post(fileLine('a', 'x'), site)), '400 ENGINE_ERR_INVALID_ARGUMENT', site)
  }
  const lies = fileLine('huge', 'x').replace('"sizeBytes":1', `"sizeBytes":${2 ** 50}`)
  t.equal(await problemOf(await post(lies)), '507 ENGINE_ERR_UPLOAD_LIMIT')
  const gets = [
    'uploads/x',
    `uploads/${'0'.repeat(32)}`,
    `uploads/${here.id}/missing?limit=0`,
    `uploads/${here.id}/missing?after=x`,
  ]
  for (const path of gets) t.match(await fetch(`${here.url}/v1/${path}`), { status: /40[04]/ }, path)
  t.equal(here.room.list().length, 1)
  t.ok(await stillTakes(here))
})

t.test('a manifest beyond the limit of other bodies is taken', async (t) => {
  const here = await place(t)
  const lines = Array.from({ length: 4000 }, (_, i) => fileLine(`file-${i}`, `${i}`)).join('\n')
  t.ok(lines.length > HTTP_BODY_BYTES_MAX)
  const answer = await fetch(`${here.url}/v1/uploads?site=www`, { method: 'POST', body: lines })
  t.match(await answer.json(), { fileCount: 4000, missingCount: 4000 })
})

t.test('ranges that do not fit, and lengths that do not agree', async (t) => {
  const here = await place(t)
  const path = `${here.url}/v1/uploads/${here.id}/blobs/${digest}`
  const put = (range: string, body = 'x'.repeat(10)): Promise<Response> =>
    fetch(path, { method: 'PUT', headers: { 'content-range': range }, body })
  const invalid = [
    'bytes 0-9',
    'bytes 9-0/100000',
    'bytes 0-9/10',
    'bytes 0-8/100000',
    'bytes -1-9/100000',
    'chunks 0-9/100000',
  ]
  invalid.push('bytes 99995-100004/100000', 'bytes 0-9/99999999999999999999', 'bytes 0-9/0x10')
  for (const range of invalid) t.equal(await problemOf(await put(range)), '400 ENGINE_ERR_INVALID_ARGUMENT', range)
  t.equal(await problemOf(await put('bytes 10-19/100000')), '416 ENGINE_ERR_UPLOAD_RANGE')
  t.equal(
    await problemOf(await fetch(path, { method: 'PUT', body: 'x'.repeat(100_001) })),
    '400 ENGINE_ERR_INVALID_ARGUMENT',
  )
  t.match(await (await put('bytes 0-9/100000')).json(), { haveBytes: 10 })
  const asked = await fetch(path, { method: 'HEAD' })
  t.same([asked.headers.get('upload-offset'), asked.headers.get('upload-length')], ['10', '100000'])
  t.match(await (await put('bytes 10-19/*')).json(), { haveBytes: 20 })
  t.equal(await problemOf(await put('bytes 30-39/100000')), '416 ENGINE_ERR_UPLOAD_RANGE')
  const wrong = await fetch(path, { method: 'PUT', body: 'y'.repeat(100_000) })
  t.equal(await problemOf(wrong), '422 ENGINE_ERR_DIGEST_MISMATCH')
  const unwanted = path.replace(digest, digestOf('unwanted'))
  t.equal(await problemOf(await fetch(unwanted, { method: 'PUT', body: 'unwanted' })), '404 ENGINE_ERR_BLOB_UNWANTED')
  t.ok(await stillTakes(here))
})

t.test('both lengths, two lengths, and chunks that are none', async (t) => {
  const here = await place(t)
  const chunked = 'Transfer-Encoding: chunked'
  const bodies = [
    head(here.id, 'Content-Length: 3', chunked) + '3\r\nxxx\r\n0\r\n\r\n',
    head(here.id, 'Content-Length: 3', 'Content-Length: 4') + 'xxxx',
    head(here.id, 'Content-Length: -1'),
    head(here.id, chunked) + '-1\r\n',
    head(here.id, chunked) + '0x10\r\n',
    head(here.id, chunked) + '10000000000000000\r\n',
    head(here.id, chunked) + 'zz\r\n',
  ]
  for (const text of bodies) {
    const { socket, heard } = say(here.port, text)
    t.match(await heard, /^HTTP\/1\.1 400 |^$/, text.slice(-30))
    socket.destroy()
  }
  t.ok(await stillTakes(here))
})

t.test('an endless body is cut at the size that was announced, and its sender is told', async (t) => {
  const here = await place(t)
  const { socket, heard, soFar } = say(here.port, head(here.id, 'Transfer-Encoding: chunked'))
  const piece = `4000\r\n${'x'.repeat(0x4000)}\r\n`
  const timer = setInterval(() => socket.writable && socket.write(piece), 1)
  await until('the whole answer', () => soFar().endsWith('}'), soFar)
  here.clock.advance(HTTP_REQUEST_MS)
  t.match(await heard, /^HTTP\/1\.1 413 .*ENGINE_ERR_BODY_TOO_LARGE/s)
  clearInterval(timer)
  t.ok(await stillTakes(here))
})

t.test('a body that stands still is cut after a while, what came is kept, and nobody waits for it', async (t) => {
  const here = await place(t)
  const { heard } = say(here.port, `${head(here.id, 'Content-Length: 100000')}xxx`)
  await until('three bytes', async () => (await here.room.blob(here.id, digest)).haveBytes === 3)
  const other = await fetch(`${here.url}/v1/uploads/${here.id}/blobs/${digestOf('why')}`, {
    method: 'PUT',
    body: 'why',
  })
  t.equal(other.status, 200)
  here.clock.advance(UPLOAD_WINDOW_MS)
  await until('the request has ended', async () => {
    here.clock.advance(HTTP_REQUEST_MS)
    return Promise.race([heard, sleep(50, undefined)])
  })
  t.match(await heard, /^HTTP\/1\.1 408 .*ENGINE_ERR_UPLOAD_SLOW/s)
  t.match(await here.room.blob(here.id, digest), { haveBytes: 3 })
  t.ok(await stillTakes(here))
})

t.test('a body that is not streamed has its time still', async (t) => {
  const here = await place(t)
  const request =
    'POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{'
  const { socket, heard } = say(here.port, request)
  await until('it was sent', () => socket.bytesWritten === request.length)
  await until('the request was cut', async () => {
    here.clock.advance(HTTP_REQUEST_MS)
    return Promise.race([heard, sleep(50, undefined)])
  })
  t.match(await heard, /^HTTP\/1\.1 408 .*not complete in time/s)
})

t.test('a sender that hangs up leaves what came, and the next goes on there', async (t) => {
  const here = await place(t)
  const { socket } = say(here.port, `${head(here.id, 'Content-Length: 100000')}${'x'.repeat(50_000)}`)
  await until('half', async () => (await here.room.blob(here.id, digest)).haveBytes === 50_000)
  socket.destroy()
  const range = { 'content-range': 'bytes 50000-99999/100000' }
  const path = `${here.url}/v1/uploads/${here.id}/blobs/${digest}`
  const rest = await fetch(path, { method: 'PUT', headers: range, body: content.slice(50_000) })
  t.match(await rest.json(), { haveBytes: 100_000 })
  t.ok(await stillTakes(here))
})

t.test('a body that is not what its digest says does not become a content', async (t) => {
  const here = await place(t)
  const post = (reprDigest: string): Promise<Response> =>
    fetch(`${here.url}/v1/sites/www/blobs`, { method: 'POST', headers: { 'repr-digest': reprDigest }, body: 'hello' })
  const good = 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='
  t.equal(await problemOf(await post(`sha-256=:${good.replace('L', 'M')}:`)), '422 ENGINE_ERR_DIGEST_MISMATCH')
  t.equal(await problemOf(await post('sha-256=hello')), '400 ENGINE_ERR_INVALID_ARGUMENT')
  t.match(await (await post(`sha-256=:${good}:`)).json(), { digest: digestOf('hello'), sizeBytes: 5 })
  t.equal((await post('md5=:XUFAKrxLKna5cZ2REBfFkg==:')).status, 201, 'of what nobody trusts any more nothing is said')
  t.ok(await stillTakes(here))
})

const isRoot = process.getuid?.() === 0
t.test(
  'a full disk is said with what is needed and what there is',
  { skip: isRoot ? false : 'needs root' },
  async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'distributary-full-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory])
    t.teardown(() => {
      execFileSync('umount', [directory])
      rmdirSync(directory)
    })
    const room = await openRoom(join(directory, 'uploads'))
    const [one, two] = ['1', '2'].map((digit) => digit.repeat(700_000)) as [string, string]
    const { id } = await room.create('www', Readable.from([Buffer.from(fileLine('one', one))]))
    const other = await room.create('www', Readable.from([Buffer.from(fileLine('two', two))]))
    const bodies = [new PassThrough(), new PassThrough()] as const
    const first = room.putBlob(id, digestOf(one), { offset: 0, body: bodies[0] })
    const second = room.putBlob(other.id, digestOf(two), { offset: 0, body: bodies[1] })
    const refused = t.rejects(second, { code: 'ENGINE_ERR_NO_SPACE' }, 'both were admitted, one fills the disk')
    bodies[0].end(one)
    t.match(await first, { haveBytes: 700_000 })
    bodies[1].end(two)
    await refused
    await room.drop(other.id)
    const third = room.create('www', Readable.from([Buffer.from(fileLine('two', two))]))
    await t.rejects(third, { code: 'ENGINE_ERR_NO_SPACE', details: { needBytes: 700_000 } })
    await room.drop(id)
    t.match(await room.create('www', Readable.from([Buffer.from(fileLine('two', two))])), { missingCount: 1 })
  },
)
