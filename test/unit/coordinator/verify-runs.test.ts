// Goal: a site is read on the nodes that were asked for, each answers for itself, and the whole has an end.
import t from 'tap'
import { silentLogger } from '../../../src/base/log.js'
import { VERIFY_RUNS_KEPT } from '../../../src/base/verify-limits.js'
import { Checks } from '../../../src/coordinator/checking.js'
import { Roster } from '../../../src/coordinator/roster.js'
import { VerifyRuns } from '../../../src/coordinator/verify-runs.js'
import type { World } from '../../../src/coordinator/world.js'
import type { FromCoordinator } from '../../../src/control/schema/channel.js'
import type { Verification } from '../../../src/model/verification.js'
import { ManualClock } from '../../support/manual-clock.js'
import { nodeIdentity } from '../../support/records.js'
import { until } from '../../support/until.js'

const request = { site: 'www', group: null, nodes: null, release: null, rateBps: null, repair: false }
const found = (mismatches: number, mended: Verification['mended'] = 'none'): Verification => ({
  ...{ site: 'www', release: 1, treeHash: 'a'.repeat(64), files: 1, bytes: 2, mismatches, findings: [] },
  ...{ linkIsRight: true, alsoDamaged: [], mended },
})
const ids = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(32))

const place = (nodeCount: number) => {
  const roster = new Roster()
  const asked: (FromCoordinator & { type: 'check' })[] = []
  for (const [i, id] of ids.slice(0, nodeCount).entries()) {
    const known = roster.admit(nodeIdentity({ id, name: `n${i}` }), [], 1)
    if (i < 3) known.link = { send: (message) => void asked.push(message as never), close: () => {} }
  }
  const closing = new AbortController()
  const world = {
    ...{ roster, checks: new Checks(), clock: new ManualClock(), log: silentLogger, background: new Set() },
    ...{ closing: closing.signal, sites: new Map([['www', { record: { site: 'www', group: 'edge' } }]]) },
  } as unknown as World
  let count = 0
  return { world, asked, runs: new VerifyRuns(world, () => `v${++count}`) }
}

t.test('each node is asked, and the run is over when the last has answered or cannot', async (t) => {
  const { world, asked, runs } = place(4)
  const { id, nodes } = runs.begin(request)
  t.equal(nodes.length, 4)
  t.equal(asked.length, 3)
  const answers = [found(0), found(2), found(2, 'restaged')]
  for (const [i, { checkId }] of asked.entries()) {
    t.equal(runs.get(id).finishedAtMs, null)
    world.checks.answer(ids[i] ?? '', { type: 'checked', checkId, found: answers[i] ?? null, error: null })
    await until('the answer is taken', () => runs.get(id).nodes[i]?.found !== null)
  }
  const over = runs.get(id)
  t.not(over.finishedAtMs, null)
  t.strictSame(
    over.nodes.map(({ state }) => state),
    ['clean', 'damaged', 'mended', 'failed'],
  )
  t.equal(over.nodes[3]?.error?.code, 'ENGINE_ERR_NODE_LOST')
})

t.test('who and what is not known is refused', async (t) => {
  const { runs, asked } = place(2)
  t.throws(() => runs.begin({ ...request, site: 'none' }), { code: 'ENGINE_ERR_SITE_UNKNOWN' })
  t.throws(() => runs.begin({ ...request, group: 'far' }), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  t.throws(() => runs.begin({ ...request, nodes: ['n0', 'n7'] }), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  t.throws(() => place(0).runs.begin(request), { code: 'ENGINE_ERR_GROUP_EMPTY' })
  t.throws(() => runs.get('v9'), { code: 'ENGINE_ERR_VERIFICATION_UNKNOWN' })
  t.strictSame(asked, [])
  runs.begin({ ...request, group: 'edge', nodes: ['n1'] })
  t.equal(asked.length, 1)
})

t.test('old ones are forgotten, one that is at work never', async (t) => {
  const { world, runs } = place(1)
  const working = runs.begin(request).id
  const known = world.roster.all[0]
  if (known !== undefined) known.link = null
  for (let i = 0; i < VERIFY_RUNS_KEPT + 5; i++) {
    const { id } = runs.begin(request)
    await until('it has failed', () => runs.get(id).finishedAtMs !== null)
  }
  t.equal(runs.get(working).finishedAtMs, null)
  t.throws(() => runs.get('v2'), { code: 'ENGINE_ERR_VERIFICATION_UNKNOWN' })
})
