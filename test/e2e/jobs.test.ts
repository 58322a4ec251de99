// Goal: a session is opened, given commands, watched and ended by commands alone, each with its exit code.
// Method: one coordinator and two nodes on loopback whose hook writes down that it ran, driven by the built `engine`.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import type { CommandView, JobView } from '../../src/model/job.js'
import { Fleet, lastLine } from '../support/fleet.js'
import { startEngine } from '../support/process.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-jobs-`)
const staging = `${directory}/staging`
await mkdir(staging)
await writeFile(`${staging}/index.html`, 'one')
for (const name of ['n1', 'n2']) {
  const refusing = `test ! -e "${directory}/refuse-${name}" || { echo "the disk of ${name} is full"; exit 3; }`
  const noting = `echo "$1" >> "${directory}/story-${name}"; echo "noted $1"`
  await writeFile(
    `${directory}/${name}.yaml`,
    `
node:
  hooks:
    note:
      command: [sh, -c, '${refusing}; ${noting}', note, "{text}"]
      arguments:
        text: {type: string, required: true}
`,
  )
}
const fleet = await Fleet.start(directory, 2)
t.teardown(async () => {
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})
const story = async (node: string): Promise<readonly string[]> =>
  (await readFile(`${directory}/story-${node}`, 'utf8')).trim().split('\n')
const open = async (...more: readonly string[]): Promise<string> => {
  const opened = await fleet.engine('job', 'open', '--site', 'www', '--group', 'edge', ...more)
  t.equal(opened.code, 0, opened.stderr)
  t.match(opened.stdout, /^\w{26}\n$/, 'its id and nothing else')
  return opened.stdout.trim()
}

t.test('a release, a hook and a rollback in one session, each waited for', async (t) => {
  const job = await open('-m', 'evening run', '--idempotency-key', 'run-1')
  t.equal(await open('-m', 'evening run', '--idempotency-key', 'run-1'), job, 'the same key is the same job')
  const published = await fleet.engine('job', 'add', job, 'publish', staging, '--wait')
  t.equal(published.code, 0, published.stderr + fleet.story())
  t.match(published.stdout, /^✔ 1 publish .*staging done on 2\/2 nodes/)
  t.equal((await fleet.engine('job', 'add', job, 'commit', '--wait')).code, 0)
  t.equal(await readFile(`${fleet.liveOf('n2')}/index.html`, 'utf8'), 'one')
  const add = ['job', 'add', job, 'run-hook', 'note', '--arg', 'text=first']
  const hooked = await fleet.engine(...add, '--idempotency-key', 'note-1', '--wait', '--json')
  t.equal(hooked.code, 0, hooked.stderr)
  t.match(lastLine(hooked), { type: 'result', status: 'success', command: { number: 3, state: 'completed' } })
  const again = await fleet.engine(...add, '--idempotency-key', 'note-1')
  t.equal(again.stdout, '3\n', 'the same key is the same command')
  t.same([await story('n1'), await story('n2')], [['first'], ['first']])
  await writeFile(`${staging}/index.html`, 'two')
  await fleet.engine('job', 'add', job, 'publish', staging, '--upload')
  await fleet.engine('job', 'add', job, 'commit')
  const back = await fleet.engine('job', 'add', job, 'rollback', '--release', '1', '--wait')
  t.equal(back.code, 0, back.stderr)
  t.equal(await readFile(`${fleet.liveOf('n1')}/index.html`, 'utf8'), 'one')
  const ended = await fleet.engine('job', 'end', job, '--wait')
  t.equal(ended.code, 0, ended.stderr)
  t.match(ended.stdout, /✔ www@1 live on 2\/2 nodes[^]*3 run-hook note text=first done on 2\/2 nodes/)
  const shown = await fleet.engine('job', 'show', job, '--nodes')
  t.match(shown.stdout, /NO +COMMAND +STATE[^]*3 +run-hook note text=first +completed[^]*7 +end-job/)
  t.match(shown.stdout, /3 run-hook note text=first\n {2}n1 {2}completed\n {4}noted first\n {2}n2/)
  const json = JSON.parse((await fleet.engine('job', 'show', job, '--json')).stdout) as JobView & {
    commands: readonly CommandView[]
  }
  t.match(json, { id: job, state: 'succeeded' })
  t.match(json.commands[2]?.nodes, [{ name: 'n1', output: 'noted first\n' }, { name: 'n2' }])
  t.equal((await fleet.engine('resume', '--site', 'www')).code, 0)
  const late = await fleet.engine('job', 'add', job, 'commit')
  t.equal(late.code, 6)
  t.match(late.stderr, /ENGINE_ERR_JOB_STATE/)
})

t.test('a hook that fails says where and what it wrote, and ends with its exit code', async (t) => {
  await writeFile(`${directory}/refuse-n2`, '')
  const failed = await fleet.engine('run-hook', 'note', '--site', 'www', '--arg', 'text=second')
  t.equal(failed.code, 8, failed.stdout)
  t.match(failed.stderr, /ENGINE_ERR_COMMAND_FAILED[^]*run-hook note text=second done on 1\/2 nodes\n {2}n2: /)
  t.match(failed.stderr, /\n {4}the disk of n2 is full/)
  await rm(`${directory}/refuse-n2`)
  const one = await fleet.engine('run-hook', 'note', '--site', 'www', '--only', 'n2', '--arg', 'text=third')
  t.equal(one.code, 0, one.stderr)
  t.match(one.stdout, /✔ www: 1 run-hook note text=third done on 1\/1 node/)
  t.same((await story('n1')).at(-1), 'second')
  t.same((await story('n2')).at(-1), 'third')
  const unknown = await fleet.engine('run-hook', 'nope', '--site', 'www')
  t.not(unknown.code, 0)
})

t.test('whoever watches is told by whom the site is held, and leaves a job as it is', async (t) => {
  const job = await open()
  const behind = startEngine(['publish', staging, '-s', 'www', '-g', 'edge', '--url', fleet.url])
  await until('it says what it waits for', () => new RegExp(`waits for open job ${job}, idle for`).test(behind.output))
  const watching = startEngine(['job', 'watch', job, '--url', fleet.url])
  await until('it watches', () => /waits for commands/.test(watching.output))
  const left = await watching.stop('SIGINT')
  t.equal(left.code, 130)
  const shown = JSON.parse((await fleet.engine('job', 'show', job, '--json')).stdout) as JobView
  t.equal(shown.state, 'open')
  t.match((await fleet.engine('jobs')).stdout, new RegExp(`waits for open job ${job}`))
  t.equal((await fleet.engine('job', 'end', job)).code, 0)
  t.equal((await behind.exited).code, 0)
  const over = await fleet.engine('job', 'watch', job)
  t.equal(over.code, 0, over.stderr)
  t.match(over.stdout, /✔ www: 0 commands done/)
  const aborted = await open()
  t.equal((await fleet.engine('job', 'abort', aborted)).code, 0)
  t.equal((await fleet.engine('job', 'watch', aborted)).code, 1)
  t.equal((await fleet.engine('job', 'watch', '01HF0000000000000000000001')).code, 3)
})
