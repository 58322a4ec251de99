// Goal: a job waits for no node for ever. Method: by hand, by a clock that stands still.
import t from 'tap'
import { NODE_SILENT_MS, NODE_STALLED_MS, STAGING_STALLED_MS } from '../../../src/base/limits.js'
import { enoughReady, giveUpSilent } from '../../../src/coordinator/distributing.js'
import { LiveJob } from '../../../src/coordinator/live-job.js'
import { Roster } from '../../../src/coordinator/roster.js'
import type { World } from '../../../src/coordinator/world.js'
import type { JobState } from '../../../src/model/job.js'
import type { AssignmentRecord } from '../../../src/store/assignments.js'
import { foldPart, newPart, type PartEvent } from '../../../src/track/fold.js'
import { ManualClock } from '../../support/manual-clock.js'

const identity = {
  ...{ id: 'a'.repeat(32), name: 'one', groups: ['edge'], segment: 'lan' },
  dataAddress: { host: '127.0.0.1', port: 1 },
}

interface Place {
  readonly world: World
  readonly job: LiveJob
  readonly clock: ManualClock
  /** Whether a whole release is being packed. */
  readonly packing: { whole: boolean }
}

/** A job in `state` whose one node is connected and has said `events`. */
function place(state: JobState, ...events: readonly PartEvent[]): Place {
  const [clock, roster, packing] = [new ManualClock(), new Roster(), { whole: false }]
  const known = roster.admit(identity, [], 1)
  known.link = { send: () => {}, close: () => {} }
  known.heard(clock)
  const policy = { maxDeleteRatio: 1, allowEmpty: true, quorum: 0.5, strategy: 'braid' } as const
  const record = {
    ...({ id: 'j', site: 'www', group: 'edge', only: null, state, release: 1 } as const),
    ...{ baseRelease: null, treeHash: 'b', reason: null, policy, changes: null, assignment: null },
    ...{ error: null, createdAtMs: 1, finishedAtMs: null },
  }
  const job = new LiveJob(record, { commands: [], parts: [events.reduce(foldPart, newPart(identity))] }, 0)
  const site = { record: { site: 'www', group: 'edge', only: null, target: null }, assignments: [] }
  const world = {
    ...{ clock, roster, openedAtMs: 0, jobs: new Map([['j', job]]), sites: new Map([['www', site]]) },
    transfers: { all: [] },
    wholes: { ask: () => {}, isPacking: () => packing.whole },
  } as unknown as World
  return { world, job, clock, packing }
}

const staged = { type: 'staged' } as const
const fetching = { type: 'progress', bytesHave: 1, rateBps: 1 } as const

/** An assignment of which only this counts: whether it is packed. */
const assignmentOf = (packed: object | null): AssignmentRecord => ({ id: 'x', packed }) as unknown as AssignmentRecord

t.test('a node that gets nothing of a paused job is waited for; one that has all of it is not', async (t) => {
  const { world, job, clock } = place('distributing', fetching)
  job.record = { ...job.record, paused: true }
  clock.advance(10 * NODE_STALLED_MS)
  giveUpSilent(world, job, job.parts)
  t.match(job.parts, [{ state: 'receiving' }])
  job.record = { ...job.record, paused: false }
  giveUpSilent(world, job, job.parts)
  t.match(job.parts, [{ state: 'behind' }])
  const committing = place('committing', staged)
  committing.job.record = { ...committing.job.record, paused: true }
  committing.clock.advance(NODE_STALLED_MS + 1)
  giveUpSilent(committing.world, committing.job, committing.job.parts)
  t.match(committing.job.parts, [{ state: 'behind' }])
})

t.test('a node that is there and does not answer its commit is left behind in the end', async (t) => {
  const { world, job, clock } = place('committing', staged)
  clock.advance(NODE_STALLED_MS)
  giveUpSilent(world, job, job.parts)
  t.match(job.parts, [{ state: 'staged' }])
  clock.advance(1)
  giveUpSilent(world, job, job.parts)
  t.match(job.parts, [{ state: 'behind', reason: /not answered the commit for/ }])
})

t.test('a node that has staged what is not decided yet may wait as long as that takes', async (t) => {
  const { world, job, clock } = place('staged', staged)
  clock.advance(100 * NODE_STALLED_MS)
  giveUpSilent(world, job, job.parts)
  t.match(job.parts, [{ state: 'staged', reason: null }])
})

t.test('a node that went away long before the job is not waited for anew, one that left just now is', async (t) => {
  for (const state of ['distributing', 'committing'] as const) {
    const { world, job, clock } = place(state)
    world.roster.get(identity.id)?.lost()
    clock.advance(NODE_SILENT_MS)
    job.waitingSinceMs = clock.monotonicMs()
    giveUpSilent(world, job, job.parts)
    t.match(job.parts, [{ state: 'new' }], state)
    clock.advance(1)
    giveUpSilent(world, job, job.parts)
    t.match(job.parts, [{ state: 'behind', reason: /has not answered for/ }], state)
  }
})

t.test('a node that was not met since the coordinator opened is waited for once, not by each job', async (t) => {
  const { world, job, clock } = place('distributing')
  const known = world.roster.get(identity.id)
  known?.lost()
  if (known !== undefined) known.lastHeardMs = null
  clock.advance(NODE_SILENT_MS)
  giveUpSilent(world, job, job.parts)
  t.match(job.parts, [{ state: 'new' }])
  clock.advance(1)
  job.waitingSinceMs = clock.monotonicMs()
  giveUpSilent(world, job, job.parts)
  t.match(job.parts, [{ state: 'behind', reason: /not connected since the coordinator started/ }])
})

interface Hanging {
  readonly events: readonly PartEvent[]
  readonly limitMs: number
  readonly reason: RegExp
}

const hanging: readonly Hanging[] = [
  { events: [], limitMs: NODE_STALLED_MS, reason: /nothing could be sent to it for/ },
  { events: [fetching], limitMs: NODE_STALLED_MS, reason: /received nothing for/ },
  { events: [fetching, { type: 'received' }], limitMs: STAGING_STALLED_MS, reason: /has staged nothing for/ },
]

for (const assignment of [null, assignmentOf({})]) {
  const what = assignment === null ? 'a rollback or an identical publish' : 'a publish that is packed'
  t.test(`in ${what} a node that is connected and gets nowhere is left behind`, async (t) => {
    for (const { events, limitMs, reason } of hanging) {
      const { world, job, clock } = place(assignment === null ? 'committing' : 'distributing', ...events)
      job.assignment = assignment
      const [before] = job.parts
      clock.advance(limitMs)
      giveUpSilent(world, job, job.parts)
      t.same(job.parts, [before])
      clock.advance(1)
      giveUpSilent(world, job, job.parts)
      t.match(job.parts, [{ state: 'behind', reason }])
    }
  })
}

t.test('while anything is still packed for it, a node that gets nothing is waited for', async (t) => {
  const { world, job, clock, packing } = place('distributing')
  const leftBehind = (): boolean => {
    giveUpSilent(world, job, job.parts)
    return job.parts[0]?.state === 'behind'
  }
  job.assignment = assignmentOf(null)
  clock.advance(100 * NODE_STALLED_MS)
  t.equal(leftBehind(), false)
  job.assignment = assignmentOf({})
  packing.whole = true
  t.equal(leftBehind(), false)
  packing.whole = false
  t.equal(leftBehind(), true)
})

t.test('how long it was packed is held against no node', async (t) => {
  const { world, job, clock } = place('distributing', fetching)
  job.assignment = assignmentOf({})
  clock.advance(100 * NODE_STALLED_MS)
  job.allPackedAtMs = clock.monotonicMs()
  const done = enoughReady(world, job)
  t.match(job.parts, [{ state: 'receiving' }])
  job.setPart(foldPart(newPart(identity), staged), clock.monotonicMs())
  await done
  t.match(job.parts, [{ state: 'staged' }])
})
