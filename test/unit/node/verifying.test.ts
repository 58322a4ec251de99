// Goal: what is not what was staged is found, written down, built on by nobody, and mended without a reader
// noticing. Method: real releases and journals, the real reader, a data plane that a test drives.
import { cp, link, readFile, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { silentLogger } from '../../../src/base/log.js'
import { MEND_LOOK_MS, MEND_WAIT_MS, REPLACED_KEPT_MS } from '../../../src/base/verify-limits.js'
import type { VerifyRequest } from '../../../src/model/verification.js'
import { Ledger } from '../../../src/node/ledger.js'
import { holdingsOf, isHeld } from '../../../src/node/state.js'
import { commitOf, exists, type NodeParts, openParts, stageOf } from '../../support/node-parts.js'
import { until } from '../../support/until.js'

const never = new AbortController().signal
const ask = (parts: NodeParts, of: Partial<VerifyRequest> = {}) =>
  parts.verifications.verify({ site: 'www', release: null, rateBps: null, repair: false, ...of }, never)
const file = (parts: NodeParts, release: number): string => join(parts.paths.release('www', release), 'index.html')

/** Damages release 1, and has the good one ready as what a staging of it will bring. */
const spoil = async ({ paths }: NodeParts): Promise<void> => {
  const good = `${paths.release('www', 1)}.content`
  await rename(paths.release('www', 1), good)
  await cp(paths.tree('www', 1), `${good}.tree`)
  await cp(good, paths.release('www', 1), { recursive: true })
  await writeFile(join(paths.release('www', 1), 'index.html'), 'releaSe 1')
}

t.test('what is as it was staged is told so, and nothing is written down', async (t) => {
  const parts = await openParts(t)
  const treeHash = await parts.hold(1, { live: true })
  const before = parts.ledger.state
  const found = await ask(parts)
  const clean = { site: 'www', release: 1, treeHash, files: 1, bytes: 9, mismatches: 0, findings: [] }
  t.strictSame(found, { ...clean, linkIsRight: true, alsoDamaged: [], mended: 'none' })
  t.equal(parts.ledger.state, before)
  t.strictSame(parts.drifts, [])
})

t.test('a damaged live release is neither live nor held for the coordinator, also after a restart', async (t) => {
  const parts = await openParts(t)
  const ref = { release: 1, treeHash: await parts.hold(1, { live: true }) }
  await writeFile(file(parts, 1), 'releaSe 1')
  const found = await ask(parts)
  t.match(found, { mismatches: 1, findings: [{ path: 'index.html', kind: 'content' }], mended: 'none' })
  t.match(parts.drifts, [{ release: 1, mismatches: 1 }])
  const told = [{ site: 'www', live: null, held: [], damaged: [{ ...ref, live: true, mend: false }] }]
  t.strictSame(holdingsOf(parts.ledger.state), told)
  t.notOk(isHeld(parts.ledger.state, 'www', ref))
  await parts.ledger.close()
  const again = await Ledger.open({ path: parts.paths.journal, log: silentLogger, clock: parts.clock })
  t.teardown(() => again.close())
  t.strictSame(holdingsOf(again.state), told)
})

t.test('a release that shares the bad bytes is found with it; one that does not is sound again', async (t) => {
  const parts = await openParts(t)
  await parts.hold(1)
  const second = await parts.hold(2)
  await parts.hold(3, { live: true })
  await rm(file(parts, 1))
  await writeFile(file(parts, 3), 'releaSe 3')
  await link(file(parts, 3), file(parts, 1))
  t.strictSame((await ask(parts)).alsoDamaged, [1])
  t.match(holdingsOf(parts.ledger.state), [
    { live: null, held: [{ release: 2, treeHash: second }], damaged: [{ release: 1 }, { release: 3 }] },
  ])
})

t.test('until it was read too, a release beside a damaged one is not built on and not switched to', async (t) => {
  const parts = await openParts(t)
  const ref = { release: 1, treeHash: await parts.hold(1) }
  await parts.hold(2, { live: true })
  await parts.ledger.record({ type: 'judged', site: 'www', ...ref, health: 'suspect' })
  await parts.commits.commit(commitOf(1, ref.treeHash))
  t.match(parts.reportsOf('failure'), [{ error: { code: 'ENGINE_ERR_RELEASE_UNKNOWN' } }])
  await parts.stagings.stage(await parts.command(3, { base: ref }))
  t.match((await parts.reported('failure', 2)).error, { code: 'ENGINE_ERR_BASE_MISSING' })
  t.strictSame(await parts.verifications.judgeSuspects('www', 8_000_000_000, never), [])
  t.ok(isHeld(parts.ledger.state, 'www', ref))
})

t.test('a staging that builds on a release found damaged stops, to be asked for whole', async (t) => {
  const parts = await openParts(t)
  const base = { release: 1, treeHash: await parts.hold(1, { live: true }) }
  await parts.stagings.stage(await parts.command(2, { base }))
  await parts.execution(0)
  await writeFile(file(parts, 1), 'releaSe 1')
  await ask(parts)
  t.match((await parts.reported('failure')).error, { code: 'ENGINE_ERR_BASE_MISSING' })
})

t.test('a damaged live release is staged anew beside, swapped in, and its old tree goes later', async (t) => {
  const parts = await openParts(t)
  const treeHash = await parts.hold(1, { live: true })
  await spoil(parts)
  const asked = ask(parts, { repair: true })
  await until('the damage is written down', () => parts.drifts[0])
  t.match(holdingsOf(parts.ledger.state), [{ damaged: [{ live: true, mend: true }] }])
  await parts.stagings.stage(stageOf(1, treeHash))
  const execution = await parts.execution(0)
  t.equal(await readFile(file(parts, 1), 'utf8'), 'releaSe 1', 'readers see the old one until the swap')
  await execution.finish(treeHash)
  await parts.reported('completion')
  const rest = join(parts.paths.releases('www'), '.staging-1')
  t.ok(await exists(rest), 'a reader on its way into the old one still finds it')
  const looking = setInterval(() => parts.clock.advance(MEND_LOOK_MS), 5)
  t.teardown(() => clearInterval(looking))
  t.match(await asked, { mended: 'restaged' })
  clearInterval(looking)
  t.match(await ask(parts), { mismatches: 0, linkIsRight: true })
  parts.clock.advance(REPLACED_KEPT_MS)
  await until('the damaged tree is gone', async () => ((await exists(rest)) ? undefined : true))
})

t.test('a crash between the swap and the journal only has it staged once more', async (t) => {
  const parts = await openParts(t)
  const ref = { release: 1, treeHash: await parts.hold(1, { live: true }) }
  await parts.ledger.record({ type: 'judged', site: 'www', ...ref, health: 'damaged', mend: true })
  await parts.releases.recover()
  t.match(holdingsOf(parts.ledger.state), [{ live: null, damaged: [ref] }], 'it is asked for again')
  t.match(await ask(parts), { mismatches: 0 })
  t.match(holdingsOf(parts.ledger.state), [{ live: ref, held: [ref] }], 'or read, and found to be well')
})

t.test('a damaged release that is not live goes when mending is asked for', async (t) => {
  const parts = await openParts(t)
  await parts.hold(1)
  await parts.hold(2, { live: true })
  await writeFile(file(parts, 1), 'releaSe 1')
  t.match(await ask(parts, { release: 1, repair: true }), { mended: 'removed', linkIsRight: null })
  t.notOk(await exists(parts.paths.release('www', 1)))
  t.match(holdingsOf(parts.ledger.state), [{ live: { release: 2 }, held: [{ release: 2 }] }])
})

t.test('without a good copy the wait for one ends, and the damage is told', async (t) => {
  const parts = await openParts(t)
  await parts.hold(1, { live: true })
  await rm(file(parts, 1))
  const looking = setInterval(() => parts.clock.advance(MEND_WAIT_MS), 5)
  t.teardown(() => clearInterval(looking))
  t.match(await ask(parts, { repair: true }), { mismatches: 2, mended: 'none' })
})

t.test('a manifest that is damaged or gone makes its release a damaged one', async (t) => {
  const parts = await openParts(t)
  await parts.hold(1, { live: true })
  const manifest = parts.paths.tree('www', 1)
  const content = await readFile(manifest)
  await writeFile(manifest, content.subarray(1))
  t.match(await ask(parts), { findings: [{ path: '(manifest)', kind: 'content' }] })
  await rm(manifest)
  t.match(await ask(parts), { findings: [{ path: '(manifest)', kind: 'missing' }] })
  t.match(holdingsOf(parts.ledger.state), [{ damaged: [{ release: 1 }] }])
})

t.test('a manifest of another tree is no manifest of this release', async (t) => {
  const parts = await openParts(t)
  await parts.hold(1, { live: true })
  await parts.hold(2)
  await rename(parts.paths.tree('www', 2), parts.paths.tree('www', 1))
  t.match(await ask(parts), { findings: [{ path: '(manifest)', kind: 'content' }] })
})

t.test('a link that somebody moved is told, and written down so that it is switched back', async (t) => {
  const parts = await openParts(t)
  await parts.hold(1)
  await parts.hold(2, { live: true })
  await rm(join(parts.paths.site('www'), 'live'))
  await symlink('releases/1', join(parts.paths.site('www'), 'live'))
  t.match(await ask(parts), { release: 2, mismatches: 0, linkIsRight: false })
  t.match(holdingsOf(parts.ledger.state), [{ live: { release: 1 } }])
  t.equal(parts.drifts.length, 1)
})

t.test('what is replaced while it is read is read again, and not judged by what it replaced', async (t) => {
  const parts = await openParts(t)
  await parts.hold(1, { live: true })
  const { read } = parts
  let readings = 0
  parts.read = (options) => {
    readings += 1
    const bad = { treeHash: '', files: 0, bytes: 0, mismatches: 5, findings: [] }
    const swap = async (): Promise<typeof bad> => {
      const { directory } = options
      await rename(directory, `${directory}.old`)
      await cp(`${directory}.old`, directory, { recursive: true, preserveTimestamps: true })
      return bad
    }
    return readings === 1 ? { result: swap, cancel: () => {} } : read(options)
  }
  const found = await ask(parts)
  t.equal(readings, 2)
  t.equal(found.files, 1)
})

t.test('a release is not removed while it is read', async (t) => {
  const parts = await openParts(t)
  for (const release of [1, 2, 3, 4, 5]) await parts.hold(release, { live: true })
  let goOn = (): void => {}
  const stalled = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const { read } = parts
  parts.read = (options) => ({ result: () => stalled.then(() => read(options).result()), cancel: () => {} })
  const asked = ask(parts, { release: 1 })
  await parts.releases.prune('www', new Set())
  t.ok((await readdir(parts.paths.releases('www'))).includes('1'))
  goOn()
  t.match(await asked, { mismatches: 0 })
  await parts.releases.prune('www', new Set())
  t.strictSame((await readdir(parts.paths.releases('www'))).sort(), ['3', '4', '5'])
})

t.test('what is not held is refused, and a reading stops when it is told to', async (t) => {
  const parts = await openParts(t)
  await t.rejects(ask(parts), { code: 'ENGINE_ERR_RELEASE_UNKNOWN', message: /nothing of www is live/ })
  await parts.hold(1, { live: true })
  await t.rejects(ask(parts, { release: 7 }), { code: 'ENGINE_ERR_RELEASE_UNKNOWN' })
  const controller = new AbortController()
  const { read } = parts
  parts.read = (options) => {
    const reading = read({ ...options, rateBps: 64_000 })
    queueMicrotask(() => controller.abort())
    return reading
  }
  const slow = { site: 'www', release: null, rateBps: null, repair: false }
  await t.rejects(parts.verifications.verify(slow, controller.signal), { code: 'ENGINE_ERR_CANCELLED' })
})
