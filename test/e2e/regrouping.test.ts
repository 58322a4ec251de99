// Goal: groups may change while a job runs: a node that is started again with other groups is released from it and
// drops what was not decided, one that is started for the group gets all of it. Method: real processes; the
// directories of the nodes are read.
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import type { JobView } from '../../src/model/job.js'
import { Fleet, lastLine } from '../support/fleet.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-regrouping-`)
const staging = `${directory}/staging`
const fleet = await Fleet.start(directory, 3)
t.teardown(async () => {
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})

const fill = async (text: string): Promise<void> => {
  await mkdir(staging, { recursive: true })
  await writeFile(`${staging}/index.html`, text)
}
const releasesOf = (name: string): Promise<readonly string[]> =>
  readdir(`${fleet.dataOf(name)}/sites/www/releases`).catch(() => [])
const stage = async (): Promise<string> => {
  const outcome = await fleet.publish(staging, '--stage-only', '--quorum', '100%')
  if (outcome.code !== 0) throw new Error(outcome.stderr + fleet.story())
  return (lastLine(outcome) as unknown as { job: JobView }).job.id
}
const show = async (id: string): Promise<string> => (await fleet.engine('job', 'show', id)).stdout
const explain = async (id: string): Promise<string> => (await fleet.engine('job', 'explain', id)).stdout

t.test('a node that is started again with other groups leaves the job, and drops what it staged', async (t) => {
  await fill('one')
  t.equal((await fleet.publish(staging)).code, 0, fleet.story())
  await fill('two')
  const id = await stage()
  t.same((await releasesOf('n3')).toSorted(), ['1', '2'])
  await fleet.stop('n3', 'SIGTERM')
  fleet.startNode('n3', fleet.url, 'core')
  await until('it is released', async () => (await show(id)).includes('n3 has departed: it does not serve the site'))
  await until('it drops it', async () => !(await releasesOf('n3')).includes('2'), fleet.story.bind(fleet))
  const outcome = await fleet.engine('commit', id)
  t.equal(outcome.code, 0, outcome.stderr + fleet.story())
  t.match(outcome.stdout, /www@2 live on 2\/2 nodes[^]*n3 is departed/)
  t.same(await Promise.all(['n1', 'n2', 'n3'].map((name) => fleet.served(name))), ['two', 'two', 'one'])
  t.match(await explain(id), /n3 +departed +it does not serve the site any more[^]*all 2 nodes/)
})

t.test('a node that is started for the group while a job is staged gets it before all switch', async (t) => {
  await fill('three')
  const id = await stage()
  fleet.startNode('n4')
  await until('it has joined', async () => /n4 +joined/.test(await explain(id)), fleet.story.bind(fleet))
  const outcome = await fleet.engine('commit', id)
  t.equal(outcome.code, 0, outcome.stderr + fleet.story())
  t.match(outcome.stdout, /www@3 live on 3\/3 nodes/)
  t.same(await Promise.all(['n1', 'n2', 'n4'].map((name) => fleet.served(name))), ['three', 'three', 'three'])
})

t.test('when all nodes have left, the job fails and says so', async (t) => {
  await fill('four')
  const id = await stage()
  for (const name of ['n1', 'n2', 'n4']) {
    await fleet.stop(name, 'SIGTERM')
    fleet.startNode(name, fleet.url, 'core')
  }
  await until('they have left', async () => ((await show(id)).match(/has departed/g) ?? []).length === 3)
  const outcome = await fleet.engine('commit', id)
  t.equal(outcome.code, 7, outcome.stdout)
  t.match(outcome.stderr, /ENGINE_ERR_GROUP_EMPTY.*serves www any more/)
  t.same(await Promise.all(['n1', 'n2', 'n4'].map((name) => fleet.served(name))), ['three', 'three', 'three'])
})
