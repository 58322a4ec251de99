// Event streams: what is written, that a reader resumes where it stood, and that a slow one costs a
// bounded queue. Real sockets, since a reader that stops reading exists only there.
import { connect } from 'node:net'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { WATCHER_EVENTS_MAX } from '../../../src/base/limits.js'
import { silentLogger } from '../../../src/base/log.js'
import { noMetrics } from '../../../src/base/metrics.js'
import { EventStreams, formatEvent, WatcherQueue } from '../../../src/control/events.js'
import type { JobEvent } from '../../../src/model/event.js'
import { serve } from '../../support/control.js'
import { someJob } from '../../support/fake-door.js'
import { ManualClock } from '../../support/manual-clock.js'
import { until } from '../../support/until.js'

const event = (id: number, type: JobEvent['type']): JobEvent => ({ type, id, atMs: 1, job: someJob('j') })

const idsIn = (text: string): number[] => [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))

t.test('a newer progress takes the place of an older one that waits, a phase never goes', async (t) => {
  const queue = new WatcherQueue()
  const types = ['phase', 'progress', 'progress', 'phase', 'progress', 'result'] as const
  types.forEach((type, index) => {
    t.ok(queue.push(event(index + 1, type)))
  })
  const ids = []
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) ids.push(next.id)
  t.strictSame(ids, [1, 3, 4, 5, 6])
})

t.test('a queue is bounded', async (t) => {
  const queue = new WatcherQueue()
  for (let id = 1; id <= WATCHER_EVENTS_MAX; id++) t.ok(queue.push(event(id, 'phase')))
  t.notOk(queue.push(event(99_999, 'phase')))
  t.equal(queue.length, WATCHER_EVENTS_MAX)
})

t.test('an event is one id, one name and one line of data', async (t) => {
  const text = formatEvent({ ...event(7, 'phase'), job: { ...someJob('j'), reason: 'two\nlines\r\n' } })
  t.match(text, /^id: 7\nevent: phase\ndata: \{.*\}\n\n$/)
  t.equal(text.split('\n').length, 5)
})

t.test('a stream gives what was and what comes, and ends after the result', async (t) => {
  const { door, server } = await serve(t)
  door.emit('phase', someJob('j1', 'packing'))
  const answer = await fetch(`${server.url}/v1/jobs/j1/events`)
  t.match(answer.headers.get('content-type'), /^text\/event-stream/)
  const text = answer.text()
  await until('the stream waits', () => door.watchers === 1)
  door.emit('progress', someJob('j1', 'distributing'))
  door.emit('result', someJob('j1', 'succeeded'))
  t.strictSame(idsIn(await text), [1, 2, 3])
  await until('nobody watches any more', () => door.watchers === 0)
})

t.test('a reader resumes after the id it saw last, by header or query', async (t) => {
  const { door, server } = await serve(t)
  for (const state of ['packing', 'distributing', 'committing'] as const) door.emit('phase', someJob('j1', state))
  door.emit('result', someJob('j1', 'succeeded'))
  const url = `${server.url}/v1/jobs/j1/events`
  t.strictSame(idsIn(await (await fetch(url, { headers: { 'last-event-id': '2' } })).text()), [3, 4])
  t.strictSame(idsIn(await (await fetch(`${url}?sinceId=3`)).text()), [4])
  t.equal((await fetch(`${url}?sinceId=4`)).status, 204, 'nothing newer will come: the browser stops')
  t.equal((await fetch(url, { headers: { 'last-event-id': 'x' } })).status, 400)
  t.equal((await fetch(`${url}?sinceId=-1`)).status, 400)
  t.equal((await fetch(`${server.url}/v1/jobs/none/events`)).status, 404)
})

t.test('a silent job is kept alive by comments', async (t) => {
  const clock = new ManualClock()
  const streams = new EventStreams({ clock, log: silentLogger, metrics: noMetrics })
  const response = Object.assign(new PassThrough(), { writeHead: () => response })
  let text = ''
  response.on('data', (data: Buffer) => {
    text += data.toString()
  })
  const controller = new AbortController()
  const silence = (async function* (): AsyncGenerator<JobEvent> {
    await new Promise<void>((resolve) => controller.signal.addEventListener('abort', () => resolve()))
  })()
  const sent = streams.send(response as never, silence, controller)
  clock.advance(60_000)
  await until('comments are written', () => text.includes(': alive'))
  t.equal(text.match(/: alive/g)?.length, 4)
  response.destroy()
  await sent
  t.equal(streams.count, 0)
  t.equal(clock.waiting, 0, 'no timer is left')
})

t.test('a reader that goes is forgotten', async (t) => {
  const { door, server } = await serve(t)
  door.emit('phase', someJob('j1', 'packing'))
  const controller = new AbortController()
  const answer = await fetch(`${server.url}/v1/jobs/j1/events`, { signal: controller.signal })
  t.equal(answer.status, 200)
  await until('it watches', () => door.watchers === 1)
  controller.abort()
  await until('it is forgotten', () => door.watchers === 0)
})

t.test('a reader that reads nothing is cut after a while, and one that comes again gets everything', async (t) => {
  const clock = new ManualClock()
  const { door, server } = await serve(t, { clock })
  const big = { ...someJob('j1', 'distributing'), reason: 'x'.repeat(200_000) }
  // Phases cannot be merged: these fill socket and queue.
  for (let count = 0; count < 150; count++) door.emit('phase', big)
  const socket = connect(server.address.port, '127.0.0.1')
  let cut = false
  socket.on('error', () => {})
  socket.on('close', () => {
    cut = true
  })
  t.teardown(() => socket.destroy())
  socket.pause()
  socket.write('GET /v1/jobs/j1/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
  await until('it watches', () => door.watchers === 1)
  await until('the stream is cut', () => {
    clock.advance(1000)
    return door.watchers === 0
  })
  socket.resume()
  await until('the reader learns of it', () => cut)
  door.emit('result', someJob('j1', 'succeeded'))
  const text = await (await fetch(`${server.url}/v1/jobs/j1/events`)).text()
  t.strictSame(
    idsIn(text),
    Array.from({ length: 151 }, (_, index) => index + 1),
  )
})

t.test('closing the server ends its streams', async (t) => {
  const { door, server } = await serve(t)
  door.emit('phase', someJob('j1', 'packing'))
  const answer = await fetch(`${server.url}/v1/jobs/j1/events`)
  const text = answer.text().catch(() => 'cut')
  await until('it watches', () => door.watchers === 1)
  await server.close()
  t.ok(await text)
  t.equal(door.watchers, 0)
})
