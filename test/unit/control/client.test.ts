// The client against a listening control plane: its methods mirror the coordinator's, errors arrive as
// they were thrown, and a watcher lives through a coordinator that goes away and comes back.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { type Clock, systemClock } from '../../../src/base/clock.js'
import { WATCHERS_MAX } from '../../../src/base/limits.js'
import { Client } from '../../../src/control/client.js'
import { absoluteDirectory } from '../../../src/control/requests.js'
import type { JobEvent } from '../../../src/model/event.js'
import { serve } from '../../support/control.js'
import { someJob, someNodeId } from '../../support/fake-door.js'
import { ManualClock } from '../../support/manual-clock.js'
import { stablePort } from '../../support/port.js'
import { until } from '../../support/until.js'

t.test('publish sends an absolute directory and gives a job that can be followed', async (t) => {
  const { door, server } = await serve(t)
  const client = new Client({ url: `${server.url}/` })
  const job = await client.publish('./site', { site: 'www', group: 'edge', quorum: 0.9 })
  const types = ['publish', 'commit', 'end-job']
  t.match(door.requests[0]?.commands, [{ directory: `${process.cwd()}/site` }, {}, {}])
  t.same(
    door.requests[0]?.commands.map(({ type }) => type),
    types,
  )
  t.match(door.requests[0]?.policy, { quorum: 0.9, maxDeleteRatio: 0.25, strategy: 'braid' })
  const seen: JobEvent[] = []
  const following = (async () => {
    for await (const event of job.progress()) seen.push(event)
  })()
  const completed = job.completed()
  await until('the first event came', () => seen.length === 1)
  door.emit('progress', someJob(job.id, 'distributing'))
  door.emit('result', someJob(job.id, 'succeeded'))
  await following
  t.equal((await completed).state, 'succeeded')
  t.strictSame([seen[0]?.type, seen.at(-1)?.type], ['phase', 'result'])
})

t.test('the queries are those of the coordinator', async (t) => {
  const { door, server } = await serve(t)
  const client = new Client({ url: server.url })
  door.emit('phase', someJob('j1', 'staged'))
  t.strictSame(await client.job('j1'), door.jobs.get('j1'))
  t.equal((await client.jobs({ site: 'www', state: 'staged', limit: 3 })).length, 1)
  t.strictSame(door.filter, { site: 'www', state: 'staged', limit: 3 })
  t.equal((await client.receipts('j1'))[0]?.nodeId, someNodeId)
  t.strictSame(await client.nodes(), await door.nodes())
  t.strictSame(await client.sites(), await door.sites())
  t.strictSame(await client.version(), door.version())
  await client.commit('j1')
  t.equal((await client.abort('j1')).state, 'aborted')
  t.strictSame(door.calls, ['commit j1', 'abort j1'])
})

t.test('an abort waits until the job has stopped, or went on', async (t) => {
  const { door, server } = await serve(t)
  const client = new Client({ url: server.url })
  for (const [id, end] of [
    ['j1', 'aborted'],
    ['j2', 'succeeded'],
  ] as const) {
    door.emit('phase', someJob(id, 'packing'))
    door.abortJob = async () => {
      setImmediate(() => door.emit('result', someJob(id, end)))
      return door.getJob(id)
    }
    const abort = client.abort(id)
    if (end === 'aborted') t.equal((await abort).state, end)
    else await t.rejects(abort, { code: 'ENGINE_ERR_JOB_STATE' })
  }
})

t.test('a rollback names its reason', async (t) => {
  const { door, server } = await serve(t)
  await new Client({ url: server.url }).rollback({ site: 'www', group: 'edge', reason: 'typo' })
  t.match(door.requests[0], { reason: 'typo', commands: [{ type: 'rollback', release: null }, { type: 'end-job' }] })
})

t.test('errors arrive with code, text and hint', async (t) => {
  const { door, server } = await serve(t)
  const client = new Client({ url: server.url })
  const error = await client.job('none').then(
    () => undefined,
    (error: unknown) => error,
  )
  t.ok(error instanceof EngineError)
  t.match(error, { code: 'ENGINE_ERR_JOB_UNKNOWN', message: 'there is no job none', details: { jobId: 'none' } })
  await t.rejects(client.rollback({ site: 'www', group: 'edge', reason: '' }), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  await t.rejects(client.attach('none'), { code: 'ENGINE_ERR_JOB_UNKNOWN' })
  door.emit('result', someJob('j1', 'failed'))
  await t.rejects((await client.attach('j1')).completed(), { code: 'ENGINE_ERR_QUORUM', hint: 'wait' })
  door.emit('result', someJob('j2', 'aborted'))
  await t.rejects((await client.attach('j2')).completed(), { code: 'ENGINE_ERR_JOB_ABORTED' })
  door.emit('result', { ...someJob('j3', 'failed'), error: { code: 'NEW', message: 'odd', hint: '' } })
  await t.rejects((await client.attach('j3')).completed(), { code: 'ENGINE_ERR_JOB_FAILED' })
})

t.test('nobody there, somebody else there, and an address that is none are told apart', async (t) => {
  const { server } = await serve(t)
  await server.close()
  await t.rejects(new Client({ url: server.url }).nodes(), {
    code: 'ENGINE_ERR_COORDINATOR_UNREACHABLE',
    message: /ECONNREFUSED/,
  })
  const other = createServer((request, response) => {
    if (request.url === '/v1/sites') response.writeHead(500, { 'content-type': 'text/html' })
    response.end('<p>hello')
  })
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  t.teardown(() => other.close())
  const address = other.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  for (const asked of [new Client({ url }).nodes(), new Client({ url }).sites()]) {
    await t.rejects(Promise.resolve<unknown>(asked), {
      code: 'ENGINE_ERR_COORDINATOR_UNREACHABLE',
      message: /no coordinator/,
    })
  }
  for (const wrong of ['127.0.0.1:7400', 'ftp://x', '', 'nonsense']) {
    t.throws(() => new Client({ url: wrong }), { code: 'ENGINE_ERR_INVALID_ARGUMENT' }, wrong)
  }
})

t.test('an answer that does not come in time is a timeout', async (t) => {
  const silent = createServer(() => {})
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    silent.closeAllConnections()
    silent.close()
  })
  const address = silent.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const clock = new ManualClock()
  const asked = new Client({ url, clock, timeoutMs: 5000 }).nodes()
  clock.advance(5001)
  await t.rejects(asked, { code: 'ENGINE_ERR_TIMEOUT' })
})

t.test('a watcher lives through a coordinator that restarts', async (t) => {
  const first = await serve(t, { port: await stablePort() })
  const client = new Client({ url: first.server.url })
  const job = await client.publish('/srv/site', { site: 'www', group: 'edge' })
  const seen: JobEvent[] = []
  const following = (async () => {
    for await (const event of job.progress()) seen.push(event)
  })()
  const completed = job.completed()
  await until('the first event came', () => seen.length === 1)
  await first.server.close()
  first.door.emit('phase', someJob(job.id, 'distributing'))
  await serve(t, { port: first.server.address.port, door: first.door })
  await until('the event of the outage came', () => seen.length === 2)
  first.door.emit('result', someJob(job.id, 'partial'))
  await following
  t.equal((await completed).state, 'partial')
  t.strictSame(
    seen.map(({ id }) => id),
    [1, 2, 3],
    'each once, in order',
  )
})

t.test('a job is followed to its end although others read all the streams there are', async (t) => {
  const { door, server } = await serve(t)
  const reading = new AbortController()
  t.teardown(() => reading.abort())
  const readers = await Promise.all(
    Array.from({ length: WATCHERS_MAX }, () => fetch(`${server.url}/v1/events`, { signal: reading.signal })),
  )
  t.ok(readers.every(({ status }) => status === 200))
  t.equal((await fetch(`${server.url}/v1/events`)).status, 503)
  let waits = 0
  const sleep: Clock['sleep'] = (ms, signal) => {
    waits += 1
    return systemClock.sleep(ms, signal)
  }
  const client = new Client({ url: server.url, outageMsMax: 1, clock: { ...systemClock, sleep } })
  const job = await client.publish('/site', { site: 'www', group: 'edge' })
  let isOver = false
  const completed = job.completed().finally(() => {
    isOver = true
  })
  await until('it was refused again and again', () => waits >= 3)
  t.notOk(isOver, 'a coordinator that answers is not away')
  door.emit('result', someJob(job.id, 'succeeded'))
  t.equal((await completed).state, 'succeeded')
})

t.test('a watcher gives up when the coordinator stays away', async (t) => {
  const { server, door } = await serve(t)
  const client = new Client({ url: server.url, outageMsMax: 1 })
  const job = await client.publish('/srv/site', { site: 'www', group: 'edge' })
  const completed = job.completed()
  completed.catch(() => {})
  await until('it watches', () => door.watchers === 1)
  await server.close()
  await t.rejects(completed, { code: 'ENGINE_ERR_COORDINATOR_UNREACHABLE' })
})

t.test('a job that a restarted coordinator does not know ends the watch', async (t) => {
  const { server } = await serve(t)
  const events = new Client({ url: server.url }).watch('gone')
  await t.rejects(events.next(), { code: 'ENGINE_ERR_JOB_UNKNOWN' })
})

t.test('a signal asks for the abort of a job that was made', async (t) => {
  const { server, door } = await serve(t)
  const client = new Client({ url: server.url })
  const controller = new AbortController()
  const job = await client.publish('/srv', { site: 'www', group: 'edge', signal: controller.signal })
  controller.abort()
  await t.rejects(job.completed(), { code: 'ENGINE_ERR_JOB_ABORTED' })
  t.strictSame(door.calls, ['abort job-1'])
  await t.rejects(client.publish('/srv', { site: 'www', group: 'edge', signal: controller.signal }), {
    code: 'ENGINE_ERR_CANCELLED',
  })
  t.equal(door.requests.length, 1, 'nothing was asked')
})

t.test('a signal that fires while the job is being made aborts it too', async (t) => {
  const { server, door } = await serve(t)
  const controller = new AbortController()
  const create = door.createJob.bind(door)
  door.createJob = async (request) => {
    controller.abort()
    return create(request)
  }
  const options = { site: 'www', group: 'edge', signal: controller.signal }
  await t.rejects(new Client({ url: server.url }).publish('/srv', options), { code: 'ENGINE_ERR_CANCELLED' })
  t.strictSame(door.calls, ['abort job-1'])
})

t.test('a signal ends a watch quietly', async (t) => {
  const { server, door } = await serve(t)
  const job = await new Client({ url: server.url }).publish('/srv', { site: 'www', group: 'edge' })
  const controller = new AbortController()
  const seen: JobEvent[] = []
  for await (const event of job.progress({ signal: controller.signal })) {
    seen.push(event)
    controller.abort()
  }
  t.equal(seen.length, 1)
  await until('nobody watches', () => door.watchers === 0)
})

t.test('directories are resolved from where the program stands', async (t) => {
  t.equal(absoluteDirectory('/a/../b/./c//'), '/b/c')
  t.equal(absoluteDirectory('x/../y'), `${process.cwd()}/y`)
  t.equal(absoluteDirectory('.'), process.cwd())
  t.equal(absoluteDirectory('/../..'), '/')
})

t.test('the door of the client and all it reaches run in a browser: nothing of Node, no native code', async (t) => {
  const reached = new Set<string>()
  const walk = async (file: URL): Promise<void> => {
    if (reached.has(file.href)) return
    reached.add(file.href)
    const code = await readFile(file, 'utf8')
    const imports = [...code.matchAll(/^(?:import|export) (?!type\b)[^;]*? from '([^']+)'/gm)].map(
      ([, from]) => from ?? '',
    )
    for (const from of imports) {
      if (from.startsWith('.')) await walk(new URL(from.replace(/\.js$/, '.ts'), file))
      else t.equal(from, 'eventsource-parser', `${file.pathname} imports ${from}`)
    }
  }
  await walk(new URL('../../../src/client.ts', import.meta.url))
  t.ok(reached.size > 5, 'the imports were followed')
})
