// Goal: limits are shown as they are in force, and changed where they are; a question always has an end.
// Method: a real coordinator and a real node in this process, and by hand a node that says nothing.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { QUERY_ANSWER_MS } from '../../../src/base/ending-limits.js'
import { Coordinator } from '../../../src/coordinator.js'
import { setLimit } from '../../../src/coordinator/limiting.js'
import { KnownNode } from '../../../src/coordinator/roster.js'
import type { World } from '../../../src/coordinator/world.js'
import { Node } from '../../../src/node.js'
import { ManualClock } from '../../support/manual-clock.js'
import { nodeIdentity } from '../../support/records.js'

const MIB_BPS = 8 * 1024 * 1024

t.test('a node tells its limit, takes another one, and begins with its own again', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'distributary-limiting-'))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  await using coordinator = await Coordinator.open({ dataDir: join(root, 'data'), bwlimit: '9M' })
  const options = { dataDir: join(root, 'n1'), join: coordinator.url, name: 'n1', bwlimit: '5M' }
  const node = await Node.open(options)
  await node.ready()
  const coordinators = { name: 'coordinator', bandwidth: '9M', rateBps: 9 * MIB_BPS }
  t.same(await coordinator.limits(), [coordinators, { name: 'n1', bandwidth: '5M', rateBps: 5 * MIB_BPS }])
  t.same(await coordinator.setLimit('n1', '2M'), { name: 'n1', bandwidth: '2M', rateBps: 2 * MIB_BPS })
  t.same((await coordinator.nodes())[0]?.limit, { bandwidth: '2M', rateBps: 2 * MIB_BPS })
  t.same(await coordinator.setLimit('coordinator', 'off'), { name: 'coordinator', bandwidth: 'off', rateBps: null })
  await t.rejects(coordinator.setLimit('n1', '5'), { code: 'ENGINE_ERR_INVALID_ARGUMENT', message: /with its unit/ })
  await t.rejects(coordinator.setLimit('n2', '5M'), { code: 'ENGINE_ERR_NODE_UNKNOWN' })
  await node.close()
  await t.rejects(coordinator.setLimit('n1', '5M'), { code: 'ENGINE_ERR_NODE_LOST' })
  t.equal((await coordinator.nodes())[0]?.limit, undefined)
  await using again = await Node.open(options)
  await again.ready()
  t.match(await coordinator.limits(), [{}, { name: 'n1', bandwidth: '5M' }])
  const { items } = await coordinator.audit()
  const changes = items.filter(({ action }) => action === 'setLimit').map(({ subject, outcome }) => [subject, outcome])
  t.same(changes.slice(0, 3), [
    ['relay n1', 'done'],
    ['relay coordinator', 'done'],
    ['relay n1', 'refused'],
  ])
})

t.test('a node that does not answer, or goes meanwhile, ends the wait', async (t) => {
  const clock = new ManualClock()
  const known = new KnownNode(nodeIdentity(), [], 1)
  known.link = { send: () => {}, close: () => {} }
  const world = { roster: { all: [known] }, closing: new AbortController().signal, clock } as unknown as World
  const silent = setLimit(world, known.identity.name, '5M')
  clock.advance(QUERY_ANSWER_MS)
  await t.rejects(silent, { code: 'ENGINE_ERR_NODE_SILENT' })
  const lost = setLimit(world, known.identity.name, '5M')
  known.lost()
  await t.rejects(lost, { code: 'ENGINE_ERR_NODE_LOST' })
  t.equal(clock.waiting, 0, 'no timer stays')
})
