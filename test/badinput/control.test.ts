// What must not get in, over real sockets: each bad request or message is refused with a reason, a
// refusal costs nobody else anything, and after all of it the server answers as before.
import { connect } from 'node:net'
import t from 'tap'
import { HTTP_BODY_BYTES_MAX } from '../../src/base/limits.js'
import type { Problem } from '../../src/control/schema/problem.js'
import { ChannelPeer, helloOf } from '../support/channel-peer.js'
import { type Served, serve } from '../support/control.js'
import { someTreeHash } from '../support/fake-door.js'
import { publishRequests } from '../support/records.js'
import { until } from '../support/until.js'

const publish = { site: 'www', group: 'edge', commands: publishRequests('/srv/site') }

/** A job with one command. */
const asking = (command: Record<string, unknown>) => ({ commands: [command] })
const goingBack = (release: unknown) => ({ ...asking({ type: 'rollback', release }), reason: 'r' })

/** Whether the server still takes a job, and the coordinator hears of it once. */
const stillServes = async ({ server, door }: Served): Promise<boolean> => {
  const before = door.requests.length
  const answer = await fetch(`${server.url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(publish),
  })
  await answer.text()
  return answer.status === 202 && door.requests.length === before + 1
}

/** Sends bytes as they are; gives all that comes back until the other side closes. */
const raw = (port: number, bytes: string | Buffer): Promise<string> =>
  new Promise((resolve) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.on('data', (data) => {
      text += data.toString('latin1')
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
  })

t.test('bodies that are no job request', async (t) => {
  const served = await serve(t)
  const { server, door } = served
  const post = (body: string | Buffer, type = 'application/json'): Promise<Response> =>
    fetch(`${server.url}/v1/jobs`, { method: 'POST', headers: { 'content-type': type }, body })
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  const cases: readonly [string, string | Buffer, number, string?][] = [
    ['nothing', '', 400],
    ['half', '{"type":', 400],
    ['text', '"publish"', 400],
    ['a number', '17', 400],
    ['null', 'null', 400],
    ['a list', '[]', 400],
    ['NaN', '{"type":"publish","quorum":NaN}', 400],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), 400],
    ['nesting', deep, 400],
    ['a poisoned prototype', '{"__proto__":{"x":1},"type":"publish"}', 400],
    ['plain text', JSON.stringify(publish), 415, 'text/plain'],
    ['a form', 'type=publish', 415, 'application/x-www-form-urlencoded'],
  ]
  for (const [name, body, status, type] of cases) {
    const answer = await post(body, type)
    t.equal(answer.status, status, name)
    const problem = (await answer.json()) as Problem
    t.ok(problem.code.startsWith('ENGINE_ERR_') && problem.hint !== '', name)
  }
  const large = (await (await post(`"${'x'.repeat(HTTP_BODY_BYTES_MAX)}"`)).json()) as Problem
  t.match(large, { code: 'ENGINE_ERR_BODY_TOO_LARGE', status: 413 })
  t.match(await (await post('x', 'text/html')).json(), { code: 'ENGINE_ERR_MEDIA_TYPE', status: 415 })
  t.equal(door.requests.length, 0)
  t.ok(await stillServes(served), 'the server goes on')
})

t.test('fields of the wrong kind', async (t) => {
  const served = await serve(t)
  const wrong: readonly Record<string, unknown>[] = [
    { type: 'publish' },
    { commands: {} },
    { commands: ['publish'] },
    { commands: Array.from({ length: 1001 }, () => ({ type: 'commit' })) },
    { only: [] },
    { only: ['a', 'a'] },
    { only: ['../a'] },
    asking({ type: 'format-disk' }),
    asking({ type: 'commit', release: 3 }),
    asking({ type: 'run-hook', hook: '../x' }),
    asking({ type: 'run-hook', hook: 'x', args: { a: 7 } }),
    asking({ type: 'verify', rateBps: -1 }),
    { site: '' },
    { site: '../etc' },
    { site: 'a/b' },
    { site: '.hidden' },
    { site: 'x'.repeat(65) },
    { site: 'a\nb' },
    { site: null },
    { site: ['www'] },
    { group: 7 },
    ...['relative/path', '', '/a\u0000b', `/${'x'.repeat(5000)}`, null].map((directory) =>
      asking({ type: 'publish', directory, upload: null }),
    ),
    asking({ type: 'publish', directory: '/srv', release: 3 }),
    { reason: 'x'.repeat(1001) },
    { policy: { quorum: 1.5 } },
    { policy: { quorum: '1' } },
    { policy: { maxDeleteRatio: -0.1 } },
    { policy: { strategy: 'fastest' } },
    { policy: { strategy: 'braid', fanout: 2 } },
    ...[0, 65, 1.5, '2'].map((fanout) => ({ policy: { strategy: 'cascade', fanout } })),
    { policy: { strategy: 'tree', order: ['n1'] } },
    ...[[], ['n1', 'n1'], ['a/b'], 'n1'].map((order) => ({ policy: { strategy: 'chain', order } })),
    { policy: { allowEmpty: 'yes' } },
    { policy: { unknown: 1 } },
    { policy: [] },
    { extra: true },
    { constructor: {} },
    ...[0, -1, 2 ** 53, 1.5, '12'].map(goingBack),
  ]
  for (const change of wrong) {
    const answer = await fetch(`${served.server.url}/v1/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...publish, ...change }),
    })
    t.equal(answer.status, 400, JSON.stringify(change).slice(0, 80))
    t.equal(((await answer.json()) as Problem).code, 'ENGINE_ERR_INVALID_ARGUMENT')
  }
  t.equal(served.door.requests.length, 0)
  t.ok(await stillServes(served), 'the server goes on')
})

t.test('paths and queries that lead nowhere', async (t) => {
  const served = await serve(t)
  const paths = [
    '/v1/jobs?limit=0',
    '/v1/jobs?limit=501',
    '/v1/jobs?limit=x',
    '/v1/jobs?limit=1e9',
    '/v1/jobs?state=done',
    '/v1/jobs?site=../x',
    '/v1/jobs?unknown=1',
    '/v1/jobs?limit=1&limit=2',
    '/v1/jobs/%00',
    `/v1/jobs/${'y'.repeat(100)}`,
    '/v1/jobs/..%2f..%2fetc%2fpasswd',
    '/../../etc/passwd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '//evil.example/v1/jobs',
    '/v1/jobs/x/events?sinceId=abc',
  ]
  for (const path of paths) {
    const text = await raw(
      served.server.address.port,
      `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`,
    )
    t.match(text, /^HTTP\/1\.1 40[04]/, path)
    t.match(text, /application\/problem\+json/, path)
  }
  t.ok(await stillServes(served), 'the server goes on')
})

t.test('what is hardly HTTP', async (t) => {
  const served = await serve(t)
  const { port } = served.server.address
  const cases: readonly [string, string, RegExp][] = [
    ['garbage', '\u0000\u0001\u0002\r\n\r\n', /^HTTP\/1\.1 400/],
    ['TLS to the plain port', '\u0016\u0003\u0001\u0002\u0000\u0001\r\n\r\n', /^HTTP\/1\.1 400/],
    ['no host', 'GET /v1/nodes HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400/],
    ['a foreign host', 'GET /v1/nodes HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n', /^HTTP\/1\.1 403/],
    ['an empty host', 'GET /v1/nodes HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n', /^HTTP\/1\.1 40[03]/],
    ['huge headers', `GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, /^HTTP\/1\.1 431/],
    [
      'two lengths',
      'POST /v1/jobs HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx',
      /^HTTP\/1\.1 400/,
    ],
    [
      'length and chunks',
      'POST /v1/jobs HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      /^HTTP\/1\.1 400/,
    ],
    [
      'a chunk of no size',
      'POST /v1/jobs HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
      /^HTTP\/1\.1 400/,
    ],
    ['a folded header', 'GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: a\r\n b\r\n\r\n', /^HTTP\/1\.1 40[04]/],
    ['another version', 'GET / HTTP/9.9\r\nhost: 127.0.0.1\r\n\r\n', /^HTTP\/1\.1 (400|505)/],
  ]
  for (const [name, bytes, expected] of cases) {
    const close = bytes.includes('connection: close')
      ? bytes
      : bytes.replace('\r\nhost:', '\r\nconnection: close\r\nhost:')
    t.match(await raw(port, close), expected, name)
  }
  t.ok(await stillServes(served), 'the server goes on')
})

t.test('garbage on the node channel is refused, the socket closed, and nobody hears of it', async (t) => {
  const served = await serve(t)
  const hello = helloOf('a'.repeat(32), 'ams-1') as Record<string, unknown>
  const node = hello['node'] as Record<string, unknown>
  const cases: readonly [string, unknown][] = [
    ['no JSON', '{'],
    ['binary', Buffer.from([0, 1, 2, 3])],
    ['a list', '[]'],
    ['null', 'null'],
    ['deep nesting', `${'['.repeat(200_000)}${']'.repeat(200_000)}`],
    ['a report before hello', { type: 'report' }],
    ['holdings before hello', { type: 'holdings', sites: [] }],
    ['the coordinator’s own words', { type: 'welcome', version: 1, role: 'coordinator' }],
    ['an order', { type: 'commit', site: 'www' }],
    ['another version', { ...hello, version: 99 }],
    ['another role', { ...hello, role: 'coordinator' }],
    ['an id that is none', { ...hello, node: { ...node, id: 'A'.repeat(32) } }],
    ['a name with a path', { ...hello, node: { ...node, name: '../x' } }],
    ['a port that is none', { ...hello, node: { ...node, dataAddress: { host: 'h', port: 70_000 } } }],
    ['too many groups', { ...hello, node: { ...node, groups: Array.from({ length: 65 }, () => 'g') } }],
    ['a site with a path', { ...hello, sites: [{ site: '../x', live: null, held: [] }] }],
    ['a ticket too long', { ...hello, ticket: 'x'.repeat(5000) }],
  ]
  for (const [name, message] of cases) {
    const peer = await ChannelPeer.open(served.server.url)
    peer.say(message)
    const refusal = await peer.heard('refuse')
    t.match(refusal.code, /^ENGINE_ERR_(CHANNEL_PROTOCOL|VERSION_MISMATCH)$/, name)
    await peer.gone()
  }
  const huge = await ChannelPeer.open(served.server.url)
  huge.say(`"${'x'.repeat(5_000_000)}"`)
  t.equal(await huge.gone(), 1009, 'a message beyond the limit is not even read')
  t.equal(served.door.joined.length, 0)
  t.equal(served.server.nodeCount, 0)
  t.ok(await stillServes(served), 'the server goes on')
})

t.test('a node that misbehaves after hello is let go; its neighbour stays', async (t) => {
  const served = await serve(t)
  const good = await ChannelPeer.open(served.server.url)
  good.say(helloOf('b'.repeat(32), 'good'))
  await good.heard('welcome')
  const report = {
    ...{ type: 'report', reportId: 1, commandId: 'c', jobId: 'j', command: 'publish', kind: 'completion' },
    ...{ site: 'www', release: 1, treeHash: someTreeHash, atMs: 1, bytesFetched: 0, error: null },
  }
  const cases: readonly [string, unknown][] = [
    ['a second hello', helloOf('a'.repeat(32), 'bad')],
    ['a negative release', { ...report, release: -1 }],
    ['a release beyond counting', { ...report, release: 2 ** 53 }],
    ['a hash in capitals', { ...report, treeHash: someTreeHash.toUpperCase() }],
    ['bytes that are text', { ...report, bytesFetched: '12' }],
    ['a time that is none', { ...report, atMs: -5 }],
    ['an unknown type', { type: 'elect-me' }],
    ['an order', { type: 'discard', assignmentId: 'a'.repeat(32), site: 'www', release: 1 }],
  ]
  for (const [name, message] of cases) {
    const before = served.door.joined.length
    const peer = await ChannelPeer.open(served.server.url)
    peer.say(helloOf('a'.repeat(32), 'bad'))
    await peer.heard('welcome')
    peer.say(message)
    t.equal((await peer.heard('refuse')).code, 'ENGINE_ERR_CHANNEL_PROTOCOL', name)
    await peer.gone()
    await until('its session ended', () => served.door.joined[before]?.closed === 1)
    t.strictSame(served.door.joined[before]?.messages, [], name)
  }
  good.say(report)
  await until('the good one is heard', () => served.door.joined[0]?.messages.length === 1)
  t.equal(good.closed, null)
  t.ok(await stillServes(served), 'the server goes on')
})

t.test('a crowd of connections that say nothing keeps nobody out', async (t) => {
  const served = await serve(t)
  const sockets = Array.from({ length: 200 }, () => connect(served.server.address.port, '127.0.0.1'))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
  })
  for (const socket of sockets) socket.on('error', () => {})
  await until('they are connected', () => sockets.every((socket) => !socket.connecting))
  t.ok(await stillServes(served), 'the server goes on')
})
