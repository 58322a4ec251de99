// Goal: what cannot go well is refused before a job is made of it.
// Method: a real coordinator, nodes that only speak the channel.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Coordinator } from '../../../src/coordinator.js'
import { FakeNode } from '../../support/fake-node.js'

const to = { site: 'www', group: 'edge' } as const

function place(t: Test): { dataDir: string; staging: string } {
  const directory = t.testdir({ staging: {} })
  const staging = join(directory, 'staging')
  writeFileSync(join(staging, 'index.html'), 'hello')
  return { dataDir: join(directory, 'data'), staging }
}

t.test('a release beyond the quota is refused before anything is sent', async (t) => {
  const { dataDir, staging } = place(t)
  await using coordinator = await Coordinator.open({ dataDir, quotas: { releaseBytes: 1 } })
  const node = new FakeNode({ name: 'a' })
  await node.connect(coordinator.url)
  await t.rejects((await coordinator.publish(staging, to)).completed(), { code: 'ENGINE_ERR_QUOTA' })
  t.same(node.messages('stage'), [])
})

t.test('one job more than the quota is refused', async (t) => {
  const { dataDir, staging } = place(t)
  await using coordinator = await Coordinator.open({ dataDir, quotas: { jobs: 1 } })
  await new FakeNode({ name: 'a' }).connect(coordinator.url)
  const job = await coordinator.publish(staging, { ...to, stageOnly: true })
  await t.rejects(coordinator.publish(staging, { ...to, site: 'other' }), { code: 'ENGINE_ERR_QUOTA', exitCode: 10 })
  await coordinator.abort(job.id)
})
