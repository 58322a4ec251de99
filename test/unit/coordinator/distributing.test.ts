// Goal: a job waits for no node for ever. Method: by hand, by a clock that stands still.
import t from 'tap'
import { NODE_STALLED_MS } from '../../../src/base/limits.js'
import { giveUpSilent } from '../../../src/coordinator/distributing.js'
import { LiveJob } from '../../../src/coordinator/live-job.js'
import { Roster } from '../../../src/coordinator/roster.js'
import type { World } from '../../../src/coordinator/world.js'
import type { JobState } from '../../../src/model/job.js'
import { foldPart, newPart } from '../../../src/track/fold.js'
import { ManualClock } from '../../support/manual-clock.js'

const identity = {
  ...{ id: 'a'.repeat(32), name: 'one', groups: ['edge'], segment: 'lan' },
  dataAddress: { host: '127.0.0.1', port: 1 },
}

/** A job in `state` whose one node is connected and has staged the release. */
function place(state: JobState): { world: World; job: LiveJob; clock: ManualClock } {
  const clock = new ManualClock()
  const roster = new Roster()
  const known = roster.admit(identity, [], 1)
  known.link = { send: () => {}, close: () => {} }
  known.heard(clock)
  const policy = { stageOnly: false, maxDeleteRatio: 1, allowEmpty: true, quorum: 0.5, strategy: 'strands' } as const
  const record = {
    ...({ id: 'j', type: 'publish', site: 'www', group: 'edge', state, release: 1 } as const),
    ...{ baseRelease: null, directory: null, treeHash: null, reason: null, policy, changes: null, assignment: null },
    ...{ error: null, createdAtMs: 1, finishedAtMs: null },
  }
  const job = new LiveJob(record, [foldPart(newPart(identity), { type: 'staged' })], 0)
  return { world: { clock, roster } as unknown as World, job, clock }
}

t.test('a node that is there and does not answer its commit is left behind in the end', async (t) => {
  const { world, job, clock } = place('committing')
  clock.advance(NODE_STALLED_MS)
  giveUpSilent(world, job, job.parts)
  t.match(job.parts, [{ state: 'staged' }])
  clock.advance(1)
  giveUpSilent(world, job, job.parts)
  t.match(job.parts, [{ state: 'behind', reason: /not answered the commit for/ }])
})

t.test('a node that has staged what is not decided yet may wait as long as that takes', async (t) => {
  const { world, job, clock } = place('staged')
  clock.advance(100 * NODE_STALLED_MS)
  giveUpSilent(world, job, job.parts)
  t.match(job.parts, [{ state: 'staged', reason: null }])
})
