// Goal: the probe tells what batched datagram sockets really do. Method: multicast on the loopback interface.
import t from 'tap'
import { probeDatagrams } from '../../../src/native/datagrams.js'

t.test('a train sent to a group on loopback comes back', async (t) => {
  const probe = await probeDatagrams('127.0.0.1', '239.255.77.7', 0)
  t.ok(probe.multicast, probe.notes.join('; '))
  t.ok(probe.sent > 0)
  t.ok(probe.received > 0 && probe.received <= probe.sent)
  t.ok(probe.receiveBufferBytes > 0)
  t.ok(probe.sendBufferBytes > 0)
  // Whether the kernel cuts and joins trains is its own affair; what is told must agree with the notes.
  if (probe.gso) t.notMatch(probe.notes.join('; '), 'UDP_SEGMENT')
})

t.test('two probes of one group at once do not hear each other', async (t) => {
  const probes = await Promise.all([1, 2].map(() => probeDatagrams('127.0.0.1', '239.255.77.8', 0)))
  for (const probe of probes) t.ok(probe.received <= probe.sent)
})

t.test('an address of no interface is a note, with its errno', async (t) => {
  const probe = await probeDatagrams('198.51.100.77', '239.255.77.7', 0)
  t.notOk(probe.multicast)
  t.equal(probe.sent, 0)
  t.match(probe.notes.join('; '), /IP_ADD_MEMBERSHIP.*: E[A-Z]+/)
})

t.test('what is no IPv4 multicast address or port is refused', async (t) => {
  for (const [host, group, port] of [
    ['localhost', '239.255.77.7', 0],
    ['127.0.0.1', '10.0.0.1', 0],
    ['127.0.0.1', '239.255.77.7', 65536],
    ['127.0.0.1', '239.255.77.7', Number.NaN],
  ] as const) {
    await t.rejects(probeDatagrams(host, group, port), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  }
})
