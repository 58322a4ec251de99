// Commits against real links on disk: the link, then the journal, then the report; twice is once; what
// is not held is answered; old releases go and the live one never does.
import { mkdir, readdir, readlink, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { EngineError } from '../../../src/base/errors.js'
import { RELEASES_KEPT } from '../../../src/base/limits.js'
import { isHeld, isLive } from '../../../src/node/state.js'
import { assignmentId, commitOf, NodeParts } from '../../support/node-parts.js'

const open = async (t: { testdir(): string; teardown(run: () => unknown): void }): Promise<NodeParts> => {
  const parts = await NodeParts.open(t.testdir())
  t.teardown(() => parts.close())
  return parts
}

const liveLink = (parts: NodeParts): Promise<string> => readlink(join(parts.paths.site('www'), 'live'))

t.test('a held release is switched to, written down, reported', async (t) => {
  const parts = await open(t)
  const treeHash = await parts.hold(1)
  await parts.commits.commit(commitOf(1, treeHash))
  t.equal(await liveLink(parts), 'releases/1')
  t.ok(isLive(parts.ledger.state, 'www', { release: 1, treeHash }))
  t.match(parts.reportsOf('completion'), [{ commandId: 'commit-1', jobId: 'job-1', command: 'commit', release: 1 }])
  t.equal(parts.holdingsTold, 1)
})

t.test('twice is once, and both are answered', async (t) => {
  const parts = await open(t)
  const treeHash = await parts.hold(1)
  await Promise.all([parts.commits.commit(commitOf(1, treeHash)), parts.commits.commit(commitOf(1, treeHash))])
  t.equal(parts.reportsOf('completion').length, 2)
  t.equal(parts.holdingsTold, 1)
})

t.test('a rollback is the same switch', async (t) => {
  const parts = await open(t)
  const first = await parts.hold(1, { live: true })
  await parts.hold(2, { live: true })
  await parts.commits.commit(commitOf(1, first, { command: 'rollback', commandId: 'r' }))
  t.equal(await liveLink(parts), 'releases/1')
  t.match(parts.reportsOf('completion'), [{ commandId: 'r', command: 'rollback', release: 1 }])
  t.ok(parts.ledger.state.sites.get('www')?.held.has(2), 'the newer one is kept')
})

t.test('what is not held, or held with other content, is answered so that it is sent again', async (t) => {
  const parts = await open(t)
  await parts.hold(1, { live: true })
  await parts.commits.commit(commitOf(2, 'a'.repeat(64)))
  await parts.commits.commit(commitOf(1, 'b'.repeat(64), { commandId: 'other' }))
  const failures = parts.reportsOf('failure')
  t.strictSame(
    failures.map(({ error }) => error?.code),
    ['ENGINE_ERR_RELEASE_UNKNOWN', 'ENGINE_ERR_RELEASE_UNKNOWN'],
  )
  t.equal(await liveLink(parts), 'releases/1')
})

t.test('a release that vanished from the disk is no longer held', async (t) => {
  const parts = await open(t)
  await parts.hold(1, { live: true })
  const treeHash = await parts.hold(2)
  await rm(parts.paths.release('www', 2), { recursive: true })
  await parts.commits.commit(commitOf(2, treeHash))
  t.match(parts.reportsOf('failure'), [{ error: { code: 'ENGINE_ERR_RELEASE_UNKNOWN' } }])
  t.notOk(isHeld(parts.ledger.state, 'www', { release: 2, treeHash }))
  t.equal(await liveLink(parts), 'releases/1')
  t.equal(parts.holdingsTold, 1)
})

t.test('a switch that fails is an answer, and nothing is written down', async (t) => {
  const parts = await open(t)
  const treeHash = await parts.hold(1)
  parts.switchFailure = new EngineError('ENGINE_ERR_IO', { what: 'live', why: 'read-only' })
  await parts.commits.commit(commitOf(1, treeHash))
  t.match(parts.reportsOf('failure'), [{ error: { code: 'ENGINE_ERR_IO' } }])
  t.notOk(isLive(parts.ledger.state, 'www', { release: 1, treeHash }))
  t.ok(isHeld(parts.ledger.state, 'www', { release: 1, treeHash }))
})

t.test('a crash between the link and the journal is made good by the same command', async (t) => {
  const parts = await open(t)
  const first = await parts.hold(1, { live: true })
  await parts.hold(2, { live: true })
  // The journal says 1, the link says 2.
  await parts.ledger.record({ type: 'live', site: 'www', release: 1, treeHash: first })
  await parts.commits.commit(commitOf(1, first))
  t.equal(await liveLink(parts), 'releases/1')
  t.equal(parts.reportsOf('completion').length, 1)
})

t.test('old releases go, the live one and what waits for its commit stay', async (t) => {
  const parts = await open(t)
  const hashes: string[] = []
  for (let release = 1; release <= 6; release++) hashes.push(await parts.hold(release, { live: release < 6 }))
  const waiting = await parts.hold(9)
  await parts.commits.commit(commitOf(6, hashes[5] ?? ''))
  const held = [...(parts.ledger.state.sites.get('www')?.held.keys() ?? [])].sort()
  t.strictSame(held, [4, 5, 6, 9])
  t.equal(held.filter((release) => release <= 6).length, RELEASES_KEPT)
  t.strictSame((await readdir(parts.paths.releases('www'))).sort(), ['4', '5', '6', '9'])
  t.ok(isHeld(parts.ledger.state, 'www', { release: 9, treeHash: waiting }))
})

t.test('what nobody knows is not removed with the old ones', async (t) => {
  const parts = await open(t)
  for (let release = 1; release <= 4; release++) await parts.hold(release, { live: true })
  await parts.hold(77)
  await parts.ledger.record({ type: 'dropped', site: 'www', release: 77 })
  const fifth = await parts.hold(5)
  await parts.commits.commit(commitOf(5, fifth))
  t.strictSame((await readdir(parts.paths.releases('www'))).sort(), ['3', '4', '5', '77'])
})

t.test('what was fetched of releases that the live one has overtaken goes, and only that', async (t) => {
  const parts = await open(t)
  const begin = async (number: number, release: number, site = 'www'): Promise<void> => {
    await parts.ledger.record({
      type: 'begun',
      assignmentId: assignmentId(number),
      site,
      release,
      treeHash: 'e'.repeat(64),
    })
    await mkdir(parts.paths.assignments, { recursive: true })
    await writeFile(parts.paths.stream(assignmentId(number)), 'part')
    await writeFile(parts.paths.vouches(assignmentId(number)), 'part')
  }
  await begin(5, 5)
  await begin(6, 6)
  await begin(7, 7)
  await begin(8, 5, 'other')
  const treeHash = await parts.hold(6)
  const leftover = join(parts.paths.releases('www'), '.staging-5')
  await mkdir(leftover)
  await parts.commits.commit(commitOf(6, treeHash))
  t.strictSame([...parts.ledger.state.begun.keys()].sort(), [assignmentId(7), assignmentId(8)])
  const kept = [7, 8].flatMap((number) => [`${assignmentId(number)}.stream`, `${assignmentId(number)}.vouch`])
  t.strictSame((await readdir(parts.paths.assignments)).sort(), kept)
  t.strictSame(await readdir(parts.paths.releases('www')), ['6'], 'with what was staged of them')
})
