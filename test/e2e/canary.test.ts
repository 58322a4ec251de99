// Goal: with --canary a few nodes switch first; a health hook that fails keeps everybody else on the old release and
// brings the canaries back, over a coordinator that is killed too. Method: real processes; a health hook that counts
// its calls and fails from the second on when a file says so; the live directories are read.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import type { JobView } from '../../src/model/job.js'
import type { NodeView } from '../../src/model/node.js'
import { Fleet, lastLine } from '../support/fleet.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-canary-`)
const staging = `${directory}/staging`
const names = ['n1', 'n2', 'n3'] as const
for (const name of names) {
  const isWell = `test ! -e sick || test $(grep -c "^$ENGINE_RELEASE$" ${name}-checks) -lt 2`
  const health = `echo "$ENGINE_RELEASE" >> ${name}-checks; ${isWell} || { echo "502 from the app"; exit 1; }`
  const hook = `{command: [sh, -c, ${JSON.stringify(health)}], on: health, cwd: ${directory}}`
  await writeFile(`${directory}/${name}.yaml`, `node:\n  hooks:\n    health: ${hook}\n`)
}
const fleet = await Fleet.start(directory, names.length)
t.teardown(async () => {
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})

const fill = async (text: string): Promise<void> => {
  await mkdir(staging, { recursive: true })
  await writeFile(`${staging}/index.html`, text)
}
const served = (): Promise<string[]> =>
  Promise.all(names.map((name) => readFile(`${fleet.liveOf(name)}/index.html`, 'utf8')))
const checksOf = async (name: string, release: number): Promise<number> => {
  const lines = await readFile(`${directory}/${name}-checks`, 'utf8').catch(() => '')
  return lines.split('\n').filter((line) => line === `${release}`).length
}
const heldOn = async (name: string): Promise<readonly number[]> => {
  const { stdout } = await fleet.engine('nodes', '--json')
  const { items } = JSON.parse(stdout) as { items: readonly NodeView[] }
  return items.find((node) => node.name === name)?.sites[0]?.held.map(({ release }) => release) ?? []
}

t.test('the first publish cannot have canaries, and says so', async (t) => {
  await fill('one')
  const refused = await fleet.publish(staging, '--canary', '5%')
  t.equal(refused.code, 6, refused.stderr + fleet.story())
  t.match(refused.stderr, /ENGINE_ERR_CANARY_IMPOSSIBLE.*nothing is live yet/)
  t.equal((await fleet.publish(staging)).code, 0)
})

t.test('a canary is live and checked while the others wait, then all follow', async (t) => {
  await fill('two')
  const publishing = fleet.publish(staging, '--canary', '5%', '--bake', '3s')
  await until('the canary is live', async () => (await served()).includes('two'))
  t.same(await served(), ['two', 'one', 'one'])
  const status = await fleet.engine('status')
  t.match(status.stdout, /www@2: canary n1/, 'who it is')
  const outcome = await publishing
  t.equal(outcome.code, 0, outcome.stderr + fleet.story())
  t.same(await served(), ['two', 'two', 'two'])
  t.ok((await checksOf('n1', 2)) >= 3)
  t.equal(await checksOf('n2', 2), 0)
})

t.test('its second check fails: it switches back, nobody else has switched, and nothing of it is held', async (t) => {
  await fill('three')
  await writeFile(`${directory}/sick`, '')
  const outcome = await fleet.publish(staging, '--canary', 'n2', '--bake', '10s')
  t.equal(outcome.code, 7, outcome.stderr + fleet.story())
  const { job } = lastLine(outcome) as unknown as { job: JobView }
  t.match(job, {
    state: 'failed',
    error: { code: 'ENGINE_ERR_CANARY_FAILED', message: /n2 of www@3.*502 from the app/ },
  })
  t.same(await served(), ['two', 'two', 'two'])
  t.equal(await checksOf('n2', 3), 2)
  const told = await fleet.engine('job', 'explain', job.id)
  t.match(
    told.stdout,
    /canary .*n2 of 3 nodes switch first[^]*checked .*n2: health is well[^]*revoked .*502 from the app/,
  )
  for (const name of names) await until(`${name} holds nothing of it`, async () => !(await heldOn(name)).includes(3))
})

t.test('the coordinator is killed in the bake: it goes on with it, and the sick canary switches back', async (t) => {
  await rm(`${directory}/sick`)
  await fill('four')
  const asked = await fleet.publish(staging, '--canary', '1', '--bake', '20s', '--detach')
  const { jobId } = lastLine(asked) as { jobId: string }
  await until('it was checked', async () => (await checksOf('n1', 4)) > 0)
  await fleet.stop('coordinator', 'SIGKILL')
  t.same(await served(), ['four', 'two', 'two'])
  await writeFile(`${directory}/sick`, '')
  fleet.startCoordinator()
  await fleet.online(names.length)
  const outcome = await fleet.engine('job', 'watch', jobId)
  t.equal(outcome.code, 7, outcome.stderr + fleet.story())
  t.match(await fleet.job(jobId), {
    state: 'failed',
    canary: { names: ['n1'], revoked: { code: 'ENGINE_ERR_CANARY_FAILED' } },
  })
  t.same(await served(), ['two', 'two', 'two'])
  await until('nothing of it is held', async () => !(await heldOn('n1')).includes(4))
})

t.test('an abort in the bake, of a job in two steps: the canary switches back', async (t) => {
  await rm(`${directory}/sick`)
  await fill('five')
  const staged = await fleet.publish(staging, '--canary', '1', '--bake', '60s', '--stage-only')
  t.equal(staged.code, 0, staged.stderr)
  const { job } = lastLine(staged) as unknown as { job: JobView }
  t.same(await served(), ['two', 'two', 'two'])
  const committing = fleet.engine('commit', job.id)
  await until('the canary is live', async () => (await served()).includes('five'))
  t.equal((await fleet.engine('abort', job.id)).code, 0)
  t.equal((await committing).code, 1)
  t.same(await served(), ['two', 'two', 'two'])
})
