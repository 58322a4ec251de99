// Goal: who errs when a job ends is mended before it is left behind: told anew, made to read what it holds, sent all of
// it, restarted by its own supervisor; `engine job explain` tells each step and why; exit code 8: nothing helped.
// Method: real processes; bytes changed on the disk; a node that fails until its process is another one, started again
// by a supervisor when it ends; a hook before the switch that compares what is staged with the sums that came with it.
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import type { AccountEvent } from '../../src/model/account.js'
import type { JobView, Receipt } from '../../src/model/job.js'
import { Fleet, lastLine } from '../support/fleet.js'
import { run } from '../support/process.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-repairing-`)
const staging = `${directory}/staging`
/** `sick` holds the process that cannot switch; where `refuse` is, none can. */
const check = [
  'test ! -e refuse || { echo "the index is locked"; exit 1; }',
  'test "$(cat sick)" != "$PPID" || { echo "too many open files"; exit 1; }',
  'cd "$ENGINE_STAGED" && sha256sum --quiet -c sums',
].join('\n')
await writeFile(
  `${directory}/n2.yaml`,
  `
node:
  hooks:
    check:
      command: [sh, ${directory}/check.sh]
      on: before-commit
      cwd: ${directory}
    restart:
      command: [sh, -c, "kill -TERM $PPID; sleep 30"]
`,
)
await writeFile(`${directory}/check.sh`, check)
await writeFile(`${directory}/sick`, '')
const fleet = await Fleet.start(directory, 2)
let isSupervised = true
/** What systemd does: whatever becomes of it, it is started again. */
const supervise = async (): Promise<void> => {
  while (isSupervised) {
    await fleet.process('n2').exited
    if (isSupervised) fleet.startNode('n2')
  }
}
const supervised = supervise()
t.teardown(async () => {
  isSupervised = false
  await fleet.stopAll()
  await supervised
  await rm(directory, { recursive: true, force: true })
})

/** A version with its sums; a part of `bulk.bin` stays as it was. */
const bulk = randomBytes(1 << 20)
// What `flip` changes it into must not be there already.
bulk[2] = 0
const fill = async (text: string): Promise<void> => {
  await mkdir(staging, { recursive: true })
  bulk.write(text, 1000)
  const files = { 'index.html': Buffer.from(text), 'bulk.bin': bulk }
  const sums = Object.entries(files).map(([name, bytes]) => {
    return `${createHash('sha256').update(bytes).digest('hex')}  ${name}\n`
  })
  for (const [name, bytes] of Object.entries(files)) await writeFile(`${staging}/${name}`, bytes)
  await writeFile(`${staging}/sums`, sums.join(''))
}
/** Turns one byte of a file, as dd does it. */
const flip = (path: string): Promise<string> =>
  run('sh', ['-c', `printf X | dd of="${path}" bs=1 seek=2 count=1 conv=notrunc status=none`])
const jobOf = (outcome: Awaited<ReturnType<Fleet['publish']>>): JobView => (lastLine(outcome) as { job: JobView }).job
const explained = async (jobId: string): Promise<readonly AccountEvent[]> => {
  const { stdout } = await fleet.engine('job', 'explain', jobId, '--json')
  return (JSON.parse(stdout) as { items: readonly AccountEvent[] }).items
}
const repairsOf = (events: readonly AccountEvent[]) => events.flatMap(({ rung }) => rung ?? [])
const isSound = async (name: string): Promise<boolean> =>
  (await readFile(`${fleet.liveOf(name)}/bulk.bin`)).equals(bulk)

t.test('bytes that went bad in what is staged are found by the node itself, and it gets them again', async (t) => {
  await fill('one')
  t.equal((await fleet.publish(staging)).code, 0, fleet.story())
  await fill('two')
  const { id } = jobOf(await fleet.publish(staging, '--stage-only'))
  await flip(`${fleet.dataOf('n2')}/sites/www/releases/2/index.html`)
  const outcome = await fleet.engine('commit', id, '--json')
  t.equal(outcome.code, 0, outcome.stderr + fleet.story())
  t.same([await fleet.served('n1'), await fleet.served('n2')], ['two', 'two'])
  const events = await explained(id)
  t.same(repairsOf(events), ['resend', 'self-check'])
  const [first] = events.filter(({ rung }) => rung === 'resend')
  t.match(first, { node: 'n2', reason: /hook check of www failed.*index\.html: FAILED/ })
  const said = events.find(({ kind }) => kind === 'answered')
  t.match(said?.reason, /www@2 there: 1 entry differs \(index\.html content\): removed, and sent again/)
  t.equal(events.at(-1)?.reason, 'all 2 nodes have done all of it')
})

t.test('a node whose base went bad, so that the difference fails, is sent all of it', async (t) => {
  await flip(`${fleet.liveOf('n2')}/bulk.bin`)
  await fill('three')
  const outcome = await fleet.publish(staging)
  t.equal(outcome.code, 0, outcome.stderr + fleet.story())
  t.same([await fleet.served('n1'), await fleet.served('n2')], ['three', 'three'])
  t.ok(await isSound('n2'))
  const { stdout } = await fleet.engine('receipts', jobOf(outcome).id, '--json')
  const { items } = JSON.parse(stdout) as { items: readonly Receipt[] }
  const fetched = items.filter(({ command, nodeName }) => command === 'publish' && nodeName === 'n2')
  t.ok(
    fetched.some(({ kind }) => kind === 'failure'),
    'that the difference failed is on record',
  )
  t.ok((fetched.at(-1)?.bytesFetched ?? 0) > bulk.length)
})

t.test('a node that fails until it is restarted is, by the hook that it declares, and the job succeeds', async (t) => {
  const { pid } = fleet.process('n2')
  await writeFile(`${directory}/sick`, `${pid}`)
  await fill('four')
  const outcome = await fleet.publish(staging)
  t.equal(outcome.code, 0, outcome.stderr + fleet.story())
  t.same([await fleet.served('n1'), await fleet.served('n2')], ['four', 'four'])
  t.not(fleet.process('n2').pid, pid)
  const events = await explained(jobOf(outcome).id)
  t.same(repairsOf(events), ['resend', 'self-check', 'restart'])
  t.match(events.find(({ rung }) => rung === 'restart')?.reason, /too many open files/)
  const said = events.filter(({ kind }) => kind === 'answered').map(({ reason }) => reason)
  t.match(said, ['www@4 there: nothing differs', /^it has restarted, and was back after/])
})

t.test('where nothing helps it is left with the reason, exit code 8, and follows when it can', async (t) => {
  await writeFile(`${directory}/refuse`, '')
  await fill('five')
  const outcome = await fleet.publish(staging, '--period', '2s')
  t.equal(outcome.code, 8, outcome.stderr + fleet.story())
  t.same([await fleet.served('n1'), await fleet.served('n2')], ['five', 'four'])
  const job = jobOf(outcome)
  t.match(job, { state: 'partial', error: { code: 'ENGINE_ERR_NODES_BEHIND', message: /1 of 2 nodes.*n2/ } })
  t.match(
    job.nodes.find(({ name }) => name === 'n2'),
    { reason: /the index is locked/ },
  )
  const events = await explained(job.id)
  t.same(repairsOf(events), ['resend', 'self-check', 'restart'])
  const left = events.find(({ kind }) => kind === 'left')
  t.match(left, { node: 'n2', reason: /the index is locked.*, after resend, self-check, restart$/ })
  const shown = await fleet.engine('job', 'explain', job.id)
  t.match(shown.stdout, /n2 +repaired: restart +hook check of www failed.*\n[^]*n2 +left /)
  await rm(`${directory}/refuse`)
  await until('it follows by itself', async () => (await fleet.served('n2')) === 'five', fleet.story.bind(fleet))
})

t.test('--repair says what is tried; none: nothing is', async (t) => {
  await writeFile(`${directory}/refuse`, '')
  await fill('six')
  const none = await fleet.publish(staging, '--repair', 'none')
  t.equal(none.code, 8, none.stderr)
  t.same(repairsOf(await explained(jobOf(none).id)), [])
  await fill('seven')
  const one = await fleet.publish(staging, '--repair', 'self-check')
  t.equal(one.code, 8, one.stderr)
  t.same(repairsOf(await explained(jobOf(one).id)), ['self-check'])
  const wrong = await fleet.publish(staging, '--repair', 'pray')
  t.equal(wrong.code, 2)
  t.match(wrong.stderr, /--repair.*resend, self-check, resync, restart/)
  await rm(`${directory}/refuse`)
})
