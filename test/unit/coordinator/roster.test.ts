// Goal: the coordinator knows each node once, and backs off from what fails. Method: by hand.
import t from 'tap'
import { RETRY_FIRST_MS, RETRY_MS_MAX } from '../../../src/base/limits.js'
import { KnownNode, Roster, SiteTask } from '../../../src/coordinator/roster.js'
import type { NodeIdentity } from '../../../src/model/node.js'
import { ManualClock } from '../../support/manual-clock.js'

const identity = (name: string, id = name.repeat(32)): NodeIdentity => ({
  id,
  name,
  groups: ['edge'],
  segment: 'lan',
  dataAddress: { host: '127.0.0.1', port: 1 },
})
const release = { release: 1, treeHash: 'a'.repeat(64) }
const error = { code: 'ENGINE_ERR_NO_SPACE', message: 'full', hint: '' }

t.test('a node that comes again is the same known with what it says now', async (t) => {
  const roster = new Roster()
  const first = roster.admit(identity('a'), [], 1)
  const sites = [{ site: 'www', live: release, held: [] }]
  t.equal(roster.admit({ ...identity('a'), segment: 'other' }, sites, 2), first)
  t.equal(first.identity.segment, 'other')
  t.equal(first.holdings('www').live, release)
  t.same(first.holdings('docs'), { site: 'docs', live: null, held: [] })
})

t.test('a name belongs to the node that had it first', async (t) => {
  const roster = new Roster()
  roster.admit(identity('a'), [], 1)
  t.throws(() => roster.admit(identity('a', 'b'.repeat(32)), [], 1), { code: 'ENGINE_ERR_NODE_NAME_TAKEN' })
})

t.test('a node keeps its key: with another, or without, it is somebody else', async (t) => {
  const [key, other] = ['1'.repeat(64), '2'.repeat(64)]
  const roster = new Roster()
  t.equal(roster.admit(identity('a'), [], 1).publicKey, null)
  t.equal(roster.admit(identity('a'), [], 1, key).publicKey, key, 'it was upgraded')
  for (const wrong of [other, null]) {
    const refused = { code: 'ENGINE_ERR_NODE_KEY_CHANGED', message: wrong === null ? /none/ : /2222/ }
    t.throws(() => roster.admit({ ...identity('a'), segment: 'theirs' }, [], 1, wrong), refused)
  }
  t.match(roster.admit(identity('a'), [], 1, key), { publicKey: key, identity: { segment: 'lan' } })
  const after = new Roster()
  after.add(new KnownNode(identity('a'), [], 1, key))
  t.throws(() => after.admit(identity('a'), [], 1, other), { code: 'ENGINE_ERR_NODE_KEY_CHANGED' })
})

t.test('what was told is forgotten when the connection is lost', async (t) => {
  const known = new KnownNode(identity('a'), [], 1)
  const task = known.task('www')
  task.underWay = { kind: 'stage', commandId: 'x', release, assignmentId: 'y', isDelta: false, toldAtMs: 0 }
  t.same(known.assignmentsUnderWay, ['y'])
  known.heard(new ManualClock())
  t.same(known.presence, { online: false, lastHeardMs: 0 })
  known.lost()
  t.same(known.assignmentsUnderWay, [])
  t.equal(known.task('www'), task)
})

t.test('each failure in a row doubles the wait up to a bound, a success ends it', async (t) => {
  const task = new SiteTask()
  task.fail(release, error, true, 0)
  t.match(task.failure, { attempts: 1, retryAtMs: RETRY_FIRST_MS, message: 'full' })
  task.fail(release, error, true, 0)
  t.equal(task.failure?.retryAtMs, 2 * RETRY_FIRST_MS)
  for (let at = 0; at < 20; at++) task.fail(release, error, true, 0)
  t.equal(task.failure?.retryAtMs, RETRY_MS_MAX)
  task.fail({ ...release, release: 2 }, error, true, 0)
  t.equal(task.failure?.attempts, 1)
  task.succeed()
  t.equal(task.failure, null)
})
