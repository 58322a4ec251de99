// Goal: a rollback goes to what was live before, never to what somebody went back from.
// Method: a real coordinator and a node that answers; the line itself on records that lie, too.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Coordinator } from '../../../src/coordinator.js'
import { lineOf } from '../../../src/coordinator/rolling-back.js'
import type { ReleaseRecord } from '../../../src/store/releases.js'
import { FakeNode } from '../../support/fake-node.js'
import { until } from '../../support/until.js'

const root = await mkdtemp(join(tmpdir(), 'distributary-rolling-back-'))
t.teardown(() => rm(root, { recursive: true, force: true }))
const to = { site: 'www', group: 'edge' } as const

t.test('what was gone back from is neither gone back to nor kept in place of what was live', async (t) => {
  const staging = join(root, 'staging')
  await mkdir(staging)
  await using coordinator = await Coordinator.open({ dataDir: join(root, 'data') })
  const node = new FakeNode({ name: 'one' })
  await node.connect(coordinator.url)
  const publish = async (text: string): Promise<void> => {
    await writeFile(join(staging, 'index.html'), `${text}\n`)
    await (await coordinator.publish(staging, to)).completed()
  }
  const goBack = async (): Promise<void> => {
    await (await coordinator.rollback({ ...to, reason: 'bad' })).completed()
    await coordinator.resume({ site: 'www' })
  }
  await publish('good')
  await publish('bad')
  await goBack()
  await publish('bad again')
  await goBack()
  t.equal(node.live('www')?.release, 1, 'from 3 to 1: 2 was bad')
  await t.rejects((await coordinator.rollback({ ...to, reason: 'no' })).completed(), {
    code: 'ENGINE_ERR_RELEASE_UNKNOWN',
    message: /live before/,
  })
  await coordinator.resume({ site: 'www' })
  for (const text of ['better', 'best']) await publish(text)
  const kept = async (): Promise<string> => (await coordinator.sites()).map(({ releases }) => releases.join(' ')).join()
  await until('the bad ones went first', async () => (await kept()) === '5 4 1')
})

t.test('the line of a release ends where nothing is on record, or where it would turn', async (t) => {
  const record = (release: number, baseRelease: number | null) => ({ release, baseRelease }) as ReleaseRecord
  const line = (records: readonly ReleaseRecord[], from: number) => lineOf(records, from).map(({ release }) => release)
  t.same(line([record(4, 3), record(3, 1), record(2, 1), record(1, null)], 4), [3, 1])
  t.same(line([record(4, 2), record(3, 1)], 4), [])
  t.same(line([record(4, 3), record(3, 4)], 4), [3])
  t.same(line([record(4, 4)], 4), [])
  t.same(line([], 1), [])
})
