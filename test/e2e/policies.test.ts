// Goal: what the flags of a job say of when and how it goes live holds with real processes, and scripts can tell what
// came of it by the exit code. Method: real processes; one node is stopped (SIGSTOP) where something must not go on.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import t from 'tap'
import type { JobView } from '../../src/model/job.js'
import { Fleet, lastLine } from '../support/fleet.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-policies-`)
const staging = `${directory}/staging`
// The receiver of callbacks is on loopback.
await writeFile(`${directory}/coordinator.yaml`, 'coordinator:\n  webhooks: {allowPrivate: true}\n')
const fleet = await Fleet.start(directory, 2)
t.teardown(async () => {
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})

const fill = async (text: string): Promise<void> => {
  await mkdir(staging, { recursive: true })
  await writeFile(`${staging}/index.html`, text)
}
const detached = async (...flags: readonly string[]): Promise<string> =>
  (lastLine(await fleet.publish(staging, '--detach', ...flags)) as { jobId: string }).jobId
const pause = (name: string): boolean => process.kill(fleet.process(name).pid, 'SIGSTOP')
const goOn = (name: string): boolean => process.kill(fleet.process(name).pid, 'SIGCONT')

t.test('--timeout: not decided in time it exits with 124 and nothing is switched', async (t) => {
  await fill('one')
  t.equal((await fleet.publish(staging)).code, 0, fleet.story())
  await fill('two')
  pause('n2')
  const outcome = await fleet.publish(staging, '--timeout', '2s')
  t.equal(outcome.code, 124, outcome.stderr)
  t.match(lastLine(outcome), { job: { state: 'failed', error: { code: 'ENGINE_ERR_DEADLINE' } } })
  t.equal(await fleet.served('n1'), 'one')
  goOn('n2')
})

t.test('--commit each: one is live while the other does not even answer', async (t) => {
  await fill('three')
  pause('n2')
  const id = await detached('--commit', 'each')
  await until('n1 is live', async () => (await fleet.served('n1')) === 'three', fleet.story.bind(fleet))
  t.equal(await fleet.served('n2'), 'one')
  goOn('n2')
  await fleet.engine('job', 'watch', id)
  await until('n2 follows', async () => (await fleet.served('n2')) === 'three')
})

t.test('--on-conflict: fail names the other and exits with 6, supersede takes its place', async (t) => {
  await fill('four')
  pause('n2')
  const first = await detached()
  await until('it is at work', async () => (await fleet.job(first)).state === 'distributing')
  const refused = await fleet.publish(staging, '--on-conflict', 'fail')
  t.equal(refused.code, 6, refused.stderr)
  t.match(refused.stderr, new RegExp(`ENGINE_ERR_CONFLICT.*${first}`))
  const next = await detached('--on-conflict', 'supersede')
  goOn('n2')
  t.equal((await fleet.engine('job', 'watch', next)).code, 0, fleet.story())
  t.match(await fleet.job(first), { state: 'aborted', error: { message: `job ${next} has taken its place` } })
  t.equal(await fleet.served('n2'), 'four')
})

t.test('--at and --window: it waits, says for what, and starts when its time has come', async (t) => {
  await fill('five')
  const later = await detached('--at', '+1h')
  t.match(await fleet.job(later), { state: 'queued' })
  t.match((await fleet.engine('jobs', '--state', 'queued')).stdout, /waits for time 2\d{3}-/)
  t.equal((await fleet.engine('abort', later)).code, 0)
  const soon = await detached('--at', '+3s')
  t.equal((await fleet.engine('job', 'watch', soon)).code, 0)
  const shown = await fleet.engine('job', 'show', soon, '--json')
  const { policy, finishedAt } = JSON.parse(shown.stdout) as { policy: { startAt: string }; finishedAt: string }
  t.ok(finishedAt >= policy.startAt, `${finishedAt} is not before ${policy.startAt}`)
  t.equal(await fleet.served('n1'), 'five')
  const hour = (new Date().getHours() + 2) % 24
  const window = await detached('--window', `${hour}:00-${hour}:30`)
  t.match((await fleet.engine('jobs', '--state', 'queued')).stdout, /waits for window 2\d{3}-/)
  t.equal((await fleet.engine('abort', window)).code, 0)
})

t.test('rollback and job open tell their end where --callback says', async (t) => {
  const told: string[] = []
  const server = createServer((request, response) => {
    request.setEncoding('utf8')
    let body = ''
    request.on('data', (text: string) => (body += text))
    request.on('end', () => {
      told.push((JSON.parse(body) as { data: { jobId: string } }).data.jobId)
      response.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const back = await fleet.engine('rollback', '--site', 'www', '--reason', 'test', '--callback', url, '--json')
  t.equal(back.code, 0, back.stderr)
  const { job } = lastLine(back) as unknown as { job: JobView }
  const open = (await fleet.engine('job', 'open', '--site', 'www', '--callback', url)).stdout.trim()
  t.equal((await fleet.engine('job', 'end', open, '--wait')).code, 0)
  await until('both are told', () => told.includes(job.id) && told.includes(open), fleet.story.bind(fleet))
})
