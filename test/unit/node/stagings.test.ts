// Stage commands from arrival to answer, over a data plane the test drives: one thing is done however
// often it is asked for, every command is answered, and what fails leaves nothing half-done.
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { SESSION_LINGER_MS, STAGINGS_AT_ONCE_MAX } from '../../../src/base/limits.js'
import { isHeld } from '../../../src/node/state.js'
import { assignmentId, commitOf, exists, openParts, somePlan, stageOf } from '../../support/node-parts.js'
import { until } from '../../support/until.js'

t.test('an assignment is fetched, executed, written down and reported: receipt, then completion', async (t) => {
  const parts = await openParts(t)
  const command = await parts.command(1)
  await parts.stagings.stage(command)
  const execution = await parts.execution(0)
  t.match(execution.options, {
    session: 1,
    assignmentId: assignmentId(1),
    baseDirectory: null,
    targetDirectory: parts.paths.release('www', 1),
    treePath: parts.paths.tree('www', 1),
  })
  t.ok(parts.ledger.state.begun.has(assignmentId(1)), 'what is fetched is known before it is fetched')
  parts.plane.stand(1, { bytesHave: 700, bytesReceived: 700, parents: ['d'.repeat(32)] })
  parts.clock.advance(250)
  t.match(parts.sent.at(-1), { type: 'progress', jobId: 'job-1', bytesHave: 700 })
  parts.plane.stand(1, { bytesHave: 900, bytesReceived: 900, complete: true })
  parts.clock.advance(250)
  await parts.reported('receipt')
  await execution.finish(command.treeHash)
  const completion = await parts.reported('completion')
  t.match(completion, {
    commandId: 'stage-1',
    jobId: 'job-1',
    command: 'publish',
    site: 'www',
    release: 1,
    treeHash: command.treeHash,
    bytesFetched: 900,
    error: null,
  })
  t.ok(isHeld(parts.ledger.state, 'www', command))
  t.ok(parts.reportsOf('receipt').length === 1 && parts.reportsOf('completion').length === 1)
  t.ok(completion.reportId > (parts.reportsOf('receipt')[0]?.reportId ?? 0))
  t.equal(parts.reports.owed, 2)
  await until('holdings are told', () => parts.holdingsTold === 1)
})

t.test('progress leaves when it begins, then each second, and none when nothing moves', async (t) => {
  const parts = await openParts(t)
  await parts.stagings.stage(await parts.command(1))
  await parts.execution(0)
  for (let bytes = 1; bytes <= 100; bytes++) {
    parts.plane.stand(1, { bytesHave: bytes })
    parts.clock.advance(25)
  }
  const told = parts.sent.filter(({ type }) => type === 'progress').length
  t.ok(told >= 3 && told <= 4, `${told} in 2.5 s`)
  parts.clock.advance(20_000)
  const settled = parts.sent.length
  parts.clock.advance(20_000)
  t.equal(parts.sent.length, settled)
})

t.test('a command that comes twice while it is under way is done once and answered', async (t) => {
  const parts = await openParts(t)
  const command = await parts.command(1)
  await Promise.all([parts.stagings.stage(command), parts.stagings.stage(command)])
  const plan = { ...somePlan, strandCount: 1, peers: somePlan.parents[0] ?? [] }
  await parts.execution(0)
  await parts.stagings.stage({ ...command, commandId: 'again', plan })
  t.strictSame(parts.plane.plans.at(-1), { session: 1, plan }, 'the newer plan counts')
  t.equal(parts.plane.receivers.length, 1)
  const execution = await parts.execution(0)
  await execution.finish(command.treeHash)
  await parts.reported('completion', 2)
  const answered = parts.reportsOf('completion').map(({ commandId }) => commandId)
  t.strictSame(answered, ['stage-1', 'again'])
  t.strictSame(parts.reportsOf('failure'), [])
  t.equal(parts.plane.executions.length, 1)
})

t.test('how fast it is passed on is as the newest order says, also when it only serves others', async (t) => {
  const parts = await openParts(t)
  const pace = { rateBps: 8_000_000, weight: 3, isPaused: true }
  const command = await parts.command(1)
  await parts.stagings.stage({ ...command, pace })
  const execution = await parts.execution(0)
  t.same(parts.plane.receivers[0]?.pace, pace)
  parts.stagings.setPace(assignmentId(1), { ...pace, isPaused: false })
  parts.stagings.setPace(assignmentId(2), pace)
  await parts.stagings.stage({ ...command, commandId: 'again' })
  await execution.finish(command.treeHash)
  await parts.reported('completion', 2)
  parts.stagings.setPace(assignmentId(1), pace)
  t.same(parts.plane.paces, [
    { session: 1, pace: { ...pace, isPaused: false } },
    { session: 1, pace: { rateBps: null, weight: 10, isPaused: false } },
    { session: 1, pace },
  ])
})

t.test('a command for a release that stands is answered at once, and again if asked again', async (t) => {
  const parts = await openParts(t)
  const treeHash = await parts.hold(3)
  for (let count = 1; count <= 2; count++) {
    await parts.stagings.stage(stageOf(3, treeHash))
    t.equal(parts.reportsOf('completion').length, count)
  }
  t.equal(parts.plane.receivers.length, 0)
})

t.test('a release that stands whole without being in the journal is found', async (t) => {
  const parts = await openParts(t)
  const treeHash = await parts.hold(3)
  await parts.ledger.record({ type: 'dropped', site: 'www', release: 3 })
  await parts.stagings.stage(stageOf(3, treeHash))
  await parts.reported('completion')
  t.ok(isHeld(parts.ledger.state, 'www', { release: 3, treeHash }))
  t.equal(parts.plane.receivers.length, 0)
})

t.test('a base that is not held is said so, and nothing is fetched', async (t) => {
  const parts = await openParts(t)
  const command = await parts.command(2, { base: { release: 1, treeHash: 'a'.repeat(64) } })
  await parts.stagings.stage(command)
  t.match(await parts.reported('failure'), { error: { code: 'ENGINE_ERR_BASE_MISSING' } })
  t.equal(parts.plane.receivers.length, 0)
})

t.test('a base that is held is given to the execution and kept while it runs', async (t) => {
  const parts = await openParts(t)
  const treeHash = await parts.hold(1)
  const command = await parts.command(2, { base: { release: 1, treeHash } })
  await parts.stagings.stage(command)
  const { options } = await parts.execution(0)
  t.equal(options.baseDirectory, parts.paths.release('www', 1))
  t.equal(options.baseTreePath, parts.paths.tree('www', 1))
  t.strictSame([...parts.stagings.inUse('www')].sort(), [1, 2])
})

t.test('a number that is live with other content is refused', async (t) => {
  const parts = await openParts(t)
  await parts.hold(1, { live: true })
  await parts.stagings.stage(stageOf(1, 'f'.repeat(64)))
  t.match(await parts.reported('failure'), { error: { code: 'ENGINE_ERR_RELEASE_CONFLICT' } })
  t.equal(parts.plane.receivers.length, 0)
  t.ok(await exists(parts.paths.release('www', 1)))
})

t.test('a number that is held with other content, never live, gives way', async (t) => {
  const parts = await openParts(t)
  const other = await parts.hold(1)
  const command = await parts.command(1)
  await parts.stagings.stage({ ...command, treeHash: command.treeHash })
  t.not(other, command.treeHash)
  const execution = await parts.execution(0)
  t.notOk(await exists(parts.paths.release('www', 1)), 'the old one is gone before the new one comes')
  t.notOk(isHeld(parts.ledger.state, 'www', { release: 1, treeHash: other }))
  await execution.finish(command.treeHash)
  await parts.reported('completion')
})

t.test('a directory that nobody knows is moved aside, not removed', async (t) => {
  const parts = await openParts(t)
  await parts.hold(1)
  await parts.ledger.record({ type: 'dropped', site: 'www', release: 1 })
  const command = await parts.command(1)
  await parts.stagings.stage(command)
  await parts.execution(0)
  const names = await readdir(parts.paths.releases('www'))
  t.ok(
    names.some((name) => name.startsWith('.aside-1-')),
    names.join(' '),
  )
})

t.test('two assignments for one release: the newer one counts, both are answered', async (t) => {
  const parts = await openParts(t)
  const command = await parts.command(1)
  const older = stageOf(1, 'e'.repeat(64), {
    assignment: { ...command.assignment, id: assignmentId(99) },
    jobId: 'old',
  })
  await parts.stagings.stage(older)
  await parts.execution(0)
  await parts.stagings.stage(command)
  t.match(await parts.reported('failure'), { jobId: 'old', error: { code: 'ENGINE_ERR_CANCELLED' } })
  const execution = await parts.execution(1)
  await execution.finish(command.treeHash)
  t.match(await parts.reported('completion'), { jobId: 'job-1' })
  t.strictSame(parts.plane.closed, [1])
})

t.test('what is being staged of another release stays when one is dropped', async (t) => {
  const parts = await openParts(t)
  await parts.hold(5)
  await parts.stagings.stage(await parts.command(6))
  await parts.execution(0)
  const underWay = join(parts.paths.releases('www'), '.staging-6')
  await mkdir(underWay)
  await parts.stagings.discard({ type: 'discard', assignmentId: assignmentId(5), site: 'www', release: 5 })
  t.notOk(await exists(parts.paths.release('www', 5)))
  t.ok(await exists(underWay))
})

t.test('what fails is answered with its code, and what takes space is removed', async (t) => {
  for (const [code, kept] of [
    ['ENGINE_ERR_NO_SPACE', false],
    ['ENGINE_ERR_ASSIGNMENT_CORRUPT', false],
    ['ENGINE_ERR_RELAY_SESSION', true],
  ] as const) {
    const parts = await openParts(t)
    await parts.stagings.stage(await parts.command(1))
    const execution = await parts.execution(0)
    execution.fail(new EngineError(code))
    t.match(await parts.reported('failure'), { commandId: 'stage-1', error: { code } })
    t.equal(await exists(parts.paths.stream(assignmentId(1))), kept, code)
    t.equal(parts.ledger.state.begun.has(assignmentId(1)), kept, code)
    t.strictSame(parts.plane.closed, [1])
    // It is free to be tried again.
    await parts.stagings.stage(stageOf(1, 'e'.repeat(64)))
    await parts.execution(1)
    await parts.close()
  }
})

t.test('a session that fails says why', async (t) => {
  const parts = await openParts(t)
  await parts.stagings.stage(await parts.command(1))
  const execution = await parts.execution(0)
  parts.plane.stand(1, { failure: { code: 'ENGINE_ERR_NO_SPACE', message: 'disk full here' } })
  execution.fail(new EngineError('ENGINE_ERR_RELAY_SESSION'))
  t.match(await parts.reported('failure'), { error: { code: 'ENGINE_ERR_NO_SPACE', message: 'disk full here' } })
})

t.test('a relay that cannot open a session is an answer', async (t) => {
  const parts = await openParts(t)
  parts.plane.refusal = new EngineError('ENGINE_ERR_CONFLICT', { what: 'a session', why: 'it is open' })
  await parts.stagings.stage(await parts.command(1))
  t.match(await parts.reported('failure'), { error: { code: 'ENGINE_ERR_CONFLICT' } })
})

t.test('a tree that is not the one ordered is removed and refused', async (t) => {
  const parts = await openParts(t)
  const command = await parts.command(1)
  const ordered = { ...command, treeHash: 'e'.repeat(64) }
  await parts.stagings.stage(ordered)
  const execution = await parts.execution(0)
  await execution.finish(command.treeHash)
  t.match(await parts.reported('failure'), { error: { code: 'ENGINE_ERR_TREE_MISMATCH' } })
  t.notOk(await exists(parts.paths.release('www', 1)))
  t.equal(parts.reportsOf('completion').length, 0)
})

t.test('only so many run at once; the others wait and can be discarded while they do', async (t) => {
  const parts = await openParts(t)
  const releases = Array.from({ length: STAGINGS_AT_ONCE_MAX + 2 }, (_, index) => index + 1)
  for (const release of releases) await parts.stagings.stage(await parts.command(release, { site: `site-${release}` }))
  await parts.execution(STAGINGS_AT_ONCE_MAX - 1)
  const last = releases.at(-1) ?? 0
  const waiting = { assignmentId: assignmentId(last), site: `site-${last}`, release: last }
  await parts.stagings.discard({ type: 'discard', ...waiting })
  t.match(await parts.reported('failure'), { release: last, error: { code: 'ENGINE_ERR_CANCELLED' } })
  t.equal(parts.plane.executions.length, STAGINGS_AT_ONCE_MAX)
  parts.plane.executions[0]?.fail(new EngineError('ENGINE_ERR_NO_SPACE'))
  await parts.execution(STAGINGS_AT_ONCE_MAX)
})

t.test('a discard stops what runs, drops what was staged, and leaves what was live', async (t) => {
  const parts = await openParts(t)
  await parts.hold(1, { live: true })
  const command = await parts.command(2)
  await parts.stagings.stage(command)
  const execution = await parts.execution(0)
  const discard = { type: 'discard' as const, assignmentId: assignmentId(2), site: 'www', release: 2 }
  await parts.stagings.discard(discard)
  t.ok(execution.cancelled > 0)
  t.notOk(await exists(parts.paths.stream(assignmentId(2))))
  t.match(await parts.reported('failure'), { error: { code: 'ENGINE_ERR_CANCELLED' } })

  const staged = await parts.hold(3)
  await parts.stagings.discard({ ...discard, assignmentId: assignmentId(3), release: 3 })
  t.notOk(isHeld(parts.ledger.state, 'www', { release: 3, treeHash: staged }))
  t.notOk(await exists(parts.paths.release('www', 3)))

  await parts.stagings.discard({ ...discard, assignmentId: assignmentId(1), release: 1 })
  t.ok(await exists(parts.paths.release('www', 1)), 'what is live stays')
  await parts.stagings.discard({ ...discard, assignmentId: assignmentId(77), site: 'none', release: 7 })
})

t.test('a discard makes room on a full disk before it is written down, and fails', async (t) => {
  const parts = await openParts(t)
  const { ledger, paths } = parts
  const treeHash = await parts.hold(3)
  await ledger.record({ type: 'begun', assignmentId: assignmentId(3), site: 'www', release: 3, treeHash })
  const record = ledger.record.bind(ledger)
  ledger.record = async (...records) => {
    if (await exists(paths.release('www', 3))) throw new EngineError('ENGINE_ERR_NO_SPACE', { path: '/' })
    await record(...records)
  }
  const discard = { type: 'discard' as const, assignmentId: assignmentId(3), site: 'www', release: 3 }
  await t.rejects(parts.stagings.discard(discard), { code: 'ENGINE_ERR_NO_SPACE' })
  t.notOk(await exists(paths.release('www', 3)))
  t.notOk(isHeld(ledger.state, 'www', { release: 3, treeHash }))
})

t.test('a finished session serves on while somebody fetches from it, then its files go', async (t) => {
  const parts = await openParts(t)
  const command = await parts.command(1)
  await parts.stagings.stage(command)
  const execution = await parts.execution(0)
  await execution.finish(command.treeHash)
  await parts.reported('completion')
  for (let count = 1; count <= 6; count++) {
    parts.plane.stand(1, { bytesSent: 100 * count })
    parts.clock.advance(SESSION_LINGER_MS / 2)
  }
  t.strictSame(parts.plane.closed, [])
  parts.stagings.setPlan(assignmentId(1), { plan: somePlan })
  t.strictSame(parts.plane.plans.at(-1), { session: 1, plan: somePlan }, 'its plan still changes')
  // A node that fetched from here and serves us stays connected as long as we do.
  parts.clock.advance(2 * SESSION_LINGER_MS)
  t.strictSame(parts.plane.closed, [1])
  await until('the files are gone', async () => !(await exists(parts.paths.stream(assignmentId(1)))))
  await until('it is forgotten', () => !parts.ledger.state.begun.has(assignmentId(1)))
})

t.test('closing says nothing and keeps what was fetched', async (t) => {
  const parts = await openParts(t)
  await parts.stagings.stage(await parts.command(1))
  const execution = await parts.execution(0)
  await parts.stagings.close()
  t.ok(execution.cancelled > 0)
  t.equal(parts.reportsOf('failure').length, 0)
  t.ok(await exists(parts.paths.stream(assignmentId(1))))
  t.ok(parts.ledger.state.begun.has(assignmentId(1)))
})

t.test('a commit that comes early is carried out when the release stands', async (t) => {
  const parts = await openParts(t)
  const command = await parts.command(1)
  await parts.stagings.stage(command)
  const execution = await parts.execution(0)
  await parts.commits.commit(commitOf(1, command.treeHash))
  t.equal(parts.reportsOf('completion').length, 0)
  await execution.finish(command.treeHash)
  await parts.reported('completion', 2)
  t.strictSame(
    parts.reportsOf('completion').map(({ command }) => command),
    ['publish', 'commit'],
  )
  t.equal(parts.releases.linked('www'), 1)
})

t.test('a commit that waited for a staging that failed is answered', async (t) => {
  const parts = await openParts(t)
  const command = await parts.command(1)
  await parts.stagings.stage(command)
  const execution = await parts.execution(0)
  await parts.commits.commit(commitOf(1, command.treeHash))
  execution.fail(new EngineError('ENGINE_ERR_NO_SPACE'))
  await parts.reported('failure', 2)
  t.strictSame(
    parts.reportsOf('failure').map(({ error }) => error?.code),
    ['ENGINE_ERR_NO_SPACE', 'ENGINE_ERR_RELEASE_UNKNOWN'],
  )
})
