// Goal: what a process sends keeps to its limit, also to one that changes while content is on its way.
// Method: real processes. A publish under a limit cannot be done sooner than the limit allows, however slow the machine
// is; one that would take an hour is done soon after its limit was lifted.
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import type { JobView } from '../../src/model/job.js'
import { Fleet, lastLine } from '../support/fleet.js'
import { until } from '../support/until.js'

const MIB = 1024 * 1024
const directory = await mkdtemp(`${tmpdir()}/distributary-limits-`)
const staging = `${directory}/staging`
await writeFile(`${directory}/coordinator.yaml`, 'coordinator:\n  bwlimit: 2M\n')
await writeFile(`${directory}/n1.yaml`, 'node:\n  bwlimit: "00:00,3M 12:00,3M"\n')
const fleet = await Fleet.start(directory, 2)
t.teardown(async () => {
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})

let content = Buffer.alloc(0)
const fill = async (bytes: number): Promise<void> => {
  content = randomBytes(bytes)
  await mkdir(staging, { recursive: true })
  await writeFile(`${staging}/index.html`, content)
}
const limits = async (...args: readonly string[]): Promise<Record<string, number | null>> => {
  const { items } = JSON.parse((await fleet.engine('limit', ...args, '--json')).stdout) as {
    items: readonly { name: string; rateBps: number | null }[]
  }
  return Object.fromEntries(items.map(({ name, rateBps }) => [name, rateBps]))
}

t.test('a publish takes as long as the limit of its source makes it, and no node misses anything', async (t) => {
  t.same(await limits(), { coordinator: 16 * MIB, n1: 24 * MIB, n2: null })
  await fill(3 * MIB)
  t.equal((await fleet.publish(staging, '--strategy', 'star')).code, 0, fleet.story())
  const { items } = (await (await fetch(`${fleet.url}/v1/jobs`)).json()) as { items: readonly JobView[] }
  const [job] = items
  // Twice 3 MiB at 2 MiB a second, but for what may come at once.
  const tookMs = (job?.finishedAtMs ?? 0) - (job?.createdAtMs ?? 0)
  t.ok(tookMs > 2_700, `${tookMs} ms`)
  t.equal(await fleet.served('n1'), await fleet.served('n2'))
})

t.test('a limit that is changed on the way holds from then on', async (t) => {
  t.same(await limits('coordinator', '64k'), { coordinator: 64 * 1024 * 8 })
  await fill(200 * MIB)
  const publishing = fleet.publish(staging)
  await until('something has arrived', async () => {
    const { items } = JSON.parse((await fleet.engine('jobs', '--state', 'distributing', '--json')).stdout) as {
      items: readonly JobView[]
    }
    return items[0]?.nodes.some(({ bytesHave }) => bytesHave > 0)
  })
  t.same(await limits('n1', 'off'), { n1: null })
  t.same(await limits('coordinator', 'off'), { coordinator: null })
  t.equal((await publishing).code, 0, fleet.story())
})

t.test('a paused job is sent no more while others are, and loses nothing when it goes on', async (t) => {
  await fill(4 * MIB)
  const asked = await fleet.publish(staging, '--strategy', 'star', '--bwlimit', '1M', '--priority', '20', '--detach')
  const { jobId } = lastLine(asked) as { jobId: string }
  const bytes = async (): Promise<number> =>
    (await fleet.job(jobId)).nodes.reduce((sum, { bytesHave }) => sum + bytesHave, 0)
  await until('something has arrived', async () => (await bytes()) > 0)
  t.equal((await fleet.engine('job', 'pause', jobId)).stdout, `job ${jobId} is paused\n`)
  await mkdir(`${directory}/other`, { recursive: true })
  const publishOther = async (): Promise<void> => {
    await writeFile(`${directory}/other/index.html`, randomBytes(MIB))
    const done = await fleet.engine('publish', `${directory}/other`, '--site', 'other', '--group', 'edge')
    t.equal(done.code, 0, fleet.story())
  }
  await publishOther()
  const before = await bytes()
  await publishOther()
  t.equal(await bytes(), before)
  t.ok(before < 8 * MIB, `${before} bytes`)
  t.match((await fleet.engine('jobs', '--site', 'www')).stdout, /paused \(engine job resume/)
  t.match(await fleet.job(jobId), { paused: true, policy: { bwlimit: '1M', priority: 20 } })
  t.equal((await fleet.engine('job', 'resume', jobId)).stdout, `job ${jobId} goes on\n`)
  t.equal((await fleet.engine('job', 'watch', jobId)).code, 0, fleet.story())
  for (const name of ['n1', 'n2']) t.ok((await readFile(`${fleet.liveOf(name)}/index.html`)).equals(content), name)
})

t.test('what is no limit is refused before anything starts', async (t) => {
  for (const asked of ['5', '08:00', '1k']) t.equal((await fleet.engine('limit', 'n1', asked)).code, 2, asked)
  const { code, stderr } = await fleet.engine('limit', 'nobody', '5M')
  t.match([code, stderr], [3, /ENGINE_ERR_NODE_UNKNOWN|nobody/])
})
