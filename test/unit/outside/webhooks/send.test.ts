// Goal: whatever a receiver does, one attempt ends in time, in little memory, and says what happened.
// Method: real servers on loopback that answer wrongly, hang, redirect, flood or reset; a clock that is pushed.
import { subscribe } from 'node:diagnostics_channel'
import { createServer, type Server, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { systemClock } from '../../../../src/base/clock.js'
import { send } from '../../../../src/outside/webhooks/send.js'
import { ManualClock } from '../../../support/manual-clock.js'
import { Receiver } from '../../../support/receiver.js'
import { until } from '../../../support/until.js'

const never = new AbortController().signal
const post = (url: string, allowPrivate = true) => ({
  url,
  headers: { 'x-test': 'yes' },
  body: '{"a":"ü"}',
  allowPrivate,
})
const real = { clock: systemClock, signal: never }

const opened = async (t: Test): Promise<Receiver> => {
  const receiver = await Receiver.open()
  t.teardown(() => receiver.close())
  return receiver
}

/** A bare TCP server: `talk` gets each socket once a request has begun to arrive. */
async function rawServer(t: Test, talk: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => talk(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

t.test('a POST brings the body, the headers and the name of the host', async (t) => {
  const receiver = await opened(t)
  const url = `${receiver.url.replace('127.0.0.1', 'hooks.test')}/in?token=1`
  const outcome = await send(post(url), { ...real, resolve: async () => ['127.0.0.1'] })
  t.match(outcome, { type: 'answered', status: 200, text: 'thanks' })
  t.match(receiver.received, [{ method: 'POST', path: '/in?token=1', body: '{"a":"ü"}', headers: { 'x-test': 'yes' } }])
  t.equal(receiver.received[0]?.headers.host, new URL(url).host)
})

t.test('a name that leads to a private address is not called, nor one that leads nowhere', async (t) => {
  const receiver = await opened(t)
  const url = receiver.url.replace('127.0.0.1', 'hooks.test')
  for (const addresses of [['127.0.0.1'], ['10.0.0.1', '::1'], []]) {
    const outcome = await send(post(url, false), { ...real, resolve: async () => addresses })
    t.match(outcome, { type: 'unanswered', why: /hooks\.test is not on the public internet/ })
  }
  t.match(await send(post(receiver.url, false), real), { type: 'unanswered', why: /not on the public internet/ })
  t.equal(receiver.received.length, 0)
})

t.test('a name is looked up once: what was judged is what is called', async (t) => {
  const receiver = await opened(t)
  let asked = 0
  const resolve = async (): Promise<string[]> => [asked++ === 0 ? '127.0.0.1' : '127.0.0.2']
  await send(post(receiver.url.replace('127.0.0.1', 'rebinding.test')), { ...real, resolve })
  t.equal(asked, 1)
  t.equal(receiver.received.length, 1)
})

t.test('an error is told with the beginning of its text, a redirect is not followed', async (t) => {
  const receiver = await opened(t)
  const other = await opened(t)
  receiver.answer = (response) => response.writeHead(500, { 'retry-after': '7' }).end('no\u0000 \u001b[31mspace\nleft')
  t.match(await send(post(receiver.url), real), { status: 500, retryAfterMs: 7000, text: /^no\s+\[31mspace left$/ })
  receiver.answer = (response) => response.writeHead(307, { location: other.url }).end()
  t.match(await send(post(receiver.url), real), { type: 'answered', status: 307 })
  t.equal(other.received.length, 0)
})

t.test('of an answer of a gigabyte only the beginning is read', async (t) => {
  let written = 0
  let isCut = false
  const url = await rawServer(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n')
    const part = Buffer.alloc(65_536, 'x')
    const more = (): void => {
      while (!socket.destroyed && socket.write(part)) written += part.length
    }
    socket.on('drain', more)
    socket.on('close', () => {
      isCut = true
    })
    more()
  })
  const outcome = await send(post(url), real)
  t.match(outcome, { type: 'answered', status: 200 })
  t.ok(outcome.type === 'answered' && outcome.text.length <= 300)
  await until('the connection is cut', () => isCut)
  t.ok(written < 64 * 1024 * 1024, `${written} bytes were sent`)
})

t.test('a receiver that says nothing, or stops in the middle, is let go after 15 s', async (t) => {
  const silent = await rawServer(t, () => {})
  const half = await rawServer(t, (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-le'))
  for (const url of [silent, half]) {
    const clock = new ManualClock()
    const sending = send(post(url), { clock, signal: never })
    clock.advance(14_999)
    t.equal(clock.waiting, 1, 'it still waits')
    clock.advance(1)
    t.match(await sending, { type: 'unanswered', why: /15000 ms|15 s/ })
  }
  t.equal(new ManualClock().waiting, 0)
})

t.test('an answer whose body hangs or breaks off counts by its status', async (t) => {
  const head = 'HTTP/1.1 202 Accepted\r\ncontent-length: 100\r\n\r\nwait'
  const broken = await rawServer(t, (socket) => socket.end(head))
  t.match(await send(post(broken), real), { type: 'answered', status: 202, text: 'wait' })
  const hanging = await rawServer(t, (socket) => socket.write(head))
  const clock = new ManualClock()
  const heard = new Promise<void>((resolve) => subscribe('http.client.response.finish', () => resolve()))
  const sending = send(post(hanging), { clock, signal: never })
  await heard
  clock.advance(15_000)
  t.match(await sending, { type: 'answered', status: 202 })
})

t.test('resets, garbage, closed ports and endless headers are told in words', async (t) => {
  const reset = await rawServer(t, (socket) => socket.resetAndDestroy())
  const garbage = await rawServer(t, (socket) => socket.end('\u0000\u0001 nonsense\r\n\r\n'))
  const headers = await rawServer(t, (socket) => socket.end(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`))
  const closed = await Receiver.open()
  await closed.close()
  for (const url of [reset, garbage, headers, closed.url]) {
    const outcome = await send(post(url), real)
    t.match(outcome, { type: 'unanswered', why: /\w/ }, url)
    t.notMatch(outcome, { why: /distributary itself/ }, 'the receiver is to blame')
  }
  const unknown = await send(post('http://nowhere.test/'), {
    ...real,
    resolve: () =>
      Promise.reject(Object.assign(new Error('getaddrinfo ENOTFOUND nowhere.test'), { code: 'ENOTFOUND' })),
  })
  t.match(unknown, { type: 'unanswered', why: /ENOTFOUND/ })
})

t.test('closing breaks an attempt off', async (t) => {
  const url = await rawServer(t, () => {})
  const stop = new AbortController()
  const sending = send(post(url), { clock: systemClock, signal: stop.signal })
  stop.abort(new Error('closing'))
  t.match(await sending, { type: 'unanswered', why: /closing/ })
})
