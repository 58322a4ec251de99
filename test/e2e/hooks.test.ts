// Goal: hooks that a node declares run around a switch, and whoever looks from afar sees what came of them.
// Method: real processes; one node with hooks that write down when they ran and fail when a file says so, one without.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import type { Receipt } from '../../src/model/job.js'
import type { NodeView } from '../../src/model/node.js'
import { Fleet, lastLine } from '../support/fleet.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-hooks-`)
const staging = `${directory}/staging`
const config = `
node:
  hooks:
    check:
      command: [sh, check.sh]
      on: before-commit
      sites: [www]
      cwd: ${directory}
    reload:
      command: [sh, reload.sh]
      on: after-commit
      sites: [www]
      cwd: ${directory}
    purge:
      command: [echo, "{path}"]
      arguments:
        path: {type: string, pattern: "/[a-z/]*", required: true}
`
await writeFile(`${directory}/n1.yaml`, config)
await writeFile(`${directory}/check.sh`, 'test ! -e refuse || { echo "no space for the index"; exit 1; }\n')
await writeFile(
  `${directory}/reload.sh`,
  'echo "begun $ENGINE_RELEASE" >> story\ntest ! -e slow || { echo $$ > slow; exec sleep 1000; }\n' +
    'test ! -e break || { echo "nginx: port 80 is taken"; exit 1; }\necho "done $ENGINE_RELEASE" >> story\n',
)
const fleet = await Fleet.start(directory, 2)
t.teardown(async () => {
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})

const publish = async (text: string) => {
  await mkdir(staging, { recursive: true })
  await writeFile(`${staging}/index.html`, text)
  return fleet.publish(staging)
}
const jobOf = (outcome: Awaited<ReturnType<typeof publish>>) => (lastLine(outcome) as { job: { id: string } }).job.id
const served = (node: string): Promise<string> => readFile(`${fleet.liveOf(node)}/index.html`, 'utf8')
const story = async (): Promise<readonly string[]> => (await readFile(`${directory}/story`, 'utf8')).trim().split('\n')
const flag = (name: string): Promise<void> => writeFile(`${directory}/${name}`, '')
const clear = (name: string): Promise<void> => rm(`${directory}/${name}`)
const itemsOf = async <T>(...args: readonly string[]): Promise<readonly T[]> => {
  const { stdout } = await fleet.engine(...args, '--json')
  return (JSON.parse(stdout) as { items: readonly T[] }).items
}
const reasonOf = async (name: string): Promise<string | null> =>
  (await itemsOf<NodeView>('nodes')).find((node) => node.name === name)?.reason ?? null

t.test('what may be named is shown for each node, and what is run is not', async (t) => {
  const shown = await fleet.engine('hooks')
  t.match(shown.stdout, /n1 +purge +when named +all +path=\/\[a-z\/\]\*/)
  t.match(shown.stdout, /n1 +reload +after-commit +www/)
  t.notMatch(shown.stdout, /reload\.sh|echo/)
  t.match(await itemsOf('hooks'), [
    { node: 'n1', hooks: [{ name: 'check' }, {}, {}] },
    { node: 'n2', hooks: [] },
  ])
  const unknown = await fleet.engine('hooks', 'n9')
  t.equal(unknown.code, 3)
  t.match(unknown.stderr, /ENGINE_ERR_NODE_UNKNOWN.*n9/)
})

t.test('a switch is followed by its hook', async (t) => {
  const outcome = await publish('one')
  t.equal(outcome.code, 0, outcome.stderr + fleet.story())
  await until('the hook ran', async () => (await story()).includes('done 1') || undefined)
})

t.test('what a node lacks, or does not take, is refused before a job is made of it', async (t) => {
  const before = (await itemsOf('jobs')).length
  const lacking = await fleet.engine('run-hook', 'purge', '--site', 'www', '--arg', 'path=/a')
  t.equal(lacking.code, 3, lacking.stderr + fleet.story())
  t.match(lacking.stderr, /ENGINE_ERR_HOOK_UNKNOWN.*no hook purge for www is declared on n2/)
  const wrong = await fleet.engine('run-hook', 'purge', '--site', 'www', '--only', 'n1', '--arg', 'file=/a')
  t.equal(wrong.code, 2, wrong.stderr)
  t.match(wrong.stderr, /ENGINE_ERR_HOOK_ARGUMENTS.*on n1, "file" is not an argument/)
  t.equal((await itemsOf('jobs')).length, before)
  const done = await fleet.engine('run-hook', 'purge', '--site', 'www', '--only', 'n1', '--arg', 'path=/a')
  t.equal(done.code, 0, done.stderr)
})

t.test('a hook before a switch keeps its node on the old release until it is mended', async (t) => {
  await flag('refuse')
  const outcome = await publish('two')
  t.equal(outcome.code, 8, outcome.stderr)
  t.equal(await served('n2'), 'two')
  t.equal(await served('n1'), 'one')
  t.match(await reasonOf('n1'), /www@2 is missing: hook check of www failed: exit code 1: no space for the index/)
  const receipts = await itemsOf<Receipt>('receipts', jobOf(outcome))
  const failure = receipts.find((receipt) => receipt.nodeName === 'n1' && receipt.kind === 'failure')
  t.match(failure, { error: { code: 'ENGINE_ERR_HOOK_FAILED' }, output: 'no space for the index\n' })
  await clear('refuse')
  await until('n1 follows by itself', async () => (await served('n1')) === 'two' || undefined)
})

t.test('a hook after a switch that fails undoes nothing, and is told', async (t) => {
  await flag('break')
  const outcome = await publish('three')
  t.equal(outcome.code, 0, outcome.stderr)
  t.equal(await served('n1'), 'three')
  const why = await until('the node says so', async () => {
    const reason = await reasonOf('n1')
    return reason?.includes('is live, but') ? reason : undefined
  })
  t.match(why, /www@3 is live, but hook reload of www failed: exit code 1: nginx: port 80 is taken/)
  const receipts = await itemsOf<Receipt>('receipts', jobOf(outcome))
  t.match(
    receipts.find(({ nodeName, command, kind }) => nodeName === 'n1' && command === 'commit' && kind === 'completion'),
    { error: { code: 'ENGINE_ERR_HOOK_FAILED' }, output: 'nginx: port 80 is taken\n' },
  )
  await clear('break')
})

t.test('killed in the middle of a hook after a switch, a node runs it again when it starts', async (t) => {
  await flag('slow')
  t.equal((await publish('four')).code, 0)
  await until('the hook began', async () => (await story()).includes('begun 4') || undefined)
  const pid = await until(
    'it says who it is',
    async () => Number(await readFile(`${directory}/slow`, 'utf8')) || undefined,
  )
  await fleet.stop('n1', 'SIGKILL')
  await clear('slow')
  // Nobody is left to end what a killed node had begun.
  process.kill(pid, 'SIGKILL')
  fleet.startNode('n1')
  await until(
    'the hook ran to its end',
    async () => (await story()).includes('done 4') || undefined,
    () => fleet.story(),
  )
  t.equal((await story()).filter((line) => line === 'begun 4').length, 2)
  await until('all is well', async () => (await reasonOf('n1')) === null || undefined)
})

t.test('a slip in the declaration stops the start, with its place', async (t) => {
  await writeFile(fleet.configOf('n3'), 'node:\n  hooks:\n    a: {command: [a, "{b}"]}\n')
  fleet.startNode('n3')
  const outcome = await fleet.process('n3').exited
  t.equal(outcome.code, 2)
  t.match(outcome.stderr, /n3\.yaml:3:9: node\.hooks\.a\.command has \{b\}, but no argument b is declared/)
})
