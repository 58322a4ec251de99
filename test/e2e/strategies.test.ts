// Goal: by every strategy a release reaches all nodes, and all others when one dies in the middle.
// Method: real processes; links held to a pace, so that there is a middle.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import t from 'tap'
import { strategyNames } from '../../src/model/plan.js'
import type { JobView } from '../../src/model/job.js'
import { Fleet } from '../support/fleet.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-strategies-`)
const staging = `${directory}/staging`
const names = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6'] as const
const PACE = '40Mbit'
await writeFile(`${directory}/coordinator.yaml`, `coordinator:\n  bwlimit: ${PACE}\n`)
for (const name of names) await writeFile(`${directory}/${name}.yaml`, `node:\n  bwlimit: ${PACE}\n`)
const fleet = await Fleet.start(directory, names.length)
t.teardown(async () => {
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})

const MIB = 1024 * 1024
const fill = async (text: string, mib: number): Promise<void> => {
  await mkdir(staging, { recursive: true })
  await writeFile(`${staging}/index.html`, text)
  await writeFile(`${staging}/payload.bin`, randomBytes(mib * MIB))
}
/** By HTTP: a process for each look takes as long as a transfer. */
const jobOf = async (id: string): Promise<JobView> =>
  (await (await fetch(`${fleet.url}/v1/jobs/${id}`)).json()) as JobView
const served = (of: readonly string[] = names): Promise<string[]> => Promise.all(of.map((name) => fleet.served(name)))

for (const strategy of strategyNames) {
  t.test(
    `${strategy}: one of six dies in the middle, the others go live, and it follows when it is back`,
    async (t) => {
      // Where every uplink works all the time, there would be no middle.
      await fill(strategy, strategy === 'chain' || strategy === 'braid' ? 24 : 4)
      const outcome = await fleet.publish(staging, '--strategy', strategy, '--detach', '--max-delete', '100%')
      t.equal(outcome.code, 0, outcome.stderr)
      const { jobId } = JSON.parse(outcome.stdout.trim()) as { readonly jobId: string }
      await until('somebody receives', async () => (await jobOf(jobId)).nodes.some(({ bytesHave }) => bytesHave > 0))
      // Whoever has most is most likely to serve others.
      const { state, nodes } = await jobOf(jobId)
      t.equal(state, 'distributing')
      const dead = nodes.toSorted((a, b) => b.bytesHave - a.bytesHave)[0]?.name ?? ''
      await fleet.stop(dead, 'SIGKILL')
      const others = names.filter((name) => name !== dead)
      await until(
        'the others are live',
        async () => (await served(others)).every((text) => text === strategy),
        () => fleet.story(),
      )
      fleet.startNode(dead)
      await until(
        'it follows',
        async () => (await fleet.served(dead)) === strategy,
        () => fleet.story(),
      )
      t.match(await jobOf(jobId), { policy: { strategy } })
    },
  )
}
