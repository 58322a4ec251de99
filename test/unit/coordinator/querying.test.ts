// Goal: a node can be asked where its commands stand, and the question always has an end.
// Method: by hand, by a clock that stands still; then a real coordinator and nodes that answer as the test says.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { QUERY_ANSWER_MS } from '../../../src/base/ending-limits.js'
import { EngineError } from '../../../src/base/errors.js'
import type { FromCoordinator } from '../../../src/control/schema/channel.js'
import { Coordinator } from '../../../src/coordinator.js'
import { askState, Queries } from '../../../src/coordinator/querying.js'
import { KnownNode } from '../../../src/coordinator/roster.js'
import type { World } from '../../../src/coordinator/world.js'
import { FakeNode } from '../../support/fake-node.js'
import { ManualClock } from '../../support/manual-clock.js'
import { nodeIdentity } from '../../support/records.js'
import { until } from '../../support/until.js'

const place = () => {
  const [closing, clock] = [new AbortController(), new ManualClock()]
  const world = { queries: new Queries(), closing: closing.signal, clock } as unknown as World
  const known = new KnownNode(nodeIdentity(), [], 1)
  const heard: FromCoordinator[] = []
  known.link = { send: (message) => void heard.push(message), close: () => {} }
  return { world, known, heard, closing, clock, id: known.identity.id }
}

const answer = { commands: [{ jobId: 'j', number: 1, state: 'in-progress', bytesHave: 5 } as const], sites: [] }

t.test('a node is asked once, and only its own answer to this query counts', async (t) => {
  const { world, known, heard, clock, id } = place()
  const asked = askState(world, known)
  t.strictSame(heard, [{ type: 'query', queryId: '1' }])
  world.queries.answer('f'.repeat(32), { type: 'state', queryId: '1', commands: [], sites: [] })
  world.queries.answer(id, { type: 'state', queryId: '2', commands: [], sites: [] })
  world.queries.answer(id, { type: 'state', queryId: '1', ...answer })
  t.same(await asked, answer)
  t.equal(clock.waiting, 0, 'no timer stays')
})

t.test('a node that says nothing, is not there or goes, a coordinator that closes: each ends it', async (t) => {
  const { world, known, closing, clock, id } = place()
  const silent = askState(world, known)
  clock.advance(QUERY_ANSWER_MS)
  await t.rejects(silent, { code: 'ENGINE_ERR_NODE_SILENT', message: /ams-1/ })
  const lost = askState(world, known)
  world.queries.lost(id, 'ams-1')
  await t.rejects(lost, { code: 'ENGINE_ERR_NODE_LOST', message: /ams-1/ })
  const closed = askState(world, known)
  closing.abort(new EngineError('ENGINE_ERR_CLOSING'))
  await t.rejects(closed, { code: 'ENGINE_ERR_CLOSING' })
  known.link = null
  await t.rejects(askState(world, known), { code: 'ENGINE_ERR_NODE_LOST' })
})

t.test('what the node says of a running job is put beside what is on record', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'distributary-querying-'))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  const staging = join(root, 'staging')
  await mkdir(staging)
  await writeFile(join(staging, 'index.html'), 'hello\n')
  await using coordinator = await Coordinator.open({ dataDir: join(root, 'data') })
  const node = new FakeNode({ name: 'one', onCommit: () => 'ignore' })
  await node.connect(coordinator.url)
  const { id } = await coordinator.publish(staging, { site: 'www', group: 'edge' })
  await until('it is told to switch', () => node.messages('commit').length === 1)
  node.onQuery = () => [{ jobId: id, number: 2, state: 'in-progress', bytesHave: 0 }]
  const commands = (await coordinator.queryNode('one')).commands.map(({ number, type, state }) => [number, type, state])
  t.same(commands, [
    [1, 'publish', 'completed'],
    [2, 'commit', 'in-progress'],
    [3, 'end-job', 'new'],
  ])
  await t.rejects(coordinator.queryNode('two'), { code: 'ENGINE_ERR_NODE_UNKNOWN' })
  await node.disconnect()
  await t.rejects(coordinator.queryNode('one'), { code: 'ENGINE_ERR_NODE_LOST' })
})
