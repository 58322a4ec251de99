// Goal: nothing makes another release of a held site live, rollbacks do, and a hold ends as it says.
// Method: a real coordinator and its client; a node that answers as the test says.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Client } from '../../../src/client.js'
import { Coordinator } from '../../../src/coordinator.js'
import { FakeNode } from '../../support/fake-node.js'
import { until } from '../../support/until.js'

const root = await mkdtemp(join(tmpdir(), 'distributary-holding-'))
t.teardown(() => rm(root, { recursive: true, force: true }))
const to = { site: 'www', group: 'edge' } as const
const held = { code: 'ENGINE_ERR_SITE_HELD', exitCode: 6 }

let count = 0
async function place() {
  const dataDir = join(root, String(count++))
  const staging = `${dataDir}-staging`
  await mkdir(staging)
  const fill = (text: string): Promise<void> => writeFile(join(staging, 'index.html'), text)
  await fill('one\n')
  const coordinator = await Coordinator.open({ dataDir })
  const node = new FakeNode({ name: 'one' })
  await node.connect(coordinator.url)
  await (await coordinator.publish(staging, to)).completed()
  return { dataDir, staging, fill, coordinator, node }
}

t.test('a paused site takes what is staged, but nothing that commits, until it is resumed', async (t) => {
  const { coordinator, staging, fill, node } = await place()
  await using closing = coordinator
  const client = new Client({ url: closing.url })
  await fill('two\n')
  t.match(await client.pause({ site: 'www', reason: 'freeze' }), [{ holdReason: 'freeze', holdUntilMs: null }])
  await t.rejects(coordinator.publish(staging, to), held)
  const job = await coordinator.publish(staging, { ...to, stageOnly: true })
  await until('it is staged', async () => (await coordinator.job(job.id)).state === 'staged')
  await t.rejects(coordinator.commit(job.id), held)
  t.match(await client.pause({ group: 'edge', reason: 'short', forMs: 5 }), [{ holdReason: 'freeze' }], 'not shortened')
  t.match(await client.resume({ group: 'edge', reason: 'done' }), [{ holdReason: null, holdUntilMs: null }])
  await coordinator.commit(job.id)
  await job.completed()
  t.equal(node.live('www')?.release, 2)
  const { items } = await coordinator.audit()
  const calls = items.filter(({ action }) => ['holdSite', 'resumeSite'].includes(action))
  t.match(
    calls.map(({ action, subject, request }) => [action, subject, request]),
    [
      ['holdSite', 'site www', { reason: 'freeze' }],
      ['holdSite', 'site www', { reason: 'short', forMs: 5 }],
      ['resumeSite', 'site www', { reason: 'done' }],
    ],
  )
  const types: string[] = []
  for await (const { type } of coordinator.events({ types: ['site.*'], sinceId: 0 })) {
    types.push(type)
    if (type.endsWith('resumed')) break
  }
  t.same(types, ['engine.site.held', 'engine.site.held', 'engine.site.resumed'])
  await t.rejects(client.resume({ site: 'nope' }), { code: 'ENGINE_ERR_SITE_UNKNOWN' })
  await t.rejects(client.resume({}), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
  await t.rejects(client.pause({ site: 'www', reason: ' ' }), { code: 'ENGINE_ERR_INVALID_ARGUMENT' })
})

t.test('a job that is under way when the hold comes fails before its decision; a rollback goes through', async (t) => {
  const { coordinator, staging, fill, node } = await place()
  await using closing = coordinator
  await fill('two\n')
  await (await closing.publish(staging, to)).completed()
  await fill('three\n')
  node.onStage = () => 'ignore'
  const job = await coordinator.publish(staging, to)
  const stage = await until('it is told', () => node.messages('stage')[2])
  await coordinator.pause({ site: 'www', reason: 'stop' })
  if (stage !== undefined) node.perform(stage)
  await t.rejects(job.completed(), { ...held, message: /stop/ })
  t.equal(node.live('www')?.release, 2)
  await (await coordinator.rollback({ ...to, reason: 'typo' })).completed()
  t.match(await coordinator.sites(), [{ targetRelease: 1, holdReason: 'typo' }])
})

t.test('a hold outlives a restart, and one with an end is over without anybody doing something', async (t) => {
  const { dataDir, coordinator, staging, fill, node } = await place()
  const wanted = Date.now() + 1500
  await coordinator.pause({ site: 'www', reason: 'lunch', forMs: 1500 })
  await coordinator.close()
  await using second = await Coordinator.open({ dataDir })
  await node.connect(second.url)
  const [site] = await second.sites()
  t.ok(Math.abs((site?.holdUntilMs ?? 0) - wanted) < 500)
  await fill('two\n')
  await t.rejects(second.publish(staging, to), { ...held, message: /for another .*lunch/ })
  await until('it is over', async () => (await second.sites())[0]?.holdReason === null)
  t.match(await (await second.publish(staging, to)).completed(), { state: 'succeeded' })
})
