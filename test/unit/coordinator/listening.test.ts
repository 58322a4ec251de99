// Goal: who is connected counts as there, whether it has anything to say or not.
// Method: a real coordinator and a real socket, by a clock that is moved by hand; a flood over a database that stalls.
import t from 'tap'
import { HEARTBEAT_MS, REPORTS_KEPT_MAX } from '../../../src/base/limits.js'
import { silentLogger } from '../../../src/base/log.js'
import { nodeConnected } from '../../../src/coordinator/listening.js'
import { Roster } from '../../../src/coordinator/roster.js'
import type { World } from '../../../src/coordinator/world.js'
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

t.test('a node that says more than can be taken is let go, one that tells all that it owes is not', async (t) => {
  let goOn = (): void => {}
  const stalled = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const world = {
    ...{ roster: new Roster(), clock: new ManualClock(), log: silentLogger, stale: [] },
    ...{ sites: new Map(), jobs: new Map(), closing: new AbortController().signal },
    store: { nodes: { put: () => stalled, setSites: async () => {} } },
  } as unknown as World
  const closed: string[] = []
  const link = { send: () => {}, close: (code: string) => void closed.push(code) }
  const identity = { id: 'a'.repeat(32), name: 'loud', groups: ['edge'], segment: 'lan' }
  const node = { ...identity, dataAddress: { host: '127.0.0.1', port: 1 } }
  const hello = { type: 'hello', version: 1, role: 'node', software: 'test', node, sites: [] } as const
  const session = nodeConnected(world, link, hello as unknown as Parameters<typeof nodeConnected>[2])
  const say = (times: number): void => {
    for (let at = 0; at < times; at++) session.onMessage({ type: 'holdings', sites: [] })
  }
  say(REPORTS_KEPT_MAX)
  t.same(closed, [])
  say(REPORTS_KEPT_MAX)
  t.same([...new Set(closed)], ['ENGINE_ERR_OVERLOADED'])
  const [known] = world.roster.all
  goOn()
  await known?.inbox
  t.equal(known?.inboxCount, 0)
})
