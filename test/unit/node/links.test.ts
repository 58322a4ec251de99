import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { silentLogger } from '../../../src/base/log.js'
import { LOAD_TELL_MS } from '../../../src/base/probe-limits.js'
import { RELAY_FAULTS_LOOK_MS } from '../../../src/base/transfer-limits.js'
import type { FromNode } from '../../../src/control/schema/channel.js'
import type { SessionStatus } from '../../../src/native/relay.js'
import { Links, type LinksParts } from '../../../src/node/links.js'
import { ManualClock } from '../../support/manual-clock.js'

const to = { nodeId: 'a'.repeat(32), host: '127.0.0.1', port: 9 }

function place(parts: LinksParts, poll: () => readonly SessionStatus[] = () => []) {
  const clock = new ManualClock()
  const told: FromNode[] = []
  const send = (message: FromNode): boolean => told.push(message) > 0
  return { clock, told, links: new Links({ ...parts, clock, log: silentLogger, send, poll }) }
}

t.test('a node tells how busy its machine is, at first and then now and again', async (t) => {
  let load = 0.5
  const { clock, told, links } = place({ load: () => load })
  t.same(links.told, { load: 0.5 })
  links.start()
  load = 3
  clock.advance(LOAD_TELL_MS)
  t.same(told, [{ type: 'load', load: 3 }])
  links.close()
  clock.advance(LOAD_TELL_MS)
  t.equal(told.length, 1)
})

t.test('what is measured is told, and so is why it could not be', async (t) => {
  const measured = { rateBps: 8, spanMs: 1, bytes: 9 }
  const asked: boolean[] = []
  const { told, links } = place({
    probe: async (_, isBulk) => {
      asked.push(isBulk)
      if (isBulk) throw new EngineError('ENGINE_ERR_PROBE_FAILED', { to: '127.0.0.1:9', why: 'nobody is there' })
      return measured
    },
  })
  t.same(links.told, {})
  links.start()
  links.take({ type: 'probe', probeId: '1', to, isBulk: false })
  links.take({ type: 'probe', probeId: '2', to, isBulk: true })
  await new Promise((resolve) => setImmediate(resolve))
  t.same(asked, [false, true])
  t.match(told, [
    { type: 'probed', probeId: '1', measured, error: null },
    { type: 'probed', probeId: '2', measured: null, error: { code: 'ENGINE_ERR_PROBE_FAILED' } },
  ])
})

t.test('a node without a relay says that it cannot measure, and takes no limit', async (t) => {
  const { told, links } = place({})
  links.take({ type: 'limit', bandwidth: '5M' })
  links.take({ type: 'probe', probeId: '1', to, isBulk: false })
  await new Promise((resolve) => setImmediate(resolve))
  t.match(told, [{ type: 'probed', measured: null, error: { code: 'ENGINE_ERR_PROBE_FAILED' } }])
})

t.test('a node tells of what its relay’s peers did wrong, while it is open', async (t) => {
  let corruptChunks = 2
  const { clock, told, links } = place({}, () => {
    if (corruptChunks === 0) throw new EngineError('ENGINE_ERR_NATIVE_CLOSED')
    return [
      { session: 1, corruptChunks, faultyLinks: 1, lastFault: 'a chunk', children: [] } as unknown as SessionStatus,
    ]
  })
  links.start()
  clock.advance(RELAY_FAULTS_LOOK_MS)
  t.same(told, [{ type: 'faults', corruptChunks: 2, faultyLinks: 1 }])
  corruptChunks = 0
  clock.advance(RELAY_FAULTS_LOOK_MS)
  links.close()
  t.equal(clock.waiting, 0)
})
