// Goal: whoever listens on every address is told to others by one that leads there.
import t from 'tap'
import { announced, reachable } from '../../../src/node/addresses.js'

const data = { host: '0.0.0.0', port: 0, announceHost: null }

t.test('a node tells the address it listens on, the one it was given, or its end of the channel', (t) => {
  t.same(announced({ ...data, host: '10.0.0.5' }, 7500, '10.0.0.9'), { host: '10.0.0.5', port: 7500 })
  t.same(announced({ ...data, announceHost: '192.0.2.1' }, 7500, '10.0.0.9'), { host: '192.0.2.1', port: 7500 })
  t.same(announced(data, 7500, '::ffff:10.0.0.9'), { host: '10.0.0.9', port: 7500 })
  t.same(announced({ ...data, host: '::' }, 7500, 'fd00::9'), { host: 'fd00::9', port: 7500 })
  t.same(announced(data, 7500, ''), { host: '0.0.0.0', port: 7500 })
  t.end()
})

t.test('a source without an address of its own is where this node found its coordinator', (t) => {
  const peer = (host: string) => ({ nodeId: 'a'.repeat(32), host, port: 7500 })
  const plan = {
    strandCount: 2,
    parents: [[peer('10.0.0.2'), peer('0.0.0.0')], [peer('::')]],
    peers: [peer('0.0.0.0')],
  }
  t.same(reachable(plan, '::ffff:10.0.0.1'), {
    strandCount: 2,
    parents: [[peer('10.0.0.2'), peer('10.0.0.1')], [peer('10.0.0.1')]],
    peers: [peer('10.0.0.1')],
  })
  t.same(reachable(plan, ''), plan)
  t.end()
})

t.test('a node on the coordinator’s machine is found there, unless this one is there too', (t) => {
  const peer = (host: string) => ({ nodeId: 'a'.repeat(32), host, port: 7500 })
  const plan = { strandCount: 1, parents: [[peer('127.0.0.1'), peer('10.0.0.2')]], peers: [peer('::1')] }
  t.same(reachable(plan, '::ffff:10.0.0.1'), {
    strandCount: 1,
    parents: [[peer('10.0.0.1'), peer('10.0.0.2')]],
    peers: [peer('10.0.0.1')],
  })
  t.same(reachable(plan, '127.0.0.1'), plan)
  t.same(reachable(plan, ''), plan)
  t.end()
})
