// Goal: what `engine job open` is told of when and how the job goes live holds on the nodes, whatever commands follow.
// Method: real processes; a node that is killed, or stopped (SIGSTOP) where something must not go on; the live
// directories are read.
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t, { type Test } from 'tap'
import { Fleet } from '../support/fleet.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-job-policies-`)
const staging = `${directory}/staging`
const names = ['n1', 'n2', 'n3'] as const
const fleet = await Fleet.start(directory, names.length)
t.teardown(async () => {
  for (const name of names) process.kill(fleet.process(name).pid, 'SIGCONT')
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})

const fill = async (text: string): Promise<void> => {
  await mkdir(staging, { recursive: true })
  await writeFile(`${staging}/index.html`, text)
  for (let i = 0; i < 9; i++) await writeFile(`${staging}/${i}.html`, `${i}`)
}
const served = (): Promise<string[]> => Promise.all(names.map((name) => fleet.served(name)))
const opened = async (t: Test, ...flags: readonly string[]): Promise<string> => {
  const outcome = await fleet.engine('job', 'open', '--site', 'www', '--group', 'edge', ...flags)
  t.equal(outcome.code, 0, outcome.stderr + fleet.story())
  return outcome.stdout.trim()
}
const add = (id: string, ...words: readonly string[]) => fleet.engine('job', 'add', id, ...words)
const ends = async (t: Test, id: string, code: number): Promise<string> => {
  const outcome = await fleet.engine('job', 'end', id, '--wait')
  t.equal(outcome.code, code, outcome.stderr + outcome.stdout + fleet.story())
  return outcome.stderr
}
const signal = (name: string, which: 'SIGSTOP' | 'SIGCONT'): boolean => process.kill(fleet.process(name).pid, which)
const holds = async (name: string, release: number): Promise<boolean> =>
  (await readdir(`${fleet.dataOf(name)}/sites/www/releases`)).includes(`${release}`)

t.test(
  'without a word: all hold it, nobody switches before the commit, then all do (stage-only in a session)',
  async (t) => {
    await fill('one')
    const id = await opened(t)
    t.equal((await add(id, 'publish', staging, '--wait')).code, 0, fleet.story())
    for (const name of names) t.ok(await holds(name, 1), `${name} has staged it`)
    t.same(await served(), ['nothing', 'nothing', 'nothing'])
    t.match(await fleet.job(id), { state: 'staged' })
    t.equal((await add(id, 'commit', '--wait')).code, 0)
    t.same(await served(), ['one', 'one', 'one'])
    await ends(t, id, 0)
  },
)

t.test('--canary and --bake: one switches, the others when it stayed healthy', async (t) => {
  await fill('two')
  const id = await opened(t, '--canary', 'n2', '--bake', '2s')
  await add(id, 'publish', staging)
  await add(id, 'commit')
  await until('the canary is live', async () => (await fleet.served('n2')) === 'two', fleet.story.bind(fleet))
  t.same(await served(), ['one', 'two', 'one'])
  await ends(t, id, 0)
  t.same(await served(), ['two', 'two', 'two'])
  t.match(await fleet.job(id), { canary: { names: ['n2'] } })
})

t.test('--commit each: those that hold it are live while one does not even answer', async (t) => {
  await fill('three')
  signal('n3', 'SIGSTOP')
  const id = await opened(t, '--commit', 'each')
  await add(id, 'publish', staging)
  await add(id, 'commit')
  await until('two are live', async () => (await served()).filter((text) => text === 'three').length === 2)
  t.equal(await fleet.served('n3'), 'two')
  signal('n3', 'SIGCONT')
  await ends(t, id, 0)
  t.same(await served(), ['three', 'three', 'three'])
})

t.test('--timeout: not decided by then it fails with 124, and no node has switched', async (t) => {
  await fill('never')
  signal('n3', 'SIGSTOP')
  const id = await opened(t, '--timeout', '6s')
  const outcome = await add(id, 'publish', staging, '--wait')
  t.equal(outcome.code, 124, outcome.stderr + outcome.stdout)
  t.match(await fleet.job(id), { state: 'failed', error: { code: 'ENGINE_ERR_DEADLINE' } })
  signal('n3', 'SIGCONT')
  t.same(await served(), ['three', 'three', 'three'])
  await until('nothing of it is left', async () => !(await holds('n1', 4)) && !(await holds('n2', 4)))
})

t.test('--on-conflict: fail names the job that is open and exits with 6; supersede takes its place', async (t) => {
  const first = await opened(t)
  const refused = await fleet.engine('job', 'open', '--site', 'www', '--on-conflict', 'fail')
  t.equal(refused.code, 6, refused.stderr)
  t.match(refused.stderr, new RegExp(`ENGINE_ERR_CONFLICT.*${first}`))
  const queued = await opened(t)
  t.match(await fleet.job(queued), { state: 'queued', waitsFor: `job ${first}` })
  const second = await opened(t, '--on-conflict', 'supersede')
  for (const id of [first, queued]) {
    await until(`${id} gives way`, async () => (await fleet.job(id)).state === 'aborted')
  }
  await ends(t, second, 0)
})

t.test('--max-delete and --allow-empty: a mass deletion is refused unless it is meant', async (t) => {
  const empty = `${directory}/empty`
  await mkdir(empty)
  const guarded = await opened(t)
  const refused = await add(guarded, 'publish', empty, '--wait')
  t.equal(refused.code, 10, refused.stderr)
  t.match(refused.stderr, /ENGINE_ERR_EMPTY_SOURCE/)
  t.same(await served(), ['three', 'three', 'three'])
  const few = `${directory}/few`
  await mkdir(few)
  await writeFile(`${few}/index.html`, 'few')
  const limited = await opened(t, '--max-delete', '50%')
  const many = await add(limited, 'publish', few, '--wait')
  t.equal(many.code, 10, many.stderr)
  const meant = await opened(t, '--max-delete', '100%', '--allow-empty')
  t.equal((await add(meant, 'publish', empty, '--wait')).code, 0, fleet.story())
  await add(meant, 'commit')
  await ends(t, meant, 0)
  t.same(await served(), ['nothing', 'nothing', 'nothing'])
})

t.test('--at and --strategy: it waits for its time, and keeps the strategy that it was told', async (t) => {
  await fill('four')
  const later = await opened(t, '--at', '+1h', '--strategy', 'chain')
  t.match(await fleet.job(later), { state: 'queued', policy: { strategy: 'chain' } })
  t.equal((await fleet.engine('abort', later)).code, 0)
  const id = await opened(t, '--at', '+3s', '--strategy', 'chain')
  t.equal((await add(id, 'publish', staging, '--wait')).code, 0, fleet.story())
  await add(id, 'commit')
  await ends(t, id, 0)
  const { policy, finishedAt } = (await fleet.job(id)) as unknown as { policy: { startAt: string }; finishedAt: string }
  t.ok(finishedAt >= policy.startAt, `${finishedAt} is not before ${policy.startAt}`)
  t.same(await served(), ['four', 'four', 'four'])
})

t.test(
  '--quorum: all of the nodes, and one is gone: exit code 7 and no switch; of two thirds: 8, and two switch',
  async (t) => {
    await fill('five')
    await fleet.stop('n3', 'SIGKILL')
    const all = await opened(t, '--quorum', 'all')
    const outcome = await add(all, 'publish', staging, '--wait')
    t.equal(outcome.code, 7, outcome.stderr + outcome.stdout)
    t.match(await fleet.job(all), { state: 'failed', error: { code: 'ENGINE_ERR_QUORUM' } })
    t.same(await served(), ['four', 'four', 'four'])
    const refused = await fleet.engine('job', 'open', '--site', 'www', '--quorum', 'all')
    t.equal(refused.code, 7, 'by now it is known to be away, and nothing is begun')
    const most = await opened(t, '--quorum', '60%')
    await add(most, 'publish', staging)
    await add(most, 'commit')
    await ends(t, most, 8)
    t.same(await served(), ['five', 'five', 'four'])
    t.match((await fleet.job(most)).nodes, [{ state: 'live' }, { state: 'live' }, { name: 'n3', state: 'behind' }])
    fleet.startNode('n3')
    await until('n3 follows', async () => (await fleet.served('n3')) === 'five', fleet.story.bind(fleet))
  },
)
