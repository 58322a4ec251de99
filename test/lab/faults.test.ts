// Goal: whatever happens to a node, to the coordinator or to the client in the middle of a publish, the others are not
// held up, who is behind is named, and in the end every node serves the release byte for byte.
// Method: processes in namespaces, cut off, frozen and killed at moments that the job's own events tell.
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t, { type Test } from 'tap'
import { isFinal } from '../../src/jobs/job.js'
import type { JobView, Receipt } from '../../src/model/job.js'
import { addressOf, deafen, LabFleet, labDown, labUp, receivedBytes, startOn } from '../support/lab.js'
import type { Outcome, Running } from '../support/process.js'
import { until } from '../support/until.js'

const NODES = [1, 2, 3]
const NAMES = ['n1', 'n2', 'n3']
/** At the rate of the lab a second and more of a node's link: long enough to be stopped in its middle. */
const BULK_BYTES = 6 << 20

const directory = await mkdtemp(`${tmpdir()}/distributary-faults-`)
const staging = `${directory}/staging`
const fleet = new LabFleet(directory, { ENGINE_COORDINATOR__WEBHOOKS__ALLOW_PRIVATE: 'true' })
await mkdir(staging)
await labUp(NODES.length + 1, '40mbit')
t.teardown(async () => {
  await fleet.stopAll()
  await labDown()
  await rm(directory, { recursive: true, force: true })
})
fleet.start(0)
for (const host of NODES) fleet.start(host)
await fleet.nodesOnline(NODES.length)

/** A new version; incompressible, so that no node has any part of it. */
const stage = async (text: string, bulkBytes = BULK_BYTES): Promise<string> => {
  await writeFile(`${staging}/index.html`, text)
  await writeFile(`${staging}/bulk.bin`, randomBytes(bulkBytes))
  return staging
}

const served = (host: number): Promise<string> =>
  readFile(`${fleet.liveOf(host, 'www')}/index.html`, 'utf8').catch(() => '')

/** Waits until hosts serve the version that is staged, byte for byte. */
const serve = (text: string, hosts: readonly number[]): Promise<unknown> =>
  until(
    `${text} is live on ${hosts.join(', ')}`,
    async () => {
      const bulk = await readFile(`${staging}/bulk.bin`)
      for (const host of hosts) {
        if ((await served(host)) !== text) return false
        if (!bulk.equals(await readFile(`${fleet.liveOf(host, 'www')}/bulk.bin`))) return false
      }
      return true
    },
    () => fleet.story(),
  )

const says = (watch: Running, state: string): Promise<unknown> =>
  until(
    `the job is ${state}`,
    () => watch.output.includes(`"state":"${state}"`),
    () => watch.output.slice(-2000) + fleet.story(),
  )

/** The job as the last line of a command tells it. */
const jobOf = ({ stdout, stderr }: Pick<Outcome, 'stdout' | 'stderr'>): JobView => {
  const { job } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as { job?: JobView }
  if (job === undefined) throw new Error(`no job in ${stdout.slice(-500)} ${stderr}`)
  return job
}

const engine = async (...args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await fleet.engine(args)
  if (code !== 0) throw new Error(`engine ${args.join(' ')} ended with ${code}: ${stderr}${fleet.story()}`)
  return stdout
}

const newest = async (): Promise<JobView> => {
  const { items } = JSON.parse(await engine('jobs', '--json')) as { items: readonly JobView[] }
  if (items[0] === undefined) throw new Error('there is no job')
  return items[0]
}

const ends = (t: Test, outcome: Outcome, code: number): void => {
  t.equal(outcome.code, code, `it exits with ${code}`, { stderr: outcome.stderr, fleet: fleet.story() })
}

/** Every node is on record once for each of the two commands, however often it had to tell. */
const recorded = async (t: Test, id: string): Promise<void> => {
  const { items } = JSON.parse(await engine('receipts', id, '--json')) as { items: readonly Receipt[] }
  for (const command of ['publish', 'commit']) {
    const done = items.filter((each) => each.command === command && each.kind === 'completion')
    t.same(done.map(({ nodeName }) => nodeName).toSorted(), NAMES, `${command} is on record once for each node`)
  }
}

/** A partial outcome says which node is behind, and why. */
const isBehind = (t: Test, outcome: Outcome, name: string): void => {
  ends(t, outcome, 8)
  const { nodes, error } = jobOf(outcome)
  const behind = nodes.filter(({ state }) => state !== 'live')
  t.match(behind, [{ name, state: 'behind', reason: /^it has not answered for/ }], 'it says who is behind and why')
  t.equal(error?.code, 'ENGINE_ERR_NODES_BEHIND')
}

t.test('a first release is live everywhere, and all of it is on record', async (t) => {
  const outcome = await fleet.publish(await stage('first')).exited
  ends(t, outcome, 0)
  await serve('first', NODES)
  await recorded(t, jobOf(outcome).id)
})

t.test('a node that speaks and hears nothing holds up nobody, is named, and follows when it hears', async (t) => {
  await deafen(3, true)
  const all = await fleet.publish(await stage('never', BULK_BYTES / 4), '--quorum', 'all').exited
  ends(t, all, 7)
  t.match(jobOf(all), { state: 'failed', error: { code: 'ENGINE_ERR_QUORUM' } })
  for (const host of NODES) t.equal(await served(host), 'first', `where all must hold it n${host} has not switched`)
  isBehind(t, await fleet.publish(await stage('deaf')).exited, 'n3')
  await serve('deaf', [1, 2])
  t.equal(await served(3), 'first', 'it goes on serving what it had')
  await deafen(3, false)
  await serve('deaf', NODES)
  await fleet.nodesOnline(NODES.length)
})

t.test('a node that is frozen in a publish holds up nobody, is named, and follows when it goes on', async (t) => {
  const publish = fleet.publish(await stage('frozen'))
  await says(publish, 'distributing')
  fleet.signal(2, 'SIGSTOP')
  isBehind(t, await publish.exited, 'n2')
  await serve('frozen', [1, 3])
  t.equal(await served(2), 'deaf', 'it goes on serving what it had')
  fleet.signal(2, 'SIGCONT')
  await serve('frozen', NODES)
  await fleet.nodesOnline(NODES.length)
})

/** A job whose release is staged on every node and not live anywhere. */
const stagedJob = async (text: string): Promise<string> => {
  const id = (await engine('job', 'open', '--site', 'www', '--group', 'edge')).trim()
  await engine('job', 'add', id, 'publish', await stage(text), '--wait')
  return id
}

t.test('a coordinator that is killed before the decision switches nobody, and carries the job on', async (t) => {
  const id = await stagedJob('before')
  await fleet.kill(0)
  for (const host of NODES) t.equal(await served(host), 'frozen', `n${host} has not switched`)
  fleet.start(0)
  await fleet.nodesOnline(NODES.length)
  for (const host of NODES) t.equal(await served(host), 'frozen', `n${host} does not switch by itself`)
  await engine('job', 'add', id, 'commit', '--wait')
  await engine('job', 'end', id, '--wait')
  await serve('before', NODES)
  await recorded(t, id)
})

t.test('a coordinator that is killed right after the decision, before anybody acts on it, keeps it', async (t) => {
  const id = await stagedJob('after')
  const watch = fleet.watch(id)
  // Nobody reads that it was decided, nor answers, in this life of the coordinator.
  for (const host of NODES) fleet.signal(host, 'SIGSTOP')
  await engine('job', 'add', id, 'commit')
  await says(watch, 'committing')
  await fleet.kill(0)
  for (const host of NODES) t.equal(await served(host), 'before', `n${host} has not switched`)
  for (const host of NODES) fleet.signal(host, 'SIGCONT')
  fleet.start(0)
  await fleet.nodesOnline(NODES.length)
  await serve('after', NODES)
  await engine('job', 'end', id, '--wait')
  ends(t, await watch.exited, 0)
  await recorded(t, id)
})

t.test('a node that was away for three releases is sent the last one, and none of the two between', async (t) => {
  await fleet.kill(3)
  for (const text of ['one', 'two', 'three']) {
    ends(t, await fleet.publish(await stage(text, BULK_BYTES / 4)).exited, 8)
  }
  const before = await receivedBytes(3)
  fleet.start(3)
  await serve('three', NODES)
  const bytes = (await receivedBytes(3)) - before
  t.ok(bytes > BULK_BYTES / 4 && bytes < BULK_BYTES / 2, `it received ${bytes} bytes`)
  await fleet.nodesOnline(NODES.length)
})

t.test('a job whose client is gone goes on to its end, which is told by its callback', async (t) => {
  const take = "(q, s) => { q.on('data', (d) => process.stdout.write(d)); q.on('end', () => s.end()) }"
  const listen = `require('http').createServer(${take})`
  const receiver = startOn(1, process.execPath, [
    '-e',
    `${listen}.listen(9000, '${addressOf(1)}', () => console.log('listening'))`,
  ])
  t.teardown(() => receiver.stop('SIGKILL'))
  await until(
    'the receiver listens',
    () => receiver.output.includes('listening'),
    () => receiver.output,
  )
  const publish = fleet.publish(await stage('alone'), '--callback', `http://${addressOf(1)}:9000/hook`)
  // All of its content has come: nothing is needed from the client any more.
  await until(
    'the release is packed',
    () => /"streamBytes":\d/.test(publish.output),
    () => fleet.story(),
  )
  await publish.stop('SIGKILL')
  await serve('alone', NODES)
  await until(
    'the job is over',
    async () => isFinal((await newest()).state),
    () => fleet.story(),
  )
  const { id, state } = await newest()
  t.equal(state, 'succeeded', 'nobody watched it')
  await until(
    'the callback has come',
    () => receiver.output.includes(id),
    () => receiver.output + fleet.story(),
  )
  t.match(receiver.output, /"engine\.job\.committed"/)
  await recorded(t, id)
})
