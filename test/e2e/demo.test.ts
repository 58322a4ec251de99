// Goal: the demo shows what it promises and leaves nothing behind, however it ends.
// Method: run as a user would, with a temporary folder of its own to look into afterwards.
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import { run, startEngine } from '../support/process.js'
import { until } from '../support/until.js'

/** Command lines of processes that mention `text`. */
const processesWith = async (text: string): Promise<string[]> => {
  const all = await run('ps', ['-eo', 'args'])
  return all.split('\n').filter((line) => line.includes(text))
}

const place = async (t: Tap): Promise<{ directory: string; env: Record<string, string> }> => {
  const directory = await mkdtemp(`${tmpdir()}/distributary-demo-test-`)
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return { directory, env: { TMPDIR: directory } }
}
type Tap = typeof t

t.test('the demo publishes, sends a delta, commits and rolls back, and leaves nothing', async (t) => {
  const { directory, env } = await place(t as Tap)
  const outcome = await startEngine(['demo', '--nodes', '4', '--segments', '2', '--json'], { env }).exited
  t.equal(outcome.code, 0, outcome.stderr)
  const lines = outcome.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  const steps = lines.filter((line) => line['type'] === 'step')
  t.same(
    steps.map((step) => step['name']),
    ['first publish', 'delta, staged', 'commit', 'rollback', 'resume'],
  )
  t.same(
    steps.slice(0, 4).map((step) => step['nodes']),
    [4, 4, 4, 4],
  )
  t.ok(Number(steps[1]?.['sentBytes']) < Number(steps[0]?.['sentBytes']) / 10, 'the delta is a tenth at most')
  t.match(lines.at(-1), { type: 'result', status: 'success' })
  t.same(await readdir(directory), [])
  t.same(await processesWith(directory), [])
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  t.test(`${signal} in the middle leaves neither processes nor files`, async (t) => {
    const { directory, env } = await place(t as Tap)
    const demo = startEngine(['demo', '--nodes', '2', '--keep'], { env })
    await until(
      'its processes are there',
      async () => (await processesWith(directory)).length > 1,
      () => demo.output,
    )
    const outcome = await demo.stop(signal)
    t.ok(
      outcome.code === 0 || outcome.code === 130 || outcome.code === 143,
      `ended with ${outcome.code}: ${outcome.stderr}`,
    )
    t.match(outcome.stderr, /^stopping$/m)
    t.same(await readdir(directory), [])
    t.same(await processesWith(directory), [])
  })
}
