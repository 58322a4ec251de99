// Goal: a whole copy that cannot be packed is told to who waits for it, and tried again.
// Method: a packer that fails as often as the test says, by a clock that is moved by hand.
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { REPLICATE_ATTEMPTS_MAX, RETRY_MS_MAX } from '../../../src/base/limits.js'
import { silentLogger } from '../../../src/base/log.js'
import { WholePacking } from '../../../src/coordinator/catching-up.js'
import { type KnownNode, Roster } from '../../../src/coordinator/roster.js'
import { steer } from '../../../src/coordinator/steering.js'
import { nodeViews } from '../../../src/coordinator/views.js'
import type { World } from '../../../src/coordinator/world.js'
import { ManualClock } from '../../support/manual-clock.js'

const release = { release: 1, treeHash: 'b'.repeat(64) }

/** A site whose release is in no assignment, and one connected node that lacks it. */
function place() {
  const [clock, roster] = [new ManualClock(), new Roster()]
  const packings: number[] = []
  const join = (name: string): KnownNode => {
    const node = { id: name.repeat(32), name, groups: ['edge'], segment: 'lan' }
    const known = roster.admit({ ...node, dataAddress: { host: '127.0.0.1', port: 1 } }, [], 1)
    known.link = { send: () => {}, close: () => {} }
    return known
  }
  const record = { site: 'www', group: 'edge', only: null, target: { ...release, jobId: 'j', command: 'commit' } }
  const pack = async (): Promise<never> => {
    packings.push(clock.monotonicMs())
    throw new EngineError('ENGINE_ERR_NO_SPACE', { path: '/data' })
  }
  const world = {
    ...{ clock, roster, log: silentLogger, jobs: new Map(), background: new Set() },
    ...{ closing: new AbortController().signal, store: { meta: { nextSerial: async () => 1 } }, content: { pack } },
    sites: new Map([['www', { record, assignments: [] }]]),
    wholes: new WholePacking(() => world),
    uplinks: { rateOf: () => null },
  } as unknown as World
  /** A round, and all that follows from it. */
  const round = async (): Promise<void> => {
    for (const known of roster.all) steer(world, known, 'www')
    await Promise.allSettled([...world.background])
  }
  /** Rounds until it was tried so often. */
  const tryTimes = async (times: number): Promise<void> => {
    while (packings.length < times) {
      await round()
      clock.advance(1000)
    }
  }
  return { world, clock, packings, join, round, tryTimes }
}

t.test('who asks for a whole copy that was given up is told why', async (t) => {
  const { world, packings, join, round, tryTimes } = place()
  join('a')
  await tryTimes(1)
  t.equal(world.wholes.isPacking('www', release), true, 'it is tried again soon')
  await tryTimes(REPLICATE_ATTEMPTS_MAX)
  t.equal(world.wholes.isPacking('www', release), false)
  const late = join('b')
  await round()
  t.match(late.task('www').failure, { error: { code: 'ENGINE_ERR_NO_SPACE' } })
  t.match(nodeViews(world), [{ reason: /www@1 is missing: .*space/ }, { reason: /www@1 is missing: .*space/ }])
  t.equal(packings.length, REPLICATE_ATTEMPTS_MAX)
})

t.test('what was given up is tried once more from time to time', async (t) => {
  const { packings, join, tryTimes } = place()
  join('a')
  await tryTimes(REPLICATE_ATTEMPTS_MAX + 2)
  const waits = packings.map((atMs, at) => atMs - (packings[at - 1] ?? 0)).slice(-2)
  t.ok(
    waits.every((ms) => ms >= RETRY_MS_MAX),
    waits.join(),
  )
})

t.test('attempts at a release that nobody is brought to any more are forgotten', async (t) => {
  const { world, join, tryTimes } = place()
  join('a')
  await tryTimes(1)
  const next = { release: 2, treeHash: 'c'.repeat(64) }
  const state = world.sites.get('www')
  const record = { ...state?.record, target: { ...next, jobId: 'k', command: 'commit' } }
  world.sites.set('www', { record, assignments: [] } as unknown as typeof state & object)
  await tryTimes(2)
  t.equal(world.wholes.isPacking('www', release), false)
  t.equal(world.wholes.isPacking('www', next), true)
})
