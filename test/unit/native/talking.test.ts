// Goal: a socket that a relay accepted goes to JavaScript with all that was said on it, and comes to nothing else.
// Method: a real relay and real sockets on loopback.
import { connect, Socket } from 'node:net'
import t, { type Test } from 'tap'
import { Relay } from '../../../src/native/relay.js'
import { readGreeting, talkOpening } from '../../../src/native/talking.js'
import { until } from '../../support/until.js'

const idOf = (digit: string): string => digit.repeat(32)

function openRelay(t: Test): Relay {
  const relay = new Relay({ host: '127.0.0.1', port: 0, nodeId: idOf('a'), name: 'callee', role: 'node' })
  t.teardown(() => relay.close())
  return relay
}

/** A caller, and what it has heard so far. */
function call(t: Test, relay: Relay, said: Uint8Array) {
  const socket = connect(relay.port, relay.host)
  const heard = { bytes: Buffer.alloc(0), closed: false }
  socket.on('data', (data) => {
    heard.bytes = Buffer.concat([heard.bytes, data])
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    heard.closed = true
  })
  socket.write(said)
  t.teardown(() => socket.destroy())
  return { socket, heard }
}

t.test('a talk goes to JavaScript with what was said in one breath, and is answered there', async (t) => {
  const relay = openRelay(t)
  let pokes = 0
  relay.openTalks(() => {
    pokes += 1
  })
  const opening = Buffer.concat([talkOpening(idOf('b'), 'caller'), Buffer.from('{"said":1}\n')])
  const { heard } = call(t, relay, opening)
  await until('a poke', () => pokes > 0)
  const taken = relay.takeTalk()
  t.match(taken, { nodeId: idOf('b'), name: 'caller' })
  t.equal(relay.takeTalk(), null, 'it is given once')
  const ours = new Socket({ fd: taken?.fd ?? -1 })
  t.teardown(() => ours.destroy())
  const said = await new Promise<string>((resolve) => ours.once('data', (data) => resolve(data.toString())))
  t.equal(said, '{"said":1}\n')
  ours.end('{"answer":2}\n')
  await until('the answer', () => heard.bytes.includes('}\n'))
  const greeting = readGreeting(heard.bytes)
  t.match(greeting, { nodeId: idOf('a'), name: 'callee' })
  t.equal(heard.bytes.subarray(greeting?.bytes).toString(), '{"answer":2}\n')
  relay.endTalk(taken?.number ?? -1)
})

t.test('a relay that takes no talks says so, and ends the connection', async (t) => {
  const relay = openRelay(t)
  const { heard } = call(t, relay, talkOpening(idOf('b'), 'caller'))
  await until('the end', () => heard.closed)
  const after = heard.bytes.subarray(readGreeting(heard.bytes)?.bytes)
  t.equal(after.subarray(0, 2).toString(), 'DS', 'a message of the relay, no talk')
})

t.test('a greeting that is cut is waited for, what is none is refused', (t) => {
  const whole = talkOpening(idOf('c'), 'löwe-3')
  const { bytes = 0 } = readGreeting(whole) ?? {}
  for (let end = 0; end < bytes; end += 1) t.equal(readGreeting(whole.subarray(0, end)), null, `cut at ${end}`)
  const refused = { code: 'ENGINE_ERR_INVALID_ARGUMENT' }
  t.throws(() => readGreeting(Buffer.from('GET / HTTP/1.1\r\n\r\n')), refused)
  t.throws(() => readGreeting(whole.subarray(bytes)), refused, 'TALK is no greeting')
  t.throws(() => talkOpening('short', 'x'), refused)
  t.end()
})
