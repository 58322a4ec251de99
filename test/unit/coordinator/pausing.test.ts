// Goal: who sends of a job is told how fast, and that it is paused, also who was away; a restart does not forget it.
// Method: a real coordinator and a node that only says what it is told to.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Coordinator } from '../../../src/coordinator.js'
import { FakeNode } from '../../support/fake-node.js'
import { until } from '../../support/until.js'

t.test('a pause reaches every sender of the job, stands after a restart, and is told to who was away', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'distributary-pausing-'))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  const staging = join(root, 'staging')
  await mkdir(staging)
  await writeFile(join(staging, 'index.html'), 'hello\n')
  const dataDir = join(root, 'data')
  const node = new FakeNode({ name: 'one', onStage: () => 'ignore' })
  let jobId: string
  const limited = { rateBps: 8 * 1024 * 1024, weight: 30 }
  {
    await using coordinator = await Coordinator.open({ dataDir })
    await node.connect(coordinator.url)
    const job = await coordinator.publish(staging, { site: 'www', group: 'edge', bwlimit: '1M', priority: 30 })
    jobId = job.id
    const [stage] = await until(
      'it is told to stage',
      () => node.messages('stage').length > 0 && node.messages('stage'),
    )
    t.same(stage?.pace, { ...limited, isPaused: false })
    const assignmentId = stage?.assignment.id
    t.equal((await coordinator.pauseJob(jobId)).paused, true)
    t.equal((await coordinator.pauseJob(jobId)).paused, true, 'again is no other wish')
    await until('it is told', () => node.messages('pace').length > 0)
    t.same(node.messages('pace'), [{ type: 'pace', assignmentId, pace: { ...limited, isPaused: true } }])
    await node.disconnect()
    await node.connect(coordinator.url)
    await until('it is told again', () => node.messages('pace').length > 1)
    await node.disconnect()
  }
  await using again = await Coordinator.open({ dataDir })
  t.match(await again.job(jobId), { paused: true, policy: { bwlimit: '1M', priority: 30 } })
  const before = node.messages('stage').length
  await node.connect(again.url)
  const stages = await until(
    'it is told to stage',
    () => node.messages('stage').length > before && node.messages('stage'),
  )
  t.same(stages.at(-1)?.pace, { ...limited, isPaused: true })
  t.equal((await again.resumeJob(jobId)).paused, false)
  await until('it goes on', () => node.messages('pace').at(-1)?.pace.isPaused === false)
  await again.abort(jobId)
  await t.rejects(again.pauseJob(jobId), { code: 'ENGINE_ERR_JOB_STATE' })
  await t.rejects(again.resumeJob('01NOBODY'), { code: 'ENGINE_ERR_JOB_UNKNOWN' })
  const { items } = await again.audit()
  const asked = items.map(({ action }) => action).filter((action) => action.endsWith('Job'))
  t.same(asked, ['createJob', 'pauseJob', 'pauseJob', 'resumeJob', 'abortJob', 'pauseJob', 'resumeJob'])
})
