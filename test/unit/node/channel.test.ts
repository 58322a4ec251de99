// The node's end of the channel against a WebSocket server that says what a test wants. Time is moved by
// hand: backoff, deadlines and silence are counted, never waited for.
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { Writable } from 'node:stream'
import t from 'tap'
import { type WebSocket, WebSocketServer } from 'ws'
import { EngineError } from '../../../src/base/errors.js'
import { HELLO_MS, RECONNECT_FIRST_MS, RECONNECT_MAX_MS, TROUBLE_REPEAT_MS } from '../../../src/base/limits.js'
import { createLogger } from '../../../src/base/log.js'
import { seededRandom } from '../../../src/base/random.js'
import type { Hello } from '../../../src/control/schema/channel.js'
import { Channel, type Order, readFromCoordinator, type Welcome } from '../../../src/node/channel.js'
import { ManualClock } from '../../support/manual-clock.js'
import { stablePort } from '../../support/port.js'
import { until } from '../../support/until.js'

const welcome = {
  type: 'welcome',
  version: 1,
  role: 'coordinator',
  coordinatorId: 'c'.repeat(32),
  publicKey: 'e'.repeat(64),
}

const helloAt = (localAddress: string): Hello => ({
  type: 'hello',
  version: 1,
  role: 'node',
  software: 'test',
  node: {
    id: 'a'.repeat(32),
    name: 'ams-1',
    groups: ['edge'],
    segment: 'ams',
    dataAddress: { host: localAddress, port: 7401 },
  },
  sites: [],
})

interface Place {
  teardown(run: () => unknown): void
}

/** A coordinator's end: counts connections, keeps what came, answers hello with `answer`. */
const listen = async (t: Place, answer: unknown = welcome, port = 0, autoPong = true) => {
  const server = new WebSocketServer({ host: '127.0.0.1', port, path: '/v1/channel', autoPong })
  const sockets: WebSocket[] = []
  const heard: unknown[] = []
  const pings = { count: 0 }
  server.on('connection', (socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('ping', () => {
      pings.count += 1
    })
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as { type: string }
      heard.push(message)
      if (message.type === 'hello' && answer !== null) socket.send(JSON.stringify(answer))
    })
  })
  await once(server, 'listening')
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.terminate()
    await new Promise((resolve) => server.close(resolve))
  }
  t.teardown(stop)
  const bound = (server.address() as AddressInfo).port
  return { sockets, heard, stop, port: bound, url: `http://127.0.0.1:${bound}`, pings }
}

interface Line {
  readonly level: string
  readonly msg: string
  readonly err: { readonly code: string; readonly message: string; readonly hint: string }
  readonly atMs: number
}

const call = (t: Place, url: string, onWelcome: (welcome: Welcome) => void = () => {}) => {
  const clock = new ManualClock()
  const welcomes: Welcome[] = []
  const orders: Order[] = []
  const refusals: EngineError[] = []
  const lines: Line[] = []
  const destination = new Writable({
    write: (text: Buffer, _encoding, done) => {
      lines.push({ ...(JSON.parse(text.toString()) as Line), atMs: clock.monotonicMs() })
      done()
    },
  })
  const log = createLogger({ level: 'debug', format: 'json', destination })
  const channel = new Channel({
    ...{ url, clock, random: seededRandom(7), log, hello: helloAt },
    onWelcome: (message) => {
      welcomes.push(message)
      onWelcome(message)
    },
    onOrder: (order) => orders.push(order),
    onRefused: (error) => refusals.push(error),
  })
  t.teardown(() => channel.close())
  return { channel, clock, welcomes, orders, refusals, lines }
}

/** What people see when they ask for nothing more. */
const shown = (lines: readonly Line[]): readonly Line[] => lines.filter(({ level }) => level !== 'debug')

t.test('it says hello with the address it calls from, is welcomed, takes orders and tells', async (t) => {
  const server = await listen(t)
  const { channel, orders, welcomes } = call(t, server.url)
  t.notOk(channel.send({ type: 'holdings', sites: [] }), 'nobody is there yet')
  await until('it is welcomed', () => channel.isUp)
  t.match(server.heard[0], { type: 'hello', node: { dataAddress: { host: '127.0.0.1' } } })
  t.match(welcomes, [welcome])
  server.sockets[0]?.send('{"type":"ack","reportId":3}')
  await until('the order came', () => orders.length === 1)
  t.ok(channel.send({ type: 'holdings', sites: [] }))
  await until('it was told', () => server.heard.length === 2)
  channel.close()
  channel.close()
  t.notOk(channel.send({ type: 'holdings', sites: [] }))
})

t.test('a coordinator that is not there is called again and again, and found when it comes', async (t) => {
  let calls = 0
  const port = await stablePort()
  const deaf = createServer((socket) => {
    calls += 1
    socket.destroy()
  })
  await new Promise<void>((resolve) => deaf.listen(port, '127.0.0.1', resolve))
  const { channel, clock } = call(t, `http://127.0.0.1:${port}`)
  for (let count = 1; count <= 6; count++) {
    await until('it called', () => {
      clock.advance(RECONNECT_MAX_MS)
      return calls >= count
    })
  }
  t.notOk(channel.isUp)
  await new Promise((resolve) => deaf.close(resolve))
  const server = await listen(t, welcome, port)
  await until('it is welcomed', () => {
    clock.advance(RECONNECT_FIRST_MS)
    return channel.isUp
  })
  t.equal(server.heard.length, 1)
})

t.test('a coordinator that cannot be reached is named with the reason: at once, then now and then', async (t) => {
  const port = await stablePort()
  const url = `http://127.0.0.1:${port}`
  const { channel, clock, lines } = call(t, url)
  await until('it is said', () => shown(lines).length === 1)
  const line = { level: 'warn', msg: 'no coordinator answers', url, err: { hint: /--join/ } }
  t.match(lines[0], line)
  t.equal(lines[0]?.err.message, `no coordinator answers at ${url}: connect ECONNREFUSED 127.0.0.1:${port}`)
  await until('it is said twice more', () => {
    clock.advance(RECONNECT_MAX_MS)
    return shown(lines).length === 3
  })
  const [first = 0, second = 0, third = 0] = shown(lines).map(({ atMs }) => atMs)
  t.ok(second - first >= TROUBLE_REPEAT_MS && third - second >= TROUBLE_REPEAT_MS, 'not more often')
  t.ok(lines.length > 9, 'and at level debug each time')

  const server = await listen(t, welcome, port)
  await until('it is welcomed', () => {
    clock.advance(RECONNECT_FIRST_MS)
    return channel.isUp
  })
  const before = lines.length
  await server.stop()
  const isUnreachable = ({ msg }: Line): boolean => msg === 'no coordinator answers'
  const again = await until('it is away again', () => {
    clock.advance(RECONNECT_FIRST_MS)
    return lines.slice(before).find(isUnreachable)
  })
  t.match(again, line, 'what comes anew is said at once')
})

t.test('who closes the connection without a word is no coordinator either', async (t) => {
  const server = await listen(t, null)
  const { lines } = call(t, server.url)
  await until('it said hello', () => server.heard.length === 1)
  server.sockets[0]?.close()
  await until('it is said', () => shown(lines).length === 1)
  t.match(lines[0], { level: 'warn', err: { message: /closed the connection/ } })
})

t.test('a coordinator that goes away is called again', async (t) => {
  const server = await listen(t)
  const { channel, clock, welcomes } = call(t, server.url)
  await until('it is welcomed', () => channel.isUp)
  server.sockets[0]?.terminate()
  await until('it is gone', () => !channel.isUp)
  await until('it is welcomed again', () => {
    clock.advance(RECONNECT_FIRST_MS)
    return channel.isUp
  })
  t.equal(welcomes.length, 2)
})

t.test('a refusal is told with its code and tried again only slowly', async (t) => {
  const server = await listen(t, { type: 'refuse', code: 'ENGINE_ERR_NODE_NAME_TAKEN', message: 'taken by b' })
  const { channel, clock, refusals, lines } = call(t, server.url)
  await until('it is refused', () => refusals.length === 1)
  t.match(refusals[0], { code: 'ENGINE_ERR_NODE_NAME_TAKEN', message: 'taken by b' })
  t.notOk(channel.isUp)
  for (let count = 1; count <= 6; count++) {
    clock.advance(RECONNECT_MAX_MS / 2 - 1)
    t.equal(server.sockets.length, count, 'not at once')
    clock.advance(RECONNECT_MAX_MS / 2 + 1)
    await until('it calls again, at the limit at the latest', () => refusals.length === count + 1)
  }
  t.match(shown(lines), [{ level: 'error', err: { code: 'ENGINE_ERR_NODE_NAME_TAKEN' } }], 'said once, not each time')
  t.equal(shown(lines).length, 1)
})

t.test('a coordinator that is not the one is left, by whoever knows', async (t) => {
  const server = await listen(t)
  const { channel, refusals } = call(t, server.url, () => {
    throw new EngineError('ENGINE_ERR_COORDINATOR_CHANGED', { ours: 'a', theirs: 'b', url: 'u' })
  })
  await until('it is left', () => refusals.length === 1)
  t.equal(refusals[0]?.code, 'ENGINE_ERR_COORDINATOR_CHANGED')
  t.notOk(channel.isUp)
})

t.test('what is no answer is no coordinator: another version, garbage, orders before the welcome', async (t) => {
  const cases = [
    [{ ...welcome, version: 2 }, 'ENGINE_ERR_VERSION_MISMATCH'],
    [{ type: 'ack', reportId: 1 }, 'ENGINE_ERR_CHANNEL_PROTOCOL'],
    [{ type: 'welcome' }, 'ENGINE_ERR_CHANNEL_PROTOCOL'],
    [{ type: 'refuse', code: 'SOMETHING_NEW', message: 'm' }, 'ENGINE_ERR_CHANNEL_PROTOCOL'],
    ['text', 'ENGINE_ERR_CHANNEL_PROTOCOL'],
  ] as const
  for (const [answer, code] of cases) {
    const server = await listen(t, answer)
    const { channel, refusals } = call(t, server.url)
    await until('it is left', () => refusals.length === 1)
    t.equal(refusals[0]?.code, code, JSON.stringify(answer))
    channel.close()
  }
})

t.test('garbage after the welcome ends the connection, not the node', async (t) => {
  const server = await listen(t)
  const { channel, clock, refusals, orders } = call(t, server.url)
  for (const [index, garbage] of ['{', '{"type":"stage"}', Buffer.from([1, 2, 3]), JSON.stringify(welcome)].entries()) {
    await until('it is welcomed', () => {
      clock.advance(100)
      return channel.isUp
    })
    server.sockets.at(-1)?.send(garbage)
    await until('the connection is left', () => refusals.length === index + 1)
  }
  t.strictSame(orders, [])
})

t.test('who welcomes nobody in time is left', async (t) => {
  const server = await listen(t, null)
  const { refusals, clock } = call(t, server.url)
  await until('it said hello', () => server.heard.length === 1)
  clock.advance(HELLO_MS)
  t.equal(refusals[0]?.code, 'ENGINE_ERR_TIMEOUT')
})

t.test('a coordinator that says something is not asked whether it is there', async (t) => {
  const server = await listen(t)
  const { channel, clock, orders } = call(t, server.url)
  await until('it is welcomed', () => channel.isUp)
  for (let count = 1; count <= 12; count++) {
    server.sockets[0]?.send('{"type":"ack","reportId":1}')
    await until('its word came', () => orders.length >= count)
    clock.advance(3000)
  }
  t.equal(server.pings.count, 0)
  t.ok(channel.isUp)
})

t.test('a coordinator that falls silent is left, one that answers pings is not', async (t) => {
  const silent = await listen(t, welcome, 0, false)
  const one = call(t, silent.url)
  await until('it is welcomed', () => one.channel.isUp)
  for (let count = 0; count < 12 && one.channel.isUp; count++) one.clock.advance(3000)
  t.notOk(one.channel.isUp)

  const alive = await listen(t)
  const other = call(t, alive.url)
  await until('it is welcomed', () => other.channel.isUp)
  for (let count = 1; count <= 12; count++) {
    // Two beats: at the first of them something was heard since the one before.
    other.clock.advance(3000)
    other.clock.advance(3000)
    await until('the ping came', () => alive.pings.count >= count)
    // A message behind the pong, so that the pong has been read.
    const before = other.orders.length
    alive.sockets[0]?.send('{"type":"ack","reportId":1}')
    await until('its answer came', () => other.orders.length > before)
  }
  t.ok(other.channel.isUp)
})

t.test('messages are read or refused, never half', async (t) => {
  t.strictSame(readFromCoordinator('{"type":"ack","reportId":1}'), { type: 'ack', reportId: 1 })
  for (const text of ['', 'null', '[]', '{"type":"ack","reportId":0}', '{"type":"hello"}', '{"type":"__proto__"}']) {
    t.throws(() => readFromCoordinator(text), { code: 'ENGINE_ERR_CHANNEL_PROTOCOL' }, text)
  }
})
