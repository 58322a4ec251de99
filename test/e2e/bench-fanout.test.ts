// Goal: `engine bench fanout` measures real processes, says what came of it, and leaves nothing, however it ends.
// Method: run as a user without rights would, with a temporary folder of its own to look into afterwards.
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t, { type Test } from 'tap'
import { run, runEngine, startEngine } from '../support/process.js'
import { until } from '../support/until.js'

/** Nobody has no home, and may not write where tap does. */
const bare = { HOME: '/nonexistent', NODE_OPTIONS: '' }
const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--']
/** Root becomes nobody, where nobody may read what was built. */
const canBeNobody =
  process.getuid?.() === 0 &&
  (await runEngine(['--version'], { under: NOBODY, env: bare }).catch(() => null))?.code === 0
const under = canBeNobody ? NOBODY : []

/** Command lines of processes that mention `text`. */
const processesWith = async (text: string): Promise<string[]> => {
  const all = await run('ps', ['-eo', 'args'])
  return all.split('\n').filter((line) => line.includes(text))
}

async function place(t: Test): Promise<{ directory: string; env: Record<string, string> }> {
  const directory = await mkdtemp(`${tmpdir()}/distributary-bench-test-`)
  await chmod(directory, 0o777)
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return { directory, env: { ...bare, TMPDIR: directory } }
}

const bench = (env: Record<string, string>, ...flags: readonly string[]) =>
  startEngine(['bench', 'fanout', ...flags], { env, under })

interface Told {
  readonly rows: readonly { strategy: string; fault: string; lastRatio: number; sourceCopies: number }[]
  readonly runs: readonly { arrivals: readonly number[]; awaited: number; cpuSeconds: number }[]
}

t.test('strategies are compared, the source sends a star once a node and a braid once in all', async (t) => {
  const { directory, env } = await place(t)
  const flags = ['--nodes', '3', '--size', '2MiB', '--rate', '40mbit', '--strategy', 'star,braid', '--repetitions', '1']
  const plot = `${directory}/plot.svg`
  const { code, stdout, stderr } = await bench(env, ...flags, '--plot', plot, '--json').exited
  t.equal(code, 0, stderr)
  t.equal(stdout.trimEnd().split('\n').length, 1)
  const told = JSON.parse(stdout) as Told
  t.match(told, { type: 'result', status: 'success', grounds: 'loopback', sizeBytes: 2 * 1024 * 1024, leftOut: [] })
  t.same(
    told.rows.map(({ strategy }) => strategy),
    ['star', 'braid'],
  )
  const [star, braid] = told.rows
  t.ok(Math.abs(Number(star?.sourceCopies) - 3) < 0.1, `a star: ${star?.sourceCopies}`)
  t.ok(Number(braid?.sourceCopies) < 1.5, `a braid: ${braid?.sourceCopies}`)
  // No limit lets content through faster, but for what may come at once.
  t.ok(Number(star?.lastRatio) > 2.5, `a star: ${star?.lastRatio}`)
  for (const { arrivals, awaited, cpuSeconds } of told.runs) {
    t.same([arrivals.length, awaited], [3, 3])
    t.ok(cpuSeconds > 0)
  }
  t.equal((await readFile(plot, 'utf8')).match(/<polyline/g)?.length, 2)
  t.same(await readdir(directory), ['plot.svg'])
  t.same(await processesWith(directory), [])
})

t.test('a node that is killed half-way is missed by nobody, and the table says which fault it was', async (t) => {
  const { directory, env } = await place(t)
  const flags = ['--nodes', '3', '--size', '4MiB', '--rate', '8mbit', '--strategy', 'braid', '--repetitions', '1']
  const { code, stdout, stderr } = await bench(env, ...flags, '--fault', 'killed,slow').exited
  t.equal(code, 0, `${stdout}${stderr}`)
  t.match(stdout, /^braid +3 +8 Mbit\/s +killed +\d+\.\d{3} /m)
  t.match(stdout, /left out: 3 nodes, 8 Mbit\/s, one slow: a twentieth of this rate is less than the least limit/)
  t.match(stderr, /run 1\/1 {2}braid, 3 nodes, 8 Mbit\/s, one killed: last node after/)
  t.same(await readdir(directory), [])
  t.same(await processesWith(directory), [])
})

for (const [signal, expected] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  t.test(`${signal} in the middle, with a node that is stopped, leaves neither processes nor files`, async (t) => {
    const { directory, env } = await place(t)
    const slow = ['--nodes', '2', '--size', '1MiB', '--rate', '1mbit', '--strategy', 'star', '--fault', 'paused']
    const running = bench(env, ...slow, '--repetitions', '1')
    const isStopped = async (): Promise<boolean> => {
      if (!running.running) throw new Error(running.output)
      const all = (await run('ps', ['-eo', 'stat,args'])).split('\n')
      return all.some((line) => line.startsWith('T') && line.includes(directory))
    }
    await until('a node is stopped', isStopped, () => running.output)
    const outcome = await running.stop(signal)
    t.equal(outcome.code, expected, outcome.stderr)
    t.match(outcome.stderr, 'ENGINE_ERR_CANCELLED')
    t.same(await readdir(directory), [])
    t.same(await processesWith(directory), [])
  })
}
