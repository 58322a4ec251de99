// Goal: what a disk or a hand changed on one node is found there and nowhere else, and mended without a reader
// noticing. Method: real processes; damage by dd, chmod, rm and touch; a reader in a loop while it is mended.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import { Fleet } from '../support/fleet.js'
import { run } from '../support/process.js'

interface Finding {
  readonly path: string
  readonly kind: string
}
interface Node {
  readonly name: string
  readonly state: string
  readonly found: { readonly findings: readonly Finding[]; readonly mended: string } | null
}

const directory = await mkdtemp(`${tmpdir()}/distributary-verify-`)
// Without mending by itself, so that each test sees the damage first.
await writeFile(`${directory}/coordinator.yaml`, 'coordinator:\n  repair: false\n')
const fleet = await Fleet.start(directory, 3)
t.teardown(async () => {
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})
const staging = `${directory}/staging`
await mkdir(`${staging}/a`, { recursive: true })
for (let i = 0; i < 20; i++) await writeFile(`${staging}/a/file-${i}`, `line ${i} of many\n`.repeat(2000))
t.equal((await fleet.publish(staging)).code, 0, fleet.story())

const verify = async (...more: readonly string[]) => {
  const outcome = await fleet.engine('verify', '--site', 'www', '--json', ...more)
  const [line = '{}'] = outcome.stdout.trim().split('\n')
  const { verification } = JSON.parse(line) as { readonly verification?: { readonly nodes: readonly Node[] } }
  const nodes = verification?.nodes ?? []
  const of = (name: string): Node | undefined => nodes.find((node) => node.name === name)
  return { code: outcome.code, stderr: outcome.stderr, nodes, of, states: nodes.map(({ state }) => state) }
}
const served = (name: string, path: string): Promise<string> => readFile(`${fleet.liveOf(name)}/${path}`, 'utf8')
/** Turns one byte of a file, as dd does it. */
const flip = (path: string): Promise<string> =>
  run('sh', ['-c', `printf X | dd of="${path}" bs=1 seek=1000 count=1 conv=notrunc status=none`])

t.test('a fleet that serves what was staged is clean', async (t) => {
  const { code, states } = await verify('--group', 'edge')
  t.equal(code, 0)
  t.strictSame(states, ['clean', 'clean', 'clean'])
})

t.test('one byte changed under a running node is found on that node, and mended there alone', async (t) => {
  const before = await readlink(fleet.liveOf('n1'))
  const original = await served('n1', 'a/file-7')
  await flip(`${fleet.liveOf('n2')}/a/file-7`)
  const found = await verify()
  t.equal(found.code, 8)
  t.match(found.stderr, /ENGINE_ERR_DRIFT: www@1 on n2 .*a\/file-7 content/)
  t.strictSame(found.states, ['clean', 'damaged', 'clean'])
  t.strictSame(found.of('n2')?.found?.findings, [{ path: 'a/file-7', kind: 'content' }])
  t.match((await fleet.engine('nodes')).stdout, /www@1 is damaged there: 1 entry differs \(a\/file-7 content\)/)
  const inode = await run('stat', ['-c', '%i', `${fleet.liveOf('n1')}/a/file-7`])
  const reader = watch(`${fleet.liveOf('n2')}/a`)
  const mended = await verify('--repair')
  const seen = await reader.stop()
  t.equal(mended.code, 0, fleet.story())
  t.match(mended.stderr, /mended on n2/)
  t.strictSame(mended.states, ['clean', 'mended', 'clean'])
  t.equal(await served('n2', 'a/file-7'), original)
  t.equal(await readlink(fleet.liveOf('n1')), before)
  t.equal(await run('stat', ['-c', '%i', `${fleet.liveOf('n1')}/a/file-7`]), inode, 'the others were not touched')
  t.ok(seen.reads > 100, `${seen.reads} reads`)
  t.equal(seen.missing, 0, 'no file was ever missing')
  t.equal(seen.wrong, 0, 'no other file was ever wrong')
  t.strictSame((await verify()).states, ['clean', 'clean', 'clean'])
})

t.test('what was changed while a node was stopped is found, of whatever kind it is', async (t) => {
  await fleet.stop('n3', 'SIGTERM')
  const live = fleet.liveOf('n3')
  await flip(`${live}/a/file-1`)
  await chmod(`${live}/a/file-2`, 0o600)
  await rm(`${live}/a/file-3`)
  await writeFile(`${live}/a/more`, 'extra')
  const away = await verify('--node', 'n3')
  t.equal(away.code, 7)
  t.strictSame(away.states, ['failed'])
  fleet.startNode('n3')
  await fleet.online(3)
  const { code, of } = await verify('--node', 'n3')
  t.equal(code, 8)
  t.strictSame(of('n3')?.found?.findings, [
    { path: 'a', kind: 'mtime' },
    { path: 'a/file-1', kind: 'content' },
    { path: 'a/file-2', kind: 'mode' },
    { path: 'a/file-3', kind: 'missing' },
    { path: 'a/more', kind: 'extra' },
  ])
  t.equal((await verify('--node', 'n3', '--repair')).code, 0, fleet.story())
  t.strictSame((await verify()).states, ['clean', 'clean', 'clean'])
})

t.test('a node that is killed while it is mended is mended after its next start', async (t) => {
  await flip(`${fleet.liveOf('n1')}/a/file-4`)
  const repairing = verify('--node', 'n1', '--repair')
  await fleet.stop('n1', 'SIGKILL')
  await repairing
  fleet.startNode('n1')
  await fleet.online(3)
  t.equal((await verify('--repair')).code, 0, fleet.story())
  t.equal(await served('n1', 'a/file-4'), await readFile(`${staging}/a/file-4`, 'utf8'))
})

t.test('what is asked wrongly is refused with the way out', async (t) => {
  t.equal((await fleet.engine('verify', '--site', 'none')).code, 3)
  t.equal((await fleet.engine('verify', '--site', 'www', '--node', 'n9')).code, 2)
  t.equal((await fleet.engine('verify', '--site', 'www', '--rate', 'fast')).code, 2)
  t.equal((await fleet.engine('verify', '--site', 'www', '--group', 'other')).code, 2)
})

const program = `
import os, sys
where, result = sys.argv[1], dict(reads=0, missing=0, wrong=0)
good = {name: open(os.path.join(where, name), "rb").read() for name in os.listdir(where)}
print("ready", flush=True)
import select
while not select.select([sys.stdin], [], [], 0)[0]:
    for name, content in good.items():
        result["reads"] += 1
        try:
            with open(os.path.join(where, name), "rb") as file:
                now = file.read()
            if now != content and name != "file-7": result["wrong"] += 1
        except FileNotFoundError:
            result["missing"] += 1
import json
print(json.dumps(result), flush=True)
`

/** Reads every file of a directory by its path, over and over, until it is stopped. */
function watch(where: string) {
  const reader: ChildProcess = spawn('python3', ['-c', program, where], { stdio: ['pipe', 'pipe', 'inherit'] })
  let seen = ''
  reader.stdout?.setEncoding('utf8').on('data', (text: string) => (seen += text))
  return {
    async stop() {
      reader.stdin?.end('stop\n')
      await once(reader, 'close')
      return JSON.parse(seen.trim().split('\n').at(-1) ?? '{}') as Record<'reads' | 'missing' | 'wrong', number>
    },
  }
}
