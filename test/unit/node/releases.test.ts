// Journal and disk brought together after a start, each kind of difference made by hand; and the choice
// of what to remove.
import { ok } from 'node:assert'
import { mkdir, readdir, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { RELEASES_KEPT } from '../../../src/base/limits.js'
import { chooseDoomed } from '../../../src/node/releases.js'
import { holdingsOf, isLive, type SiteState } from '../../../src/node/state.js'
import { assignmentId, NodeParts } from '../../support/node-parts.js'

const open = async (t: { testdir(): string; teardown(run: () => unknown): void }): Promise<NodeParts> => {
  const parts = await NodeParts.open(t.testdir())
  t.teardown(() => parts.close())
  return parts
}

t.test('nothing is done where journal and disk agree', async (t) => {
  const parts = await open(t)
  await parts.hold(1, { live: true })
  await parts.hold(2)
  const before = holdingsOf(parts.ledger.state)
  await parts.releases.recover()
  t.strictSame(holdingsOf(parts.ledger.state), before)
})

t.test('a release whose directory or manifest is gone is not held', async (t) => {
  const parts = await open(t)
  await parts.hold(1, { live: true })
  await parts.hold(2)
  await parts.hold(3)
  await rm(parts.paths.release('www', 2), { recursive: true })
  await writeFile(parts.paths.tree('www', 3), 'damaged')
  await parts.releases.recover()
  t.strictSame([...(parts.ledger.state.sites.get('www')?.held.keys() ?? [])], [1])
  t.ok((await readdir(parts.paths.releases('www'))).includes('3'), 'nothing was removed')
})

t.test('live is what the link says: a crash came before the journal', async (t) => {
  const parts = await open(t)
  await parts.hold(1, { live: true })
  const second = await parts.hold(2)
  await unlink(join(parts.paths.site('www'), 'live'))
  await symlink('releases/2', join(parts.paths.site('www'), 'live'))
  await parts.releases.recover()
  t.ok(isLive(parts.ledger.state, 'www', { release: 2, treeHash: second }))
})

t.test('a link that is gone leaves the release held, to be switched to again', async (t) => {
  const parts = await open(t)
  const treeHash = await parts.hold(1, { live: true })
  await unlink(join(parts.paths.site('www'), 'live'))
  await parts.releases.recover()
  t.strictSame(holdingsOf(parts.ledger.state), [{ site: 'www', live: null, held: [{ release: 1, treeHash }] }])
  t.equal(parts.ledger.state.sites.get('www')?.held.get(1)?.wasLive, true)
})

t.test('a link to somewhere else is not ours: nothing is claimed, nothing is touched', async (t) => {
  const parts = await open(t)
  await parts.hold(1, { live: true })
  await unlink(join(parts.paths.site('www'), 'live'))
  await symlink('/etc', join(parts.paths.site('www'), 'live'))
  await parts.releases.recover()
  t.match(holdingsOf(parts.ledger.state), [{ live: null, held: [{ release: 1 }] }])
})

t.test('a journal that was lost: what is live is known from the disk, the rest is asked for', async (t) => {
  const parts = await open(t)
  const first = await parts.hold(1, { live: true })
  await parts.hold(2)
  await parts.ledger.record({ type: 'dropped', site: 'www', release: 1 }, { type: 'dropped', site: 'www', release: 2 })
  await parts.releases.recover()
  const ref = { release: 1, treeHash: first }
  t.strictSame(holdingsOf(parts.ledger.state), [{ site: 'www', live: ref, held: [ref] }])
  t.strictSame((await readdir(parts.paths.releases('www'))).sort(), ['1', '2'])
})

t.test('leftovers are removed if they are ours and needed by nothing', async (t) => {
  const parts = await open(t)
  const { paths, ledger } = parts
  const treeHash = await parts.hold(1, { live: true })
  for (const name of ['.staging-7', '.staging-8', '.aside-3-1', 'notes', '.staging-x']) {
    await mkdir(join(paths.releases('www'), name))
  }
  await mkdir(paths.assignments)
  for (const id of [assignmentId(7), assignmentId(8), assignmentId(1)]) {
    await writeFile(paths.stream(id), 'part')
    await writeFile(paths.vouches(id), 'part')
  }
  await writeFile(join(paths.assignments, 'readme'), 'kept')
  await ledger.record(
    { type: 'begun', assignmentId: assignmentId(7), site: 'www', release: 7, treeHash: 'a'.repeat(64) },
    { type: 'begun', assignmentId: assignmentId(1), site: 'www', release: 1, treeHash },
  )
  await parts.releases.recover()
  const seven = [`${assignmentId(7)}.stream`, `${assignmentId(7)}.vouch`]
  t.strictSame((await readdir(paths.assignments)).sort(), [...seven, 'readme'], 'only what is being fetched stays')
  t.strictSame([...ledger.state.begun.keys()], [assignmentId(7)])
  const names = await readdir(paths.releases('www'))
  t.strictSame(names.sort(), ['.aside-3-1', '.staging-7', '.staging-x', '1', 'notes'])
})

t.test('what was fetched for a release that the live one has overtaken is given up', async (t) => {
  const parts = await open(t)
  const { paths, ledger } = parts
  await parts.hold(6, { live: true })
  await mkdir(join(paths.releases('www'), '.staging-5'))
  await mkdir(paths.assignments)
  await writeFile(paths.stream(assignmentId(5)), 'part')
  await ledger.record({
    type: 'begun',
    assignmentId: assignmentId(5),
    site: 'www',
    release: 5,
    treeHash: 'a'.repeat(64),
  })
  await parts.releases.recover()
  t.strictSame([...ledger.state.begun], [])
  t.strictSame(await readdir(paths.assignments), [])
  t.strictSame(await readdir(paths.releases('www')), ['6'])
})

t.test('what came to stand just before a crash is held, so that it can be dropped', async (t) => {
  const parts = await open(t)
  const { ledger } = parts
  await parts.hold(1, { live: true })
  const treeHash = await parts.hold(2)
  await ledger.record({ type: 'dropped', site: 'www', release: 2 })
  await ledger.record({ type: 'begun', assignmentId: assignmentId(2), site: 'www', release: 2, treeHash })
  await parts.releases.recover()
  t.strictSame([...(ledger.state.sites.get('www')?.held.keys() ?? [])], [1, 2])
  t.strictSame([...ledger.state.begun], [])
})

t.test('an empty data directory is fine', async (t) => {
  const parts = await open(t)
  await parts.releases.recover()
  t.strictSame(holdingsOf(parts.ledger.state), [])
  t.equal(parts.releases.linked('www'), null)
})

t.test('what is removed is old, was live or overtaken, and nobody uses it', async (t) => {
  const held = fc.uniqueArray(fc.record({ release: fc.integer({ min: 1, max: 30 }), wasLive: fc.boolean() }), {
    selector: ({ release }) => release,
    minLength: 1,
  })
  fc.assert(
    fc.property(held, fc.nat(), fc.array(fc.integer({ min: 1, max: 30 })), (releases, pick, used) => {
      const live = releases[pick % releases.length] as { release: number }
      const treeHash = 'a'.repeat(64)
      const map = new Map(releases.map((each) => [each.release, { ...each, treeHash }]))
      const site: SiteState = { live: { release: live.release, treeHash }, held: map }
      const doomed = chooseDoomed(site, new Set(used))
      for (const release of doomed) {
        ok(release !== live.release)
        ok(!used.includes(release))
        ok(map.get(release)?.wasLive || release < live.release)
      }
      const past = releases.filter(
        (each) => each.release !== live.release && (each.wasLive || each.release < live.release),
      )
      const left = past.filter(({ release }) => !doomed.includes(release))
      ok(left.length >= Math.min(past.length, RELEASES_KEPT - 1))
      ok(left.filter(({ release }) => !used.includes(release)).length <= RELEASES_KEPT - 1)
    }),
    { numRuns: 200 },
  )
  t.strictSame(chooseDoomed({ live: null, held: new Map() }, new Set()), [])
})
