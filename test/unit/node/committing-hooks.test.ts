// Goal: a hook before a switch can keep a node from it, one after it never undoes it, and a crash loses neither.
// Method: real hooks that write down when they ran, around real links and a real journal.
import { readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { HooksInput } from '../../../src/config/hooks.js'
import { switchLive } from '../../../src/native/sites.js'
import { holdingsOf, isLive } from '../../../src/node/state.js'
import { commitOf, NodeParts } from '../../support/node-parts.js'
import { until } from '../../support/until.js'

const note = 'echo $ENGINE_HOOK $ENGINE_RELEASE live:$(readlink $ENGINE_LIVE) >> story'
const declared: HooksInput = {
  check: { command: ['sh', '-c', `${note}; test ! -e refuse || { echo no disk; exit 1; }`], on: 'before-commit' },
  reload: { command: ['sh', '-c', `${note}; test ! -e break || { echo no nginx; exit 1; }`], on: 'after-commit' },
}

const open = async (t: Test, hooks: HooksInput = declared): Promise<NodeParts> => {
  const parts = await NodeParts.open(t.testdir(), hooks)
  t.teardown(() => parts.close())
  return parts
}

const at = (parts: NodeParts, name: string): string => join(parts.paths.directory, name)
const story = async (parts: NodeParts): Promise<readonly string[]> =>
  (await readFile(at(parts, 'story'), 'utf8').catch(() => '')).split('\n').slice(0, -1)
const liveLink = (parts: NodeParts): Promise<string> => readlink(parts.paths.live('www'))

t.test(
  'the hook before sees the old release live and the new one staged, the one after the new one live',
  async (t) => {
    const parts = await open(t)
    await parts.hold(1, { live: true })
    const treeHash = await parts.hold(2)
    await parts.commits.commit(commitOf(2, treeHash))
    t.strictSame(await story(parts), ['check 2 live:releases/1', 'reload 2 live:releases/2'])
    t.match(
      parts.reportsOf('completion'),
      [{ commandId: 'commit-2', error: null, output: null }],
      'nothing to say: one report',
    )
    t.equal(parts.ledger.state.hooks.size, 0)
  },
)

t.test('a hook before that fails keeps the node from switching, and the same order later works', async (t) => {
  const parts = await open(t)
  await parts.hold(1, { live: true })
  const treeHash = await parts.hold(2)
  await writeFile(at(parts, 'refuse'), '')
  await parts.commits.commit(commitOf(2, treeHash))
  t.equal(await liveLink(parts), 'releases/1')
  t.match(parts.reportsOf('failure'), [
    { error: { code: 'ENGINE_ERR_HOOK_FAILED', message: /no disk/ }, output: 'no disk\n' },
  ])
  t.notOk(isLive(parts.ledger.state, 'www', { release: 2, treeHash }))
  await rm(at(parts, 'refuse'))
  await parts.commits.commit(commitOf(2, treeHash))
  t.equal(await liveLink(parts), 'releases/2')
})

t.test('a hook after that fails undoes nothing: it is told beside the completion and with what is held', async (t) => {
  const parts = await open(t)
  const first = await parts.hold(1)
  await writeFile(at(parts, 'break'), '')
  await parts.commits.commit(commitOf(1, first))
  t.equal(await liveLink(parts), 'releases/1')
  t.match(parts.reportsOf('completion'), [
    { error: null, output: null },
    { commandId: 'commit-1', error: { code: 'ENGINE_ERR_HOOK_FAILED', message: /no nginx/ }, output: 'no nginx\n' },
  ])
  t.equal(parts.reportsOf('failure').length, 0)
  t.match(holdingsOf(parts.ledger.state), [{ trouble: /hook reload of www failed: .*no nginx/ }])
  await rm(at(parts, 'break'))
  const second = await parts.hold(2)
  await parts.commits.commit(commitOf(2, second))
  t.notOk('trouble' in (holdingsOf(parts.ledger.state)[0] ?? {}), 'the next switch ends it')
})

t.test(
  'a crash between the switch and the hook after it: the next start runs it, and tells what came of it',
  async (t) => {
    const directory = t.testdir()
    const before = await NodeParts.open(directory, declared)
    const treeHash = await before.hold(1)
    const { commandId, jobId, number } = commitOf(1, treeHash)
    const order = { commandId, jobId, number, command: 'commit' as const }
    await before.ledger.record({ type: 'hooks-due', site: 'www', release: 1, treeHash, ...order })
    await switchLive(before.paths.site('www'), 1)
    await before.close()
    const parts = await NodeParts.open(directory, declared)
    t.teardown(() => parts.close())
    await parts.releases.recover()
    await writeFile(at(parts, 'break'), '')
    await parts.commits.resumeHooks()
    t.strictSame(await story(parts), ['reload 1 live:releases/1'])
    t.match(parts.reportsOf('completion'), [{ commandId, jobId, number, error: { message: /no nginx/ } }])
    await parts.commits.resumeHooks()
    t.equal((await story(parts)).length, 1, 'and not again')
  },
)

t.test('a crash before the switch: nothing is to follow it', async (t) => {
  const parts = await open(t)
  await parts.hold(1, { live: true })
  const treeHash = await parts.hold(2)
  const order = { commandId: 'c', jobId: 'j', number: 2, command: 'commit' as const }
  await parts.ledger.record({ type: 'hooks-due', site: 'www', release: 2, treeHash, ...order })
  await parts.commits.resumeHooks()
  t.strictSame(await story(parts), [])
  t.equal(parts.ledger.state.hooks.size, 0)
})

t.test(
  'a node that stops in a hook before answers nothing and switches nothing; in one after, the next start runs it',
  async (t) => {
    const slow = (on: 'before-commit' | 'after-commit'): HooksInput => ({
      slow: { command: ['sh', '-c', 'echo >> begun; exec sleep 1000'], on },
    })
    const begun = (parts: NodeParts): Promise<true> =>
      until('the hook began', async () => (await readFile(at(parts, 'begun')).catch(() => null)) !== null || undefined)
    const before = await NodeParts.open(t.testdir({ before: {}, after: {} }) + '/before', slow('before-commit'))
    const held = await before.hold(1)
    const stopped = before.commits.commit(commitOf(1, held))
    await begun(before)
    await before.close()
    await stopped
    t.equal(before.sent.length, 0)
    await t.rejects(liveLink(before))
    const after = await NodeParts.open(`${t.testdirName}/after`, slow('after-commit'))
    const alsoHeld = await after.hold(1)
    const cut = after.commits.commit(commitOf(1, alsoHeld))
    await begun(after)
    await after.hooks.close()
    await cut
    t.equal(after.ledger.state.hooks.get('www')?.due?.release, 1)
    t.equal(after.reportsOf('completion').length, 1)
    await after.close()
  },
)

t.test('what is live already runs no hook', async (t) => {
  const parts = await open(t)
  const treeHash = await parts.hold(1, { live: true })
  await parts.commits.commit(commitOf(1, treeHash))
  t.strictSame(await story(parts), [])
})
