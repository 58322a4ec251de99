// Goal: a byte that rots in the shadow keeps nobody from anything for longer than until the next publish.
// Method: a real coordinator whose files are changed behind its back, and nodes that only speak the channel.
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Coordinator } from '../../../src/coordinator.js'
import { FakeNode } from '../../support/fake-node.js'
import { until } from '../../support/until.js'

const root = await mkdtemp(join(tmpdir(), 'distributary-damage-'))
t.teardown(() => rm(root, { recursive: true, force: true }))
const to = { site: 'www', group: 'edge' } as const

/** Changes one byte of a file; its size stays, and its time to the nanosecond. */
async function rot(path: string): Promise<void> {
  const [bytes, { mtimeNs }] = [await readFile(path), await stat(path, { bigint: true })]
  bytes[0] = (bytes[0] ?? 0) ^ 1
  await writeFile(path, bytes)
  const nanoseconds = String(mtimeNs % 1_000_000_000n).padStart(9, '0')
  execFileSync('touch', ['-d', `@${mtimeNs / 1_000_000_000n}.${nanoseconds}`, path])
}

t.test('a file that rots in the shadow is named, and the next publish makes all of it anew', async (t) => {
  const [dataDir, staging] = [join(root, 'data'), join(root, 'staging')]
  await mkdir(staging)
  await writeFile(join(staging, 'still'), 'the same in every release')
  await using coordinator = await Coordinator.open({ dataDir })
  const publish = async (text: string) => {
    await writeFile(join(staging, 'page'), text)
    return (await coordinator.publish(staging, to)).completed()
  }
  const old = new FakeNode({ name: 'old' })
  await old.connect(coordinator.url)
  await publish('one')
  await rot(join(dataDir, 'sites/www/live/still'))
  await publish('two')
  t.match(await publish('three'), { release: 3, baseRelease: 2 }, 'a difference still shares it')

  const late = new FakeNode({ name: 'late' })
  await late.connect(coordinator.url)
  const reason = /own copy of www@3 is damaged: 'still' is not what was staged/
  await until('why it gets nothing is told', async () => {
    const node = (await coordinator.nodes()).find(({ name }) => name === 'late')
    return reason.test(node?.reason ?? '')
  })
  await until('it counts no more', async () => (await coordinator.sites())[0]?.releases.join() === '2,1')

  t.match(await publish('four'), { state: 'succeeded', release: 4, baseRelease: null, error: null })
  t.equal(late.live('www')?.release, 4)
  t.equal(await readFile(join(dataDir, 'sites/www/live/still'), 'utf8'), 'the same in every release')
  const newest = new FakeNode({ name: 'newest' })
  await newest.connect(coordinator.url)
  await until('a newcomer gets it', () => newest.live('www')?.release === 4)
  const trees = async () => (await readdir(join(dataDir, 'sites/www/releases'))).sort().join()
  await until('the damaged tree is gone', async () => (await trees()) === '1,2,4')
  for (const node of [old, late, newest]) await node.disconnect()
})

t.test('a file that somebody wrote to in the shadow fails one publish, and not the next', async (t) => {
  const [dataDir, staging] = [join(root, 'data-2'), join(root, 'staging-2')]
  await mkdir(staging)
  await writeFile(join(staging, 'still'), 'the same in every release')
  await using coordinator = await Coordinator.open({ dataDir })
  const node = new FakeNode({ name: 'one' })
  await node.connect(coordinator.url)
  await (await coordinator.publish(staging, to)).completed()
  await writeFile(join(dataDir, 'sites/www/live/still'), 'written here')
  await writeFile(join(staging, 'page'), 'new')
  await t.rejects((await coordinator.publish(staging, to)).completed(), {
    code: 'ENGINE_ERR_SHADOW_DAMAGED',
    message: /own copy of www@1 is damaged: 'still'/,
    hint: /publish the content again/,
  })
  const next = await (await coordinator.publish(staging, to)).completed()
  t.match(next, { state: 'succeeded', baseRelease: null })
  await node.disconnect()
})
