// Goal: what cannot go well is refused before a job is made of it.
// Method: a real coordinator, nodes that only speak the channel.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Coordinator } from '../../../src/coordinator.js'
import type { CommandRequest } from '../../../src/model/job.js'
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

t.test('of many that come at once as many are accepted as the quota says', async (t) => {
  const { dataDir, staging } = place(t)
  await using coordinator = await Coordinator.open({ dataDir, quotas: { jobs: 2 } })
  await new FakeNode({ name: 'a', onStage: () => 'ignore' }).connect(coordinator.url)
  const sites = ['a', 'b', 'c', 'd', 'e']
  const asked = await Promise.allSettled(sites.map((site) => coordinator.publish(staging, { ...to, site })))
  const accepted = asked.filter(({ status }) => status === 'fulfilled')
  t.equal(accepted.length, 2)
  for (const each of asked) if (each.status === 'rejected') t.match(each.reason, { code: 'ENGINE_ERR_QUOTA' })
})

t.test('of two that are to be alone and come at once, one is', async (t) => {
  const { dataDir, staging } = place(t)
  await using coordinator = await Coordinator.open({ dataDir })
  await new FakeNode({ name: 'a', onStage: () => 'ignore' }).connect(coordinator.url)
  const alone = { ...to, onConflict: 'fail' } as const
  const asked = await Promise.allSettled([1, 2].map(() => coordinator.publish(staging, alone)))
  const refused = asked.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []))
  t.match(refused, [{ code: 'ENGINE_ERR_CONFLICT' }])
  t.equal(refused.length, 1)
})

t.test('a site that one job is making is for the nodes which that one named', async (t) => {
  const { dataDir, staging } = place(t)
  await using coordinator = await Coordinator.open({ dataDir })
  for (const name of ['a', 'b']) await new FakeNode({ name, onStage: () => 'ignore' }).connect(coordinator.url)
  const published: CommandRequest = { type: 'publish', directory: staging, upload: null }
  const first = await coordinator.openJob({ ...to, only: ['a'], commands: [published, { type: 'commit' }] })
  const other = { code: 'ENGINE_ERR_INVALID_ARGUMENT', message: /the list of nodes.*is served by a$/ }
  await t.rejects(coordinator.openJob({ ...to, only: ['b'], commands: [published] }), other)
  await t.rejects(coordinator.openJob({ ...to, only: ['b'] }), other)
  const check = await coordinator.openJob({ ...to, only: ['b'], commands: [{ type: 'end-job' }] })
  await coordinator.abort(first.id)
  await check.completed()
  const free = await coordinator.openJob({ ...to, only: ['b'], commands: [published] })
  t.match(await coordinator.job(free.id), { only: ['b'] }, 'where nothing is live and no job holds it, another names')
})

t.test(
  'what brings nothing to a site that is not there is refused as that; what would make it asks for its group',
  async (t) => {
    const { dataDir, staging } = place(t)
    await using coordinator = await Coordinator.open({ dataDir })
    const unknown = { code: 'ENGINE_ERR_SITE_UNKNOWN', exitCode: 3 }
    await t.rejects(coordinator.rollback({ site: 'nope', reason: 'x' }), unknown)
    const hook = { type: 'run-hook', hook: 'note', args: {} } as const
    await t.rejects(coordinator.openJob({ site: 'nope', commands: [hook] }), unknown)
    const groupless = { code: 'ENGINE_ERR_INVALID_ARGUMENT', message: /which group .* \(--group\)/ }
    await t.rejects(coordinator.publish(staging, { site: 'nope' }), groupless)
  },
)

t.test('one job more than the quota is refused', async (t) => {
  const { dataDir, staging } = place(t)
  await using coordinator = await Coordinator.open({ dataDir, quotas: { jobs: 1 } })
  await new FakeNode({ name: 'a' }).connect(coordinator.url)
  const job = await coordinator.publish(staging, { ...to, stageOnly: true })
  await t.rejects(coordinator.publish(staging, { ...to, site: 'other' }), { code: 'ENGINE_ERR_QUOTA', exitCode: 10 })
  await coordinator.abort(job.id)
})

t.test('an order of nodes that are none is refused, and names them', async (t) => {
  const { dataDir, staging } = place(t)
  await using coordinator = await Coordinator.open({ dataDir })
  const node = new FakeNode({ name: 'n1' })
  await node.connect(coordinator.url)
  const policy = { strategy: 'handout', order: ['n1', 'n7', 'n8'] } as const
  await t.rejects(coordinator.publish(staging, { site: 'www', group: 'edge', ...policy }), {
    code: 'ENGINE_ERR_NODE_UNKNOWN',
    message: /n7, n8/,
  })
  t.same(await coordinator.jobs(), [])
})
