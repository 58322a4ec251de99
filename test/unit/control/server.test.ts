// The HTTP API as clients see it: every route over injected requests against a coordinator that only
// remembers; then what the server refuses, and that a listening one says why it cannot listen.
import { connect, createServer, type Socket } from 'node:net'
import t from 'tap'
import { systemClock } from '../../../src/base/clock.js'
import { EngineError } from '../../../src/base/errors.js'
import { silentLogger } from '../../../src/base/log.js'
import { createMetrics } from '../../../src/control/metrics.js'
import type { Problem } from '../../../src/control/schema/problem.js'
import { buildServer, ControlServer, openApiDocument } from '../../../src/control/server.js'
import { auditEntry, chainOf } from '../../support/audit.js'
import { FakeDoor, someJob, someNodeId } from '../../support/fake-door.js'
import { publishRequests } from '../../support/records.js'
import { until } from '../../support/until.js'

const build = async (t: { teardown(run: () => unknown): void }, host = '127.0.0.1') => {
  const door = new FakeDoor()
  const options = { door, host, log: silentLogger, clock: systemClock, metrics: createMetrics() }
  const { app } = await buildServer(options)
  t.teardown(() => app.close())
  return { door, app }
}

const commands = publishRequests('/srv/staging')
const publish = { site: 'www', group: 'edge', commands }

t.test('a job request is filled with defaults and answered with 202 and its place', async (t) => {
  const { app, door } = await build(t)
  const answer = await app.inject({ method: 'POST', url: '/v1/jobs', payload: publish })
  t.equal(answer.statusCode, 202)
  t.equal(answer.headers.location, '/v1/jobs/job-1')
  t.equal(answer.json().id, 'job-1')
  t.strictSame(door.requests, [
    {
      ...publish,
      only: null,
      reason: null,
      policy: { maxDeleteRatio: 0.25, allowEmpty: false, quorum: 0.5, strategy: 'braid' },
    },
  ])
})

t.test('a rollback needs a reason and takes no directory', async (t) => {
  const { app, door } = await build(t)
  const rollback = { site: 'www', reason: 'typo', commands: [{ type: 'rollback', release: 3 }] }
  t.equal((await app.inject({ method: 'POST', url: '/v1/jobs', payload: rollback })).statusCode, 202)
  t.match(door.requests[0], { group: null, reason: 'typo', commands: [{ type: 'rollback', release: 3 }] })
  const further = { commands: [{ type: 'rollback', directory: '/srv' }] }
  for (const wrong of [{ reason: ' ' }, { reason: undefined }, further]) {
    const answer = await app.inject({ method: 'POST', url: '/v1/jobs', payload: { ...rollback, ...wrong } })
    t.equal(answer.statusCode, 400, JSON.stringify(wrong))
  }
  t.equal(door.requests.length, 1)
})

t.test('every query of the coordinator has its route', async (t) => {
  const { app, door } = await build(t)
  door.emit('phase', someJob('j1', 'distributing'))
  t.strictSame((await app.inject('/v1/jobs/j1')).json(), door.jobs.get('j1'))
  t.strictSame((await app.inject('/v1/jobs?site=www&state=distributing&limit=7')).json().items.length, 1)
  t.strictSame(door.filter, { site: 'www', state: 'distributing', limit: 7 })
  await app.inject('/v1/jobs')
  t.strictSame(door.filter, { limit: 50 })
  t.equal((await app.inject('/v1/jobs/j1/receipts')).json().items[0].nodeId, someNodeId)
  t.strictSame((await app.inject('/v1/jobs/j1/explain')).json().items, await door.explain('j1'))
  t.strictSame((await app.inject('/v1/nodes')).json().items, await door.nodes())
  t.strictSame((await app.inject('/v1/sites')).json().items, await door.sites())
  t.strictSame((await app.inject('/v1/nodes/ams-1/state')).json(), await door.queryNode('ams-1'))
  t.match((await app.inject('/v1/nodes/ams-2/state')).json(), { status: 504, code: 'ENGINE_ERR_NODE_SILENT' })
  t.equal((await app.inject('/v1/nodes/..%2Fx/state')).statusCode, 400)
  t.strictSame((await app.inject('/v1/version')).json(), door.version())
  t.equal((await app.inject({ method: 'POST', url: '/v1/jobs/j1/commit' })).statusCode, 202)
  t.equal((await app.inject({ method: 'POST', url: '/v1/jobs/j1/abort' })).json().state, 'aborted')
  t.equal((await app.inject({ method: 'POST', url: '/v1/jobs/j1/pause' })).json().paused, true)
  t.equal((await app.inject({ method: 'POST', url: '/v1/jobs/j1/resume' })).statusCode, 202)
  t.strictSame((await app.inject('/v1/limits')).json().items, await door.limits())
  const limit = { method: 'PUT', url: '/v1/limits/ams-1' } as const
  t.match((await app.inject({ ...limit, body: { bandwidth: '5M' } })).json(), { name: 'ams-1', bandwidth: '5M' })
  const refused = await app.inject({ ...limit, body: { bandwidth: '5' } })
  t.match([refused.statusCode, refused.json().detail], [400, /with its unit/])
  t.strictSame(door.calls, ['commit j1', 'abort j1', 'pause j1', 'resume j1', 'limit ams-1 5M'])
})

t.test('audit records come in pages, oldest first', async (t) => {
  const { app, door } = await build(t)
  door.records.push(...chainOf([auditEntry(), auditEntry({ outcome: 'refused', code: 'ENGINE_ERR_CONFLICT' }), null]))
  t.strictSame((await app.inject('/v1/audit')).json(), { items: door.records, nextSinceSeq: null })
  t.strictSame((await app.inject('/v1/audit?limit=2')).json(), { items: door.records.slice(0, 2), nextSinceSeq: 2 })
  t.strictSame((await app.inject('/v1/audit?sinceSeq=2&limit=2')).json().items, door.records.slice(2))
  for (const wrong of [
    'limit=0',
    'limit=501',
    'sinceSeq=-1',
    'sinceSeq=1.5',
    'sinceSeq=x',
    'since=1',
    'sinceSeq=1e99',
  ]) {
    t.equal((await app.inject(`/v1/audit?${wrong}`)).statusCode, 400, wrong)
  }
})

t.test('the history of a site has its route', async (t) => {
  const { app, door } = await build(t)
  const entry = { jobId: 'j', atMs: 1, finishedAtMs: 2, durationMs: 1, commands: ['publish', 'commit'] } as const
  const rest = { changes: null, sentBytes: 9, nodesLive: 1, nodesBehind: 0, nodeCount: 1, error: null } as const
  const who = { result: 'succeeded', fromRelease: null, toRelease: 1, actor: '10.0.0.7', reason: null } as const
  door.entries.push({ ...entry, ...who, ...rest }, { ...entry, ...who, ...rest, jobId: 'k' })
  t.strictSame((await app.inject('/v1/sites/www/history')).json(), { items: door.entries })
  t.strictSame((await app.inject('/v1/sites/www/history?limit=1')).json(), { items: door.entries.slice(0, 1) })
  for (const wrong of ['www/history?limit=0', 'www/history?limit=501', '.x/history', 'www/history?since=1']) {
    t.equal((await app.inject(`/v1/sites/${wrong}`)).statusCode, 400, wrong)
  }
})

t.test('whatever changes something is asked on the door of who sent the request', async (t) => {
  const theirs = new Map<string, FakeDoor>()
  const doorFor = (actor: string): FakeDoor => {
    const door = theirs.get(actor) ?? new FakeDoor()
    door.emit('phase', someJob('j1', 'staged'))
    theirs.set(actor, door)
    return door
  }
  const nobody = new FakeDoor()
  nobody.emit('phase', someJob('j1', 'staged'))
  const parts = { host: '127.0.0.1', log: silentLogger, clock: systemClock, metrics: createMetrics() }
  const { app } = await buildServer({ door: nobody, doorFor, ...parts })
  t.teardown(() => app.close())
  const { paths } = app.swagger() as unknown as { paths: Record<string, Record<string, { operationId: string }>> }
  const changing = Object.entries(paths).flatMap(([url, methods]) =>
    Object.keys(methods).flatMap((method) =>
      method === 'get' || method === 'head' ? [] : [{ url, method: method.toUpperCase() }],
    ),
  )
  t.ok(changing.length >= 3)
  const bodies = new Map<string, object>([
    ['/v1/webhooks', { url: 'https://a.test/' }],
    ['/v1/verifications', { site: 'www' }],
    ['/v1/webhooks/{id}/rotate', { secret: null }],
    ['/v1/sites/{site}/hold', { reason: 'x' }],
    ['/v1/sites/{site}/resume', {}],
    ['/v1/limits/{name}', { bandwidth: 'off' }],
    ['/v1/nodes/{name}/probe', {}],
  ])
  for (const { url, method } of changing) {
    const payload = url.endsWith('/commands') ? { commands } : (bodies.get(url) ?? publish)
    const id = /^\/v1\/(uploads|transfers)/.test(url) ? 'a'.repeat(32) : 'j1'
    const filled = url
      .replace('{id}', id)
      .replace('{digest}', 'b'.repeat(64))
      .replace('{site}', 'www')
      .replace('{name}', 'n1')
    const inject = { method: method as 'POST', url: url === '/v1/uploads' ? `${filled}?site=www` : filled, payload }
    theirs.clear()
    await app.inject({ ...inject, remoteAddress: '::ffff:10.0.0.7' })
    t.same([...theirs.keys()], ['10.0.0.7'], `${method} ${url}`)
  }
  t.same([nobody.requests, nobody.calls], [[], []])
})

t.test('readiness follows the coordinator, liveness does not', async (t) => {
  const { app, door } = await build(t)
  door.isReady = false
  t.equal((await app.inject('/healthz/ready')).statusCode, 503)
  t.equal((await app.inject('/healthz/live')).statusCode, 200)
  door.isReady = true
  t.equal((await app.inject('/healthz/ready')).statusCode, 200)
})

t.test('an error of the coordinator becomes a problem document with its code', async (t) => {
  const { app } = await build(t)
  const answer = await app.inject('/v1/jobs/none')
  t.equal(answer.statusCode, 404)
  t.match(answer.headers['content-type'], /^application\/problem\+json/)
  const problem = answer.json<Problem>()
  t.match(problem, {
    type: 'docs/reference/errors.md#engine_err_job_unknown',
    code: 'ENGINE_ERR_JOB_UNKNOWN',
    status: 404,
    title: 'Job unknown',
    detail: 'there is no job none',
    retryable: false,
    details: { jobId: 'none' },
  })
  t.ok(problem.hint)
})

t.test('what the coordinator throws by mistake is an internal error without its insides', async (t) => {
  const { app, door } = await build(t)
  door.nodes = () => Promise.reject(new Error('secret path /root'))
  const answer = await app.inject('/v1/nodes')
  t.equal(answer.statusCode, 500)
  t.equal(answer.json<Problem>().code, 'ENGINE_ERR_INTERNAL')
  door.nodes = () => Promise.reject(new EngineError('ENGINE_ERR_CLOSING'))
  const closing = await app.inject('/v1/nodes')
  t.equal(closing.statusCode, 503)
  t.equal(closing.headers['retry-after'], '1')
})

t.test('each wrong field is named', async (t) => {
  const { app, door } = await build(t)
  const payload = { site: '../x', group: 'edge', commands: [{ type: 'publish', directory: 'relative' }], extra: 1 }
  const answer = await app.inject({ method: 'POST', url: '/v1/jobs', payload })
  t.equal(answer.statusCode, 400)
  const problem = answer.json<Problem>()
  t.equal(problem.code, 'ENGINE_ERR_INVALID_ARGUMENT')
  const pointers = (problem.errors ?? []).map(({ pointer }) => pointer)
  t.ok(pointers.includes('body/site'))
  t.ok(pointers.includes('body/commands/0/directory'))
  t.match(problem.detail, /extra/)
  t.equal(door.requests.length, 0)
})

t.test('an unknown path is a problem too', async (t) => {
  const { app } = await build(t)
  for (const url of ['/v1/nothing', '/', '/v1/jobs/a/b/c', '/%zz', `/v1/jobs/${'x'.repeat(200)}`]) {
    const answer = await app.inject(url)
    t.match(
      [404, 400].includes(answer.statusCode) && answer.json<Problem>().code,
      /ROUTE_UNKNOWN|INVALID_ARGUMENT/,
      url,
    )
    t.match(answer.headers['content-type'], /^application\/problem\+json/, url)
  }
})

t.test('a page of another origin cannot drive it, nor a name that points here', async (t) => {
  const { app, door } = await build(t)
  const post = (headers: Record<string, string>) =>
    app.inject({ method: 'POST', url: '/v1/jobs', payload: publish, headers })
  const refused = [
    { host: '127.0.0.1:7400', origin: 'http://evil.example' },
    { host: '127.0.0.1:7400', origin: 'null' },
    { host: '127.0.0.1:7400', origin: 'http://127.0.0.1:9999' },
    { host: '127.0.0.1:7400', 'sec-fetch-site': 'cross-site' },
    { host: 'evil.example:7400' },
    { host: '127.0.0.1.evil.example' },
  ]
  for (const headers of refused) {
    const answer = await post(headers)
    t.equal(answer.statusCode, 403, JSON.stringify(headers))
    t.equal(answer.json<Problem>().code, 'ENGINE_ERR_ORIGIN_REFUSED')
  }
  t.equal(door.requests.length, 0)
  for (const host of ['127.0.0.1:7400', 'localhost:7400', '[::1]:7400']) {
    t.equal((await post({ host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' })).statusCode, 202, host)
  }
})

t.test('a server that others can reach answers to any name, but not to other origins', async (t) => {
  const { app } = await build(t, '0.0.0.0')
  const headers = { host: 'engine.example:7400' }
  t.equal((await app.inject({ url: '/v1/nodes', headers })).statusCode, 200)
  const foreign = { ...headers, origin: 'http://evil.example' }
  t.equal((await app.inject({ url: '/v1/nodes', headers: foreign })).statusCode, 403)
})

t.test('the OpenAPI document describes every route, and every reference in it leads somewhere', async (t) => {
  const { app } = await build(t)
  const answer = await app.inject('/openapi.json')
  const document = answer.json()
  t.strictSame(JSON.parse(JSON.stringify(await openApiDocument())), document, 'the committed page is what is served')
  t.match(document.openapi, /^3\.1/)
  const operations = Object.values<Record<string, { operationId: string }>>(document.paths)
    .flatMap((path) => Object.values(path).map(({ operationId }) => operationId))
    .sort()
  t.strictSame(operations, [
    'abort',
    'addCommands',
    'addWebhook',
    'audit',
    'blob-head',
    'blobView',
    'bringFile',
    'commands',
    'commit',
    'completeUpload',
    'createUpload',
    'deliveries',
    'dropLoose',
    'dropUpload',
    'end',
    'events',
    'explain',
    'file',
    'file-head',
    'history',
    'holdSite',
    'job',
    'jobs',
    'limits',
    'live',
    'missingBlobs',
    'nodes',
    'openJob',
    'pauseJob',
    'pingWebhook',
    'probe',
    'putBlob',
    'putContent',
    'putFile',
    'queryNode',
    'ready',
    'receipts',
    'removeFile',
    'removeWebhook',
    'resendDelivery',
    'resumeJob',
    'resumeSite',
    'rotateWebhook',
    'setLimit',
    'siteFiles',
    'sites',
    'upload',
    'uploads',
    'verification',
    'verify',
    'version',
    'watch',
    'webhooks',
  ])
  const refs = [...answer.body.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name)
  for (const name of new Set(refs)) t.ok(document.components.schemas[name ?? ''], `${name} is described`)
  for (const name of Object.keys(document.components.schemas)) t.ok(refs.includes(name), `${name} is used`)
  t.ok(refs.includes('JobRequest') && refs.includes('Problem') && refs.includes('JobEvent'))
})

t.test('metrics count requests by route, and two servers do not share them', async (t) => {
  const one = await build(t)
  const other = await build(t)
  await one.app.inject('/v1/jobs/abc')
  const counted = 'engine_http_requests_total{method="GET",route="/v1/jobs/:id",status="404"} 1'
  const text = (await one.app.inject('/metrics')).body
  t.ok(text.includes(counted))
  t.match(text, /process_resident_memory_bytes \d+/)
  t.match(text, /^process_event_loop_delay_seconds [\d.e-]+$/m)
  t.notOk((await other.app.inject('/metrics')).body.includes(counted))
})

t.test('callers that send nothing, half a request or no HTTP are cut although they never hang up', async (t) => {
  const { app } = await build(t)
  app.server.headersTimeout = 1
  const port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
  const heard: Promise<string>[] = []
  for (const said of ['', 'GET /v1/version HTTP/1.1\r\nhost: 127', 'ssh?\r\n\r\n']) {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true }).setEncoding('utf8')
    t.teardown(() => socket.destroy())
    socket.write(said)
    heard.push(answerTo(socket))
  }
  const [silent, half, garbage] = await Promise.all(heard)
  t.match(silent, /^HTTP\/1\.1 408 .*not complete in time/s)
  t.match(half, /^HTTP\/1\.1 408 .*not complete in time/s)
  t.match(garbage, /^HTTP\/1\.1 400 .*not HTTP/s)
  const connections = (): Promise<number> =>
    new Promise((resolve) => app.server.getConnections((_, count) => resolve(count)))
  await until('no connection is left', async () => (await connections()) === 0)
})

/** All that a socket hears before the other side is done. */
async function answerTo(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', (part) => {
    text += String(part)
  })
  await new Promise<void>((resolve, reject) => socket.on('end', resolve).on('error', reject))
  return text
}

t.test('a port in use and an address of another machine are told apart', async (t) => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  t.teardown(() => taken.close())
  const address = taken.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const open = (host: string, port: number) =>
    ControlServer.open({
      door: new FakeDoor(),
      host,
      port,
      log: silentLogger,
      clock: systemClock,
      metrics: createMetrics(),
    })
  await t.rejects(open('127.0.0.1', port), { code: 'ENGINE_ERR_PORT_IN_USE', details: { host: '127.0.0.1', port } })
  const elsewhere = { code: 'ENGINE_ERR_LISTEN', message: /^cannot listen on 203\.0\.113\.1:0: listen EADDRNOTAVAIL/ }
  await t.rejects(open('203.0.113.1', 0), elsewhere)
  const server = await open('127.0.0.1', 0)
  t.match(server.url, /^http:\/\/127\.0\.0\.1:\d+$/)
  t.equal((await fetch(`${server.url}/healthz/live`)).status, 200)
  await Promise.all([server.close(), server.close()])
  await t.rejects(fetch(`${server.url}/healthz/live`))

  const everywhere = await open('0.0.0.0', 0)
  t.teardown(() => everywhere.close())
  t.match(everywhere.url, /^http:\/\/127\.0\.0\.1:\d+$/, 'this is for callers of this machine')
  t.match(everywhere.listen, /^0\.0\.0\.0:[1-9]\d*$/, 'this says what it listens on')
})
