// Goal: an abort before the decision leaves nothing on any node; after it, it says that it is too late and what is the
// way back, or ends the waiting; a coordinator that was killed meanwhile answers the same.
// Method: real processes; a hook before the switch that takes as long as a file is there; the nodes' disks are read.
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import { Fleet, lastLine } from '../support/fleet.js'
import { SlowHook } from '../support/slow-hook.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-aborting-`)
const staging = `${directory}/staging`
const hook = await SlowHook.of('n1', directory)
const fleet = await Fleet.start(directory, 2)
t.teardown(async () => {
  await hook.hurry()
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})

const names = ['n1', 'n2'] as const
const fill = async (text: string): Promise<void> => {
  await mkdir(staging, { recursive: true })
  await writeFile(`${staging}/index.html`, text)
}
const detached = async (...flags: readonly string[]): Promise<string> =>
  (lastLine(await fleet.publish(staging, '--detach', ...flags)) as { jobId: string }).jobId
const served = (): Promise<string[]> => Promise.all(names.map((name) => fleet.served(name)))
const is = (id: string, state: string): Promise<unknown> =>
  until(`the job is ${state}`, async () => (await fleet.job(id)).state === state, fleet.story.bind(fleet))

/** All that a node has of releases and of what brings them. */
const onDisk = async (name: string): Promise<readonly string[]> => {
  const data = fleet.dataOf(name)
  const site = `${data}/sites/www`
  const found = await Promise.all(
    [`${site}/releases`, `${site}/trees`, `${data}/assignments`].map((path) => readdir(path).catch(() => [])),
  )
  return found.flat().toSorted()
}

t.test(
  'aborted when all have staged it, and while one does not even answer: nothing of it is on any node',
  async (t) => {
    await fill('one')
    t.equal((await fleet.publish(staging)).code, 0, fleet.story())
    const before = await Promise.all(names.map(onDisk))
    await fill('two')
    const staged = await detached('--stage-only')
    await is(staged, 'staged')
    for (const name of names) t.not((await onDisk(name)).length, before[0]?.length)
    t.equal((await fleet.engine('abort', staged)).stdout, `job ${staged} is aborted\n`)
    const isClean = async (): Promise<boolean> =>
      JSON.stringify(await Promise.all(names.map(onDisk))) === JSON.stringify(before)
    await until('both hold what they held before', isClean, fleet.story.bind(fleet))
    process.kill(fleet.process('n2').pid, 'SIGSTOP')
    const underWay = await detached()
    await until('n1 has staged it', async () => {
      const { nodes } = await fleet.job(underWay)
      return nodes.some(({ name, state }) => name === 'n1' && state === 'staged')
    })
    t.equal((await fleet.engine('job', 'abort', underWay)).code, 0)
    process.kill(fleet.process('n2').pid, 'SIGCONT')
    // Its answer comes after all that it was told before.
    const hasRead = async (): Promise<boolean> => (await fleet.engine('status', '--query', 'n2')).code === 0
    await until('n2 has read what it was told', hasRead, fleet.story.bind(fleet))
    await until('both hold what they held before', isClean, fleet.story.bind(fleet))
    t.same(await served(), ['one', 'one'])
  },
)

t.test('the switch is decided: refused, with the way back; it waits for a node: it waits no longer', async (t) => {
  await hook.slow()
  await fill('three')
  const opened = await fleet.engine('job', 'open', '--site', 'www', '--period', '1s')
  const id = opened.stdout.trim()
  for (const words of [['publish', staging], ['commit']]) await fleet.engine('job', 'add', id, ...words)
  // It is not told to end yet: it waits for the node as long as that is at work.
  await is(id, 'committing')
  const refused = await fleet.engine('abort', id)
  t.equal(refused.code, 6, refused.stdout)
  t.match(refused.stderr, /ENGINE_ERR_JOB_STATE: job \w+ is committing and cannot be aborted/)
  t.match(refused.stderr, /its switch is decided and goes on; go back by engine rollback --site www --reason TEXT/)
  t.equal((await fleet.engine('job', 'end', id)).code, 0)
  await is(id, 'ending')
  const answered = await fleet.engine('abort', id)
  t.equal(answered.code, 0, answered.stderr)
  t.match(
    answered.stdout,
    /^job \w+ is partial: 1 of 2 nodes .*n1.*\n {2}what it had switched stays; go back: engine rollback --site www/,
  )
  t.same(await served(), ['one', 'three'])
  t.match((await fleet.engine('job', 'explain', id)).stdout, /n1 +left +the job was told to wait no longer/)
  t.equal((await fleet.engine('job', 'watch', id)).code, 8)
  await hook.hurry()
  await until('n1 follows', async () => (await fleet.served('n1')) === 'three')
})

t.test('killed when the job waits for a node, the coordinator answers an abort as it would have', async (t) => {
  await hook.slow()
  await fill('four')
  const id = await detached('--period', '1s')
  await is(id, 'ending')
  await fleet.stop('coordinator', 'SIGKILL')
  fleet.startCoordinator()
  await fleet.online(names.length)
  t.match(await fleet.job(id), { state: 'ending' })
  const answered = await fleet.engine('abort', id)
  t.equal(answered.code, 0, answered.stderr)
  t.match(answered.stdout, /^job \w+ is partial: 1 of 2 nodes .*n1.*\n {2}what it had switched stays/)
  const late = await fleet.engine('abort', id)
  t.equal(late.code, 6, late.stdout)
  t.match(late.stderr, /is partial and cannot be aborted/)
  t.same(await served(), ['three', 'four'])
  await hook.hurry()
  await until('n1 follows', async () => (await fleet.served('n1')) === 'four')
})
