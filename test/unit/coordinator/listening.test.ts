// Goal: who is connected counts as there, whether it has anything to say or not.
// Method: a real coordinator and a real socket, by a clock that is moved by hand.
import t from 'tap'
import { HEARTBEAT_MS } from '../../../src/base/limits.js'
import { Coordinator } from '../../../src/coordinator.js'
import { FakeNode } from '../../support/fake-node.js'
import { ManualClock } from '../../support/manual-clock.js'
import { until } from '../../support/until.js'

t.test('a node that says nothing but answers pings was heard just now', async (t) => {
  const clock = new ManualClock()
  await using coordinator = await Coordinator.open({ dataDir: t.testdir(), clock })
  const node = new FakeNode({ name: 'idle' })
  await node.connect(coordinator.url)
  clock.advance(HEARTBEAT_MS)
  const seen = await until('its pong counts', async () => {
    const [view] = await coordinator.nodes()
    return view?.lastSeenMs === clock.nowMs() ? view : undefined
  })
  t.equal(seen.online, true)
  await node.disconnect()
})
