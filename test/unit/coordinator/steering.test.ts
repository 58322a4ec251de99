// Goal: an order for one release never keeps a node from another. Method: by hand, one connected node.
import t from 'tap'
import { NODE_STALLED_MS, REPORT_GRACE_MS, RETRY_FIRST_MS } from '../../../src/base/limits.js'
import { silentLogger } from '../../../src/base/log.js'
import type { FromCoordinator } from '../../../src/control/schema/channel.js'
import { type KnownNode, Roster } from '../../../src/coordinator/roster.js'
import { steer, steerSite } from '../../../src/coordinator/steering.js'
import type { World } from '../../../src/coordinator/world.js'
import type { ReleaseRef } from '../../../src/model/node.js'
import { newPart, type NodePart } from '../../../src/track/fold.js'
import { ManualClock } from '../../support/manual-clock.js'
import { assignmentRecord } from '../../support/records.js'
import { untold } from '../../support/untold.js'

const release = (number: number): ReleaseRef => ({ release: number, treeHash: String(number).repeat(64) })

/** A connected node that serves 4 and holds 3; the site should serve `target`. */
function place(target: number): { world: World; known: KnownNode; heard: FromCoordinator[]; clock: ManualClock } {
  const [clock, roster] = [new ManualClock(), new Roster()]
  const sites = [{ site: 'www', live: release(4), held: [release(3), release(4)] }]
  const node = { id: 'a'.repeat(32), name: 'one', groups: ['edge'], segment: 'lan' }
  const known = roster.admit({ ...node, dataAddress: { host: '127.0.0.1', port: 1 } }, sites, 1)
  const heard: FromCoordinator[] = []
  known.link = { send: (message) => void heard.push(message), close: () => {} }
  const record = {
    site: 'www',
    group: 'edge',
    only: null,
    target: { ...release(target), jobId: 'j', command: 'rollback' },
  }
  const world = {
    ...untold,
    ...{ clock, roster, log: silentLogger, jobs: new Map(), closing: new AbortController().signal },
    sites: new Map([['www', { record, assignments: [] }]]),
  } as unknown as World
  return { world, known, heard, clock }
}

t.test('a node that fetches another release is told at once to switch to what it holds', async (t) => {
  const { world, known, heard, clock } = place(3)
  const about = { kind: 'stage', commandId: 's.1', assignmentId: 's', isDelta: false } as const
  known.task('www').underWay = { ...about, release: release(5), toldAtMs: clock.monotonicMs() }
  steer(world, known, 'www')
  t.match(heard, [{ type: 'commit', command: 'rollback', release: 3 }])
  clock.advance(NODE_STALLED_MS)
  steer(world, known, 'www')
  t.equal(heard.length, 1, 'it is told once')
})

t.test('a node has time to report what it holds, then it is taken at its word', async (t) => {
  const { world, known, heard, clock } = place(3)
  const about = { kind: 'stage', commandId: 's.1', assignmentId: 's', isDelta: false } as const
  known.task('www').underWay = { ...about, release: release(3), toldAtMs: clock.monotonicMs() }
  steer(world, known, 'www')
  t.same(heard, [])
  clock.advance(REPORT_GRACE_MS)
  steer(world, known, 'www')
  t.match(heard, [{ type: 'commit', release: 3 }])
})

t.test('between a decision and its reading nobody is told what was served before', async (t) => {
  const { world, known, heard } = place(3)
  const record = { id: 'j5', site: 'www', state: 'committing', baseRelease: null, policy: {} }
  const job = { id: 'j5', record, release: release(5), assignment: null, shadowStaged: false, part: () => undefined }
  world.jobs.set('j5', job as never)
  steer(world, known, 'www')
  t.same(heard, [], 'the site still shows 3, which the node holds; the job has decided for 5')
})

t.test('what brought an earlier release of a session is told to nobody as what brings the next', async (t) => {
  const { world, known, heard } = place(4)
  const record = { id: 'j', site: 'www', state: 'distributing', baseRelease: 3, policy: {} }
  const assignment = assignmentRecord({ ...release(4), baseRelease: 3 })
  const plan = { strandCount: 1, parents: [], peers: [] }
  const transfer = {
    assignmentId: assignment.id,
    partOf: () => ({ part: { nodeId: '', plan, reserve: null }, changed: [] }),
  }
  Object.assign(world, { transfers: { get: () => transfer } })
  const job = { id: 'j', record, release: release(5), assignment, baseTreeHash: release(3).treeHash, commands: [] }
  world.jobs.set('j', { ...job, shadowStaged: false, part: () => undefined } as never)
  steer(world, known, 'www')
  t.same(heard, [], 'what brings 5 is not packed yet')
})

t.test(
  'who serves a decision and could not say so is asked again in its time, and counts as live only then',
  async (t) => {
    const { world, known, heard, clock } = place(4)
    const parts: NodePart[] = [newPart(known.identity)]
    const job = {
      ...{ id: 'j', record: { id: 'j', site: 'www', state: 'committing', policy: {} }, release: release(4) },
      ...{ part: () => parts.at(-1), setPart: (part: NodePart) => parts.push(part), isProven: () => false },
    }
    world.jobs.set('j', job as never)
    const full = { code: 'ENGINE_ERR_NO_SPACE', message: 'the disk is full', hint: '' }
    known.task('www').fail(release(4), full, true, clock.monotonicMs())
    steer(world, known, 'www')
    t.same(heard, [])
    t.same(
      parts.map(({ state }) => state),
      ['new'],
    )
    clock.advance(RETRY_FIRST_MS)
    steer(world, known, 'www')
    t.match(heard, [{ type: 'commit', release: 4 }])
    t.notOk(parts.some(({ state }) => state === 'live'))
  },
)

t.test('who serves others is told before them, whoever takes no part is told last', (t) => {
  const { world } = place(3)
  const told: string[] = []
  const live = release(4)
  const ids = ['b', 'c', 'd'].map((letter) => letter.repeat(32))
  for (const id of ids) {
    const node = { id, name: id, groups: ['edge'], segment: 'lan', dataAddress: { host: '127.0.0.1', port: 1 } }
    const known = world.roster.admit(node, [{ site: 'www', live, held: [release(3), live] }], 1)
    known.link = { send: () => void told.push(id), close: () => {} }
  }
  const members = ['d', 'b'].map((letter) => ({ nodeId: letter.repeat(32) }))
  const transfers = { all: [{ about: { site: 'www' }, members }] }
  steerSite({ ...world, transfers } as unknown as World, 'www')
  t.same(
    told,
    ['d', 'b', 'c'].map((letter) => letter.repeat(32)),
  )
  t.end()
})
