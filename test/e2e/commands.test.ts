// Goal: every command does what its help says, with the exit codes of the table, on real processes.
// Method: one coordinator and two nodes on loopback, driven by the built `engine` alone.
import { mkdir, mkdtemp, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import { FakeNode } from '../support/fake-node.js'
import { Fleet, lastLine } from '../support/fleet.js'
import { runEngine, startEngine } from '../support/process.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-e2e-`)
const staging = `${directory}/staging`
const fleet = await Fleet.start(directory, 2)
t.teardown(async () => {
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})

const write = async (files: Readonly<Record<string, string>>): Promise<void> => {
  await rm(staging, { recursive: true, force: true })
  await mkdir(staging, { recursive: true })
  for (const [name, text] of Object.entries(files)) await writeFile(`${staging}/${name}`, text)
}
const pages = (version: string, count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`page-${i}.html`, `${version} ${i} `.repeat(200)]))
const served = (node: string): Promise<string> => readFile(`${fleet.liveOf(node)}/page-0.html`, 'utf8')

t.test('publish makes a directory live on every node and ends with one result', async (t) => {
  await write(pages('one', 10))
  const outcome = await fleet.publish(staging)
  t.equal(outcome.code, 0, outcome.stderr + fleet.story())
  t.match(lastLine(outcome), { type: 'result', status: 'success', job: { release: 1, state: 'succeeded' } })
  t.match(lastLine(outcome), { job: { createdAt: /^\d{4}-.*Z$/ } }, 'times are RFC 3339')
  for (const node of ['n1', 'n2']) t.match(await served(node), /^one 0/)
})

t.test('publishing what is live already sends nothing, and says so with 9 when asked', async (t) => {
  t.equal((await fleet.publish(staging)).code, 0)
  const outcome = await fleet.publish(staging, '--exit-code-on-noop')
  t.equal(outcome.code, 9)
  t.match(lastLine(outcome), { status: 'success', job: { assignment: null } })
})

t.test('--stage-only changes nothing that is served until commit', async (t) => {
  await write(pages('two', 10))
  const staged = await fleet.publish(staging, '--stage-only')
  t.equal(staged.code, 0, staged.stderr)
  t.match(lastLine(staged), { status: 'staged' })
  t.match(await served('n1'), /^one 0/)
  const { job } = lastLine(staged) as { job: { id: string } }
  const behind = await fleet.engine('rollback', '-s', 'www', '-g', 'edge', '--reason', 'would wait for it')
  t.equal(behind.code, 6)
  t.match(behind.stderr, new RegExp(`job ${job.id} .*\\n.*engine commit ${job.id}`))
  const committed = await fleet.engine('commit', job.id, '--json')
  t.equal(committed.code, 0, committed.stderr)
  for (const node of ['n1', 'n2']) t.match(await served(node), /^two 0/)
  const receipts = await fleet.engine('receipts', job.id, '--json')
  const { items } = JSON.parse(receipts.stdout) as {
    items: readonly { nodeName: string; kind: string; command: string }[]
  }
  for (const node of ['n1', 'n2']) {
    const own = items.filter((item) => item.nodeName === node).map((item) => `${item.command} ${item.kind}`)
    t.ok(own.includes('publish completion') && own.includes('commit completion'), `${node} has said that it did both`)
  }
})

t.test('a staged job that is aborted leaves what is live and what is staged clean', async (t) => {
  await write(pages('never', 10))
  const { job } = lastLine(await fleet.publish(staging, '--stage-only')) as { job: { id: string } }
  t.equal((await fleet.engine('abort', job.id)).code, 0)
  t.match(await served('n2'), /^two 0/)
  t.equal((await fleet.engine('commit', job.id)).code, 6, 'it cannot be committed any more')
})

t.test('rollback makes the release before live again without sending it, and gives the reason', async (t) => {
  const outcome = await fleet.engine('rollback', '-s', 'www', '-g', 'edge', '--reason', 'broken menu', '--json')
  t.equal(outcome.code, 0, outcome.stderr)
  t.match(lastLine(outcome), { status: 'success', job: { release: 1, assignment: null } })
  for (const node of ['n1', 'n2']) {
    t.match(await served(node), /^one 0/)
    t.equal(await readlink(fleet.liveOf(node)), 'releases/1')
  }
  t.match((await fleet.engine('status')).stdout, /www@1.*broken menu/)
})

t.test('a held site refuses a publish with 6 until it is resumed; a pause says when it ends', async (t) => {
  await write(pages('held', 10))
  const refused = await fleet.publish(staging)
  t.equal(refused.code, 6)
  t.match(refused.stdout + refused.stderr, /ENGINE_ERR_SITE_HELD.*broken menu.*engine resume --site www/s)
  t.match((await fleet.engine('resume', '-s', 'www')).stdout, /www goes on/)
  const paused = await fleet.engine('pause', '-g', 'edge', '--for', '1h', '--reason', 'a freeze')
  t.match(paused.stdout, /www is held until \d{4}-.*a freeze/, paused.stderr)
  t.match((await fleet.engine('status')).stdout, /held for .*: a freeze/)
  t.equal((await fleet.publish(staging)).code, 6)
  t.equal((await fleet.engine('resume', '-g', 'edge', '--reason', 'over', '--json')).code, 0)
  await write(pages('one', 10))
  t.equal((await fleet.publish(staging)).code, 0)
})

t.test('guards refuse with 10 and nothing changes', async (t) => {
  await write(pages('one', 5))
  const half = await fleet.publish(staging)
  t.equal(half.code, 10, 'half of the files would go')
  t.match(lastLine(half), { status: 'failed', error: { code: 'ENGINE_ERR_MASS_DELETE' } })
  await write({})
  t.match(lastLine(await fleet.publish(staging)), { error: { code: 'ENGINE_ERR_EMPTY_SOURCE' } })
  t.match(await served('n1'), /^one 0/)
  await write(pages('three', 5))
  t.equal((await fleet.publish(staging, '--max-delete', '60%')).code, 0, 'it may when it is told to')
})

t.test('each kind of mistake has its exit code and says what to do', async (t) => {
  const cases: readonly (readonly [string, number, readonly string[], RegExp])[] = [
    ['a missing directory', 3, ['publish', '/nowhere/at/all', '-s', 'www', '-g', 'edge'], /nowhere/],
    ['a group that nobody is in', 7, ['publish', staging, '-s', 'other', '-g', 'nobody'], /nobody/],
    [
      'the same, quietly',
      7,
      ['publish', staging, '-s', 'other', '-g', 'nobody', '-q'],
      /ENGINE_ERR_GROUP_EMPTY.*nobody/,
    ],
    ['an unknown site', 3, ['rollback', '-s', 'nope', '-g', 'edge', '--reason', 'x'], /nope/],
    ['the same without its group', 3, ['rollback', '-s', 'nope', '--reason', 'x'], /no site nope/],
    ['a hook of an unknown site', 3, ['run-hook', 'x', '-s', 'nope'], /no site nope/],
    ['an unknown job', 3, ['receipts', '01ARZ3NDEKTSV4RRFFQ69G5FAV'], /01ARZ3NDEKTSV4RRFFQ69G5FAV/],
    ['a misspelt flag', 2, ['publish', staging, '--sit', 'www'], /--site/],
    ['a bad share', 2, ['publish', staging, '-s', 'www', '-g', 'edge', '--max-delete', 'many'], /--max-delete/],
    ['a strategy that is none', 2, ['publish', staging, '-s', 'w', '-g', 'edge', '--strategy', 'x'], /braid/],
    ['an unknown state', 2, ['jobs', '--state', 'nope'], /queued/],
  ]
  for (const [what, code, args, says] of cases) {
    const outcome = await fleet.engine(...args)
    t.equal(outcome.code, code, `${what}: ${outcome.stderr}`)
    t.match(outcome.stderr, says, what)
  }
  const gone = await runEngine(['status', '--url', 'http://127.0.0.1:1'])
  t.equal((await runEngine(['events', '--url', 'http://127.0.0.1:1'])).code, 5, 'who reads along is told, too')
  t.equal(gone.code, 5)
  t.match(gone.stderr, /ENGINE_ERR_COORDINATOR_UNREACHABLE/)
})

t.test('commands ask the coordinator of engine.yaml, unless they are told another', async (t) => {
  const file = `${directory}/asked.yaml`
  const place = { env: { ENGINE_CONFIG: file } }
  await writeFile(file, `url: ${fleet.url}\n`)
  t.match((await runEngine(['status'], place)).stdout, /www@/)
  await writeFile(file, `role: node\nulr: ${fleet.url}\n`)
  const slip = await runEngine(['status'], place)
  t.equal(slip.code, 2)
  t.match(slip.stderr, /asked\.yaml:2:1: ulr is not known; did you mean url/)
  t.equal((await runEngine(['status', '--url', fleet.url], place)).code, 0)
})

t.test('a node that was away gets what it missed, and meanwhile has a reason', async (t) => {
  await fleet.stop('n2', 'SIGKILL')
  await write(pages('four', 5))
  const outcome = await fleet.publish(staging)
  t.equal(outcome.code, 8, `live, but one is behind: ${outcome.stderr}`)
  t.match(lastLine(outcome), { status: 'partial' })
  t.match(await served('n1'), /^four 0/)
  t.match(await served('n2'), /^three 0/)
  const { items } = JSON.parse((await fleet.engine('nodes', '--json')).stdout) as {
    items: readonly { name: string; online: boolean; reason: string | null }[]
  }
  t.match(
    items.find((node) => node.name === 'n2'),
    { online: false, reason: /.+/ },
  )
  fleet.startNode('n2')
  await until(
    'n2 serves the release',
    async () => (await served('n2')).startsWith('four 0'),
    () => fleet.story(),
  )
})

t.test('after kill -9 of everything all stands where it stood', async (t) => {
  for (const name of ['coordinator', 'n1', 'n2']) await fleet.stop(name, 'SIGKILL')
  fleet.startCoordinator()
  for (const name of ['n1', 'n2']) fleet.startNode(name)
  await fleet.online(2)
  t.match(await served('n1'), /^four 0/)
  await write(pages('five', 5))
  const outcome = await fleet.publish(staging)
  t.equal(outcome.code, 0, outcome.stderr + fleet.story())
  for (const node of ['n1', 'n2']) t.match(await served(node), /^five 0/)
})

t.test('a request to end asks for the abort, as Ctrl-C does', async (t) => {
  const idle = new FakeNode({ name: 'idle', groups: ['idle'], onStage: () => 'ignore' })
  await idle.connect(fleet.url)
  t.teardown(() => idle.disconnect())
  const publishing = startEngine(['publish', staging, '-s', 'held', '-g', 'idle', '--url', fleet.url])
  await until('the job waits for a node that does nothing', () => publishing.output.includes('distributing'))
  const outcome = await publishing.stop('SIGTERM')
  t.equal(outcome.code, 143, outcome.stderr)
  t.match(outcome.stderr, /asking for an abort[^]*ENGINE_ERR_JOB_ABORTED/)
})

t.test('SIGTERM ends every process in order, with 0', async (t) => {
  for (const name of ['n1', 'n2', 'coordinator']) {
    const outcome = await fleet.stop(name, 'SIGTERM')
    t.equal(outcome.code, 0, `${name}: ${outcome.stderr}`)
  }
})
