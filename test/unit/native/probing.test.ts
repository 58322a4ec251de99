import t, { type Test } from 'tap'
import { estimateRate } from '../../../src/native/probing.js'
import { Relay } from '../../../src/native/relay.js'

const idOf = (letter: string): string => letter.repeat(32)
const open = (t: Test, letter: string): Relay => {
  const relay = new Relay({ host: '127.0.0.1', port: 0, nodeId: idOf(letter), name: letter, role: 'node' })
  t.teardown(() => relay.close())
  return relay
}

t.test('a link is measured, and only the one that was meant', async (t) => {
  const [from, to] = [open(t, 'a'), open(t, 'b')]
  const peer = { nodeId: idOf('b'), host: '127.0.0.1', port: to.port }
  const { rateBps, spanMs, bytes } = await from.probe(peer, false)
  t.ok(rateBps > 1_000_000 && spanMs > 0 && bytes > 0, `${rateBps} ${spanMs} ${bytes}`)
  const failed = { code: 'ENGINE_ERR_PROBE_FAILED' }
  await t.rejects(from.probe({ ...peer, nodeId: idOf('c') }, false), { ...failed, message: /another node/ })
  await t.rejects(from.probe({ ...peer, host: 'elsewhere' }, false), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  await to.close()
  await t.rejects(from.probe(peer, false), failed)
  await from.close()
  await t.rejects(from.probe(peer, false), { code: /ENGINE_ERR_(NATIVE_CLOSED|PROBE_FAILED)/ })
})

t.test('what is newer counts more, and what is old says so', async (t) => {
  const measure = (rateBps: number, ageMs: number) => ({ how: 'train', rateBps, spanMs: 100, ageMs }) as const
  t.equal(estimateRate([]), null)
  t.same(estimateRate([measure(8, 3)]), { rateBps: 8, ageMs: 3, how: 'train', isStale: false })
  const both = estimateRate([measure(1000, 600_000), measure(2000, 0)])
  t.ok((both?.rateBps ?? 0) > 1900, `${both?.rateBps}`)
  t.match(estimateRate([measure(8, 3_600_000)]), { rateBps: 8, isStale: true })
  t.throws(() => estimateRate([{ ...measure(8, 0), how: 'guess' as 'train' }]), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
})
