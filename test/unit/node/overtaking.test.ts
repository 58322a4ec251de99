// Orders for one site that contradict each other: the newest one counts, in whatever state it finds the older
// ones; each is answered, and what is not wanted takes no place and no space.
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { STAGINGS_AT_ONCE_MAX } from '../../../src/base/limits.js'
import { assignmentId, commitOf, exists, openParts, stageOf } from '../../support/node-parts.js'
import { until } from '../../support/until.js'

t.test('an order for another release stops a staging of its site, removes its files and takes its place', async (t) => {
  const parts = await openParts(t)
  const sites = Array.from({ length: STAGINGS_AT_ONCE_MAX }, (_, index) => `site-${index}`)
  for (const [index, site] of sites.entries()) {
    await parts.stagings.stage(stageOf(5 + 10 * index, 'a'.repeat(64), { site }))
    await parts.execution(index)
  }
  const [site] = sites
  const command = await parts.command(6, site === undefined ? {} : { site })
  await parts.stagings.stage(command)
  const failure = await parts.reported('failure')
  t.match(failure, { commandId: 'stage-5', release: 5, error: { code: 'ENGINE_ERR_CANCELLED' } })
  t.match(failure.error?.message, /^the staging of site-0@5, overtaken by an order for release 6, was cancelled$/)
  const execution = await parts.execution(STAGINGS_AT_ONCE_MAX)
  t.match(execution.options, { assignmentId: assignmentId(6) })
  t.strictSame(parts.plane.closed, [1], 'the other sites go on')
  t.notOk(await exists(parts.paths.stream(assignmentId(5))))
  t.notOk(parts.ledger.state.begun.has(assignmentId(5)))
  await execution.finish(command.treeHash)
  await parts.reported('completion')
})

t.test('the newest of several orders for a site counts, also when it asks for the first release again', async (t) => {
  const parts = await openParts(t)
  const first = await parts.command(5)
  await parts.stagings.stage(first)
  await parts.execution(0)
  const again = { ...first, commandId: 'again' }
  await Promise.all([parts.stagings.stage(await parts.command(6)), parts.stagings.stage(again)])
  await parts.reported('failure', 2)
  t.strictSame(
    parts
      .reportsOf('failure')
      .map(({ commandId, error }) => `${commandId} ${error?.code}`)
      .sort(),
    ['stage-5 ENGINE_ERR_CANCELLED', 'stage-6 ENGINE_ERR_CANCELLED'],
  )
  const execution = await parts.execution(1)
  t.match(execution.options, { assignmentId: assignmentId(5) })
  await execution.finish(first.treeHash)
  t.match(await parts.reported('completion'), { commandId: 'again' })
  t.equal(parts.plane.executions.length, 2)
})

t.test('an old order that was not answered does not stop the newer one of its site', async (t) => {
  const parts = await openParts(t)
  const first = await parts.command(5)
  await parts.stagings.stage(first)
  const execution = await parts.execution(0)
  execution.fail(new EngineError('ENGINE_ERR_RELAY_SESSION'))
  await new Promise(setImmediate)
  // It joins what has failed and is being answered; the newer order comes before that is over.
  const joined = parts.stagings.stage({ ...first, commandId: 'late' })
  const newer = parts.stagings.stage(await parts.command(6))
  await Promise.all([joined, newer])
  await parts.reported('failure', 2)
  await parts.stagings.settled('www')
  const last = await until('the newer one is under way', () =>
    parts.plane.executions.find(({ options }) => options.assignmentId === assignmentId(6)),
  )
  t.equal(parts.plane.executions.at(-1), last)
  t.equal(last.cancelled, 0)
})

t.test('a commit that waited is not carried out when another has come since', async (t) => {
  const parts = await openParts(t)
  const held = await parts.hold(3)
  const command = await parts.command(5)
  await parts.stagings.stage(command)
  const execution = await parts.execution(0)
  await parts.commits.commit(commitOf(5, command.treeHash))
  await parts.commits.commit(commitOf(3, held))
  t.equal(parts.releases.linked('www'), 3, 'it did not wait for the staging')
  await execution.finish(command.treeHash)
  t.match(await parts.reported('failure'), { commandId: 'commit-5', error: { code: 'ENGINE_ERR_CANCELLED' } })
  t.equal(parts.releases.linked('www'), 3)
})
