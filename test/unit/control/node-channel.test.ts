// The coordinator's end of the node channel over real sockets: who is let in, that one node has one
// session, and that a silent or greedy peer is let go. Time is moved by hand, never waited for.
import t from 'tap'
import { WebSocket } from 'ws'
import { EngineError } from '../../../src/base/errors.js'
import { readFromNode } from '../../../src/control/node-connection.js'
import { ChannelPeer, helloOf } from '../../support/channel-peer.js'
import { serve } from '../../support/control.js'
import { someTreeHash } from '../../support/fake-door.js'
import { ManualClock } from '../../support/manual-clock.js'
import { until } from '../../support/until.js'

const a = 'a'.repeat(32)
const b = 'b'.repeat(32)

t.test('a node that says hello is welcomed, and what it says reaches the coordinator in order', async (t) => {
  const { door, server } = await serve(t)
  const peer = await ChannelPeer.open(server.url)
  peer.say(helloOf(a, 'ams-1'))
  await peer.heard('welcome')
  peer.say({ type: 'holdings', sites: [] })
  peer.say({ type: 'progress', jobId: 'j', assignmentId: b, bytesHave: 5, rateBps: 8, parents: ['ams-2'] })
  const [joined] = door.joined
  await until('both came', () => joined?.messages.length === 2)
  t.strictSame(
    joined?.messages.map(({ type }) => type),
    ['holdings', 'progress'],
  )
  t.equal(server.nodeCount, 1)
  joined?.link.send({ type: 'ack', reportId: 3 })
  t.equal((await peer.heard('ack')).reportId, 3)
  peer.socket.close()
  await until('it is gone', () => joined?.closed === 1)
  t.equal(server.nodeCount, 0)
})

t.test('a node that comes again replaces its old session', async (t) => {
  const { door, server } = await serve(t)
  const older = await ChannelPeer.open(server.url)
  older.say(helloOf(a, 'ams-1'))
  await older.heard('welcome')
  const newer = await ChannelPeer.open(server.url)
  newer.say(helloOf(a, 'ams-1'))
  await newer.heard('welcome')
  await older.gone()
  t.equal((await older.heard('refuse')).code, 'ENGINE_ERR_CONFLICT')
  t.equal(door.joined[0]?.closed, 1, 'the old session heard that it is over')
  t.equal(door.joined[1]?.closed, 0)
  t.equal(server.nodeCount, 1)
  door.joined[0]?.link.send({ type: 'ack', reportId: 1 })
  door.joined[1]?.link.send({ type: 'ack', reportId: 2 })
  t.equal((await newer.heard('ack')).reportId, 2, 'a dead link says nothing')
})

t.test('a name belongs to one node', async (t) => {
  const { door, server } = await serve(t)
  const first = await ChannelPeer.open(server.url)
  first.say(helloOf(a, 'ams-1'))
  await first.heard('welcome')
  const second = await ChannelPeer.open(server.url)
  second.say(helloOf(b, 'ams-1'))
  t.match(await second.heard('refuse'), { code: 'ENGINE_ERR_NODE_NAME_TAKEN', message: new RegExp(a) })
  await second.gone()
  t.equal(door.joined.length, 1)
  first.socket.close()
  await until('the first is gone', () => server.nodeCount === 0)
  const third = await ChannelPeer.open(server.url)
  third.say(helloOf(b, 'ams-1'))
  await third.heard('welcome')
})

t.test('the coordinator can refuse a node, and it can say so later', async (t) => {
  const { door, server, metrics } = await serve(t)
  door.refusal = new EngineError('ENGINE_ERR_CLOSING')
  const refused = await ChannelPeer.open(server.url)
  refused.say(helloOf(a, 'ams-1'))
  t.equal((await refused.heard('refuse')).code, 'ENGINE_ERR_CLOSING')
  await refused.gone()
  t.equal(server.nodeCount, 0)
  door.refusal = null
  const accepted = await ChannelPeer.open(server.url)
  accepted.say(helloOf(a, 'ams-1'))
  await accepted.heard('welcome')
  door.joined[0]?.link.close('ENGINE_ERR_CONFLICT', 'go away')
  t.match(await accepted.heard('refuse'), { code: 'ENGINE_ERR_CONFLICT', message: 'go away' })
  await accepted.gone()
  t.equal(door.joined[0]?.closed, 1)
  t.match(await metrics.text(), /engine_channel_refusals_total\{code="ENGINE_ERR_CLOSING"\} 1/)
})

t.test('another version is told so', async (t) => {
  const { server } = await serve(t)
  const peer = await ChannelPeer.open(server.url)
  peer.say({ type: 'hello', version: 2, somethingNew: true })
  t.equal((await peer.heard('refuse')).code, 'ENGINE_ERR_VERSION_MISMATCH')
  await peer.gone()
})

t.test('who says no hello in time is let go', async (t) => {
  const clock = new ManualClock()
  const { server } = await serve(t, { clock })
  const peer = await ChannelPeer.open(server.url)
  await until('the deadline passes', () => {
    clock.advance(1000)
    return peer.closed !== null
  })
  t.equal((await peer.heard('refuse')).code, 'ENGINE_ERR_CHANNEL_PROTOCOL')
})

t.test('a silent node is let go, one that answers pings stays', async (t) => {
  const clock = new ManualClock()
  const { door, server } = await serve(t, { clock })
  const silent = await ChannelPeer.open(server.url, { autoPong: false })
  silent.say(helloOf(a, 'silent'))
  await silent.heard('welcome')
  const alive = await ChannelPeer.open(server.url)
  alive.say(helloOf(b, 'alive'))
  await alive.heard('welcome')
  await until('the silent one is gone', async () => {
    const pings = alive.pings
    // Two beats: at the first of them the living one has said something since the one before.
    clock.advance(3000)
    clock.advance(3000)
    await until('the ping came', () => alive.pings > pings)
    // An answer of the living one, so that its pong has been read before the next ping.
    const [, joined] = door.joined
    const before = joined?.messages.length ?? 0
    alive.say({ type: 'holdings', sites: [] })
    await until('its message came', () => (joined?.messages.length ?? 0) > before)
    return silent.closed !== null
  })
  t.equal(door.joined[0]?.closed, 1)
  t.equal(door.joined[1]?.closed, 0)
  t.equal(alive.closed, null)
  t.equal(door.joined[0]?.signsOfLife, 0)
  t.ok((door.joined[1]?.signsOfLife ?? 0) > 0, 'each answer to a ping is told')
})

t.test('a node whose connection ends was there until then, however long it said nothing', async (t) => {
  const { door, server } = await serve(t)
  const peer = await ChannelPeer.open(server.url)
  peer.say(helloOf(a, 'ams-1'))
  await peer.heard('welcome')
  peer.socket.close()
  await until('its end is told', () => door.joined[0]?.closed === 1)
  t.equal(door.joined[0]?.signsOfLife, 1)
})

t.test('a coordinator that trips over a message keeps the channel', async (t) => {
  const { door, server } = await serve(t)
  const peer = await ChannelPeer.open(server.url)
  peer.say(helloOf(a, 'ams-1'))
  await peer.heard('welcome')
  const [joined] = door.joined
  const push = joined?.messages.push.bind(joined.messages)
  if (joined !== undefined) {
    joined.messages.push = () => {
      joined.messages.push = push ?? joined.messages.push
      throw new Error('a bug')
    }
  }
  peer.say({ type: 'holdings', sites: [] })
  peer.say({ type: 'holdings', sites: [{ site: 'www', live: null, held: [] }] })
  await until('the second came', () => joined?.messages.length === 1)
  t.equal(peer.closed, null)
})

t.test('a page in a browser cannot open the channel, and other paths have none', async (t) => {
  const { server } = await serve(t)
  const refusedWith = (path: string, headers: Record<string, string>): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(`${server.url.replace('http', 'ws')}${path}`, { headers })
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode))
      socket.on('open', () => reject(new Error('it was let in')))
      socket.on('error', () => {})
    })
  t.equal(await refusedWith('/v1/channel', { origin: 'http://evil.example' }), 403)
  t.equal(await refusedWith('/v1/channel', { host: 'evil.example' }), 403)
  t.equal(await refusedWith('/v1/other', {}), 404)
})

t.test('closing the server lets nodes go', async (t) => {
  const { door, server } = await serve(t)
  const peer = await ChannelPeer.open(server.url)
  peer.say(helloOf(a, 'ams-1'))
  await peer.heard('welcome')
  await server.close()
  await peer.gone()
  t.equal(door.joined[0]?.closed, 1)
})

t.test('messages are read or refused, never half', async (t) => {
  const report = {
    type: 'report',
    reportId: 1,
    commandId: 'c',
    number: 2,
    output: null,
    jobId: 'j',
    command: 'commit',
    kind: 'completion',
    site: 'www',
    release: 3,
    treeHash: someTreeHash,
    atMs: 1,
    bytesFetched: 0,
    error: null,
  }
  t.strictSame(readFromNode(JSON.stringify(report)), report)
  const wrong = [
    { ...report, release: 0 },
    { ...report, release: 1e300 },
    { ...report, site: '../x' },
    { ...report, treeHash: someTreeHash.toUpperCase() },
    { ...report, kind: 'other' },
    { ...report, error: 'text' },
    { type: 'unknown' },
    [],
    null,
    7,
  ]
  for (const value of wrong) {
    t.throws(() => readFromNode(JSON.stringify(value)), { code: 'ENGINE_ERR_CHANNEL_PROTOCOL' }, JSON.stringify(value))
  }
  t.throws(() => readFromNode('{'), { code: 'ENGINE_ERR_CHANNEL_PROTOCOL' })
})
