// Goal: a cascade goes on without its coordinator: who waits for its turn fetches from whoever has it on its list.
// Method: real processes; a fast coordinator, slow nodes, so that one has everything while others wait.
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import type { JobView } from '../../src/model/job.js'
import { Fleet } from '../support/fleet.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-cascade-`)
const staging = `${directory}/staging`
const names = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6'] as const
for (const name of names) await writeFile(`${directory}/${name}.yaml`, 'node:\n  bwlimit: 16Mbit\n')
const fleet = await Fleet.start(directory, names.length)
t.teardown(async () => {
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})

const PAYLOAD_BYTES = 4 * 1024 * 1024
const holds = async (name: string): Promise<boolean> =>
  (await readdir(`${fleet.dataOf(name)}/sites/www/releases`).catch((): string[] => [])).includes('1')
const jobOf = async (id: string): Promise<JobView> =>
  JSON.parse((await fleet.engine('job', 'show', id, '--json')).stdout) as JobView

t.test(
  'the coordinator dies when one node has all of it: all come to hold it, and go live when it is back',
  async (t) => {
    await mkdir(staging)
    await writeFile(`${staging}/index.html`, 'alone')
    await writeFile(`${staging}/payload.bin`, randomBytes(PAYLOAD_BYTES))
    const asked = ['--strategy', 'cascade', '--fanout', '1', '--order', 'n6,n5', '--detach']
    const outcome = await fleet.publish(staging, ...asked)
    t.equal(outcome.code, 0, outcome.stderr)
    const { jobId } = JSON.parse(outcome.stdout.trim()) as { readonly jobId: string }
    await until('the first of the order holds it', () => holds('n6'))
    const held = await Promise.all(names.map(holds))
    await fleet.stop('coordinator', 'SIGKILL')
    t.ok(held.includes(false), 'others still lack it')
    for (const name of names)
      await until(
        `${name} holds it`,
        () => holds(name),
        () => fleet.story(),
      )
    t.equal(await fleet.served('n6'), 'nothing', 'nobody has decided')
    fleet.startCoordinator()
    for (const name of names) {
      await until(
        `${name} is live`,
        async () => (await fleet.served(name)) === 'alone',
        () => fleet.story(),
      )
    }
    t.match(await jobOf(jobId), { policy: { strategy: 'cascade', fanout: 1, order: ['n6', 'n5'] } })
  },
)
