// Goal: content of a machine that shares no disk with the coordinator goes live as if it did, through whatever is
// killed meanwhile. Method: the built engine as processes on loopback, told to upload.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import t from 'tap'
import { Fleet, lastLine } from '../support/fleet.js'
import { startEngine } from '../support/process.js'
import { until } from '../support/until.js'

const directory = await mkdtemp(`${tmpdir()}/distributary-uploads-`)
t.teardown(() => rm(directory, { recursive: true, force: true }))
const fleet = await Fleet.start(directory, 1)
t.teardown(() => fleet.stopAll())

const treeHashes = async (): Promise<unknown[]> => {
  const { stdout } = await fleet.engine('nodes', '--json')
  const [node] = (JSON.parse(stdout) as { items: { sites: { site: string; live: { treeHash: string } }[] }[] }).items
  return (node?.sites ?? []).map(({ site, live }) => [site, live.treeHash])
}

const hashOf = async (site: string): Promise<unknown> =>
  ((await treeHashes()) as [string, string][]).find(([name]) => name === site)?.[1]

async function oddTree(place: string): Promise<void> {
  await mkdir(`${place}/a b/ü`, { recursive: true })
  await mkdir(`${place}/empty`)
  await writeFile(Buffer.concat([Buffer.from(`${place}/bytes-`), Buffer.from([0xff, 0xfe])]), 'no text')
  await writeFile(`${place}/a b/ü/new\nline %2e "quote`, 'odd')
  await writeFile(`${place}/__proto__`, '')
  await writeFile(`${place}/run.sh`, '#!/bin/sh\n', { mode: 0o755 })
  await writeFile(`${place}/secret`, 'x', { mode: 0o600 })
  await writeFile(`${place}/large`, randomBytes(3_000_001))
  await symlink('../../etc/passwd', `${place}/link`)
  await utimes(`${place}/run.sh`, 1, 1.5)
}

t.test('an uploaded tree is the tree that a local publish makes, to the hash', async (t) => {
  const place = `${directory}/odd`
  await oddTree(place)
  const uploaded = await fleet.engine('publish', place, '-s', 'up', '-g', 'edge', '--upload', '--json')
  t.equal(uploaded.code, 0, uploaded.stderr + fleet.story())
  t.match(uploaded.stdout, /"type":"upload","phase":"sending"/)
  const near = await fleet.engine('publish', place, '-s', 'near', '-g', 'edge', '--no-upload', '--json')
  t.equal(near.code, 0, near.stderr)
  t.ok(await hashOf('up'))
  t.equal(await hashOf('up'), await hashOf('near'))
  t.equal(execFileSync('diff', ['-r', '--no-dereference', place, `${fleet.liveOf('n1', 'up')}/.`]).toString(), '')
  t.strictSame(
    await readdir(`${fleet.dataOf('coordinator')}/uploads/up/blobs`),
    [],
    'what is published is not kept twice',
  )
})

t.test('of a tree that is there already only what is new is sent', async (t) => {
  await writeFile(`${directory}/odd/added`, 'added')
  const again = await fleet.engine('publish', `${directory}/odd`, '-s', 'up', '-g', 'edge', '--upload', '--json')
  t.equal(again.code, 0, again.stderr)
  t.match(again.stdout, /"phase":"sending","contentsSent":1,"contentsToSend":1,"bytesSent":5,"bytesToSend":5/)
})

t.test('one file, and standard input of unknown length', async (t) => {
  await writeFile(`${directory}/alone.txt`, 'alone')
  const one = await fleet.engine('publish', `${directory}/alone.txt`, '-s', 'one', '-g', 'edge', '--upload', '--json')
  t.equal(one.code, 0, one.stderr)
  t.equal(await readFile(`${fleet.liveOf('n1', 'one')}/alone.txt`, 'utf8'), 'alone')
  const main = new URL('../../dist/src/cli/main.js', import.meta.url).pathname
  const args = [main, 'publish', '-', '--name', 'numbers', '-s', 'in', '-g', 'edge', '--url', fleet.url, '--json']
  const input = Array.from({ length: 200_000 }, (_, i) => `${i}\n`).join('')
  const piped = execFileSync(process.execPath, args, { input }).toString()
  t.match(piped, /"status":"success"/)
  t.equal(await readFile(`${fleet.liveOf('n1', 'in')}/numbers`, 'utf8'), input)
  const nameless = await fleet.engine('publish', '-', '-s', 'in', '-g', 'edge')
  t.equal(nameless.code, 2, 'bytes need a name')
})

t.test('two clients at once, each its own tree', async (t) => {
  const places = ['left', 'right'].map((name) => `${directory}/${name}`)
  for (const place of places) {
    await mkdir(place)
    for (let i = 0; i < 40; i++) await writeFile(`${place}/f${i}`, randomBytes(20_000))
  }
  const publish = (place: string, site: string) =>
    fleet.engine('publish', place, '-s', site, '-g', 'edge', '--upload', '--json')
  const outcomes = await Promise.all(places.map((place, i) => publish(place, `site${i}`)))
  for (const [i, place] of places.entries()) {
    t.equal(outcomes[i]?.code, 0, String(outcomes[i]?.stderr))
    t.equal(execFileSync('diff', ['-r', place, fleet.liveOf('n1', `site${i}`)]).toString(), '')
  }
})

t.test('a killed client and a killed coordinator cost only what was under way', async (t) => {
  const place = `${directory}/big`
  await mkdir(place)
  for (let i = 0; i < 400; i++) await writeFile(`${place}/f${i}`, randomBytes(200_000))
  const args = ['publish', place, '-s', 'big', '-g', 'edge', '--upload', '--json', '--url', fleet.url]
  const parts = `${fleet.dataOf('coordinator')}/uploads/big/blobs`
  const count = async (): Promise<number> => (await readdir(parts).catch(() => [])).length
  const first = startEngine(args)
  await until(
    'some contents are there',
    async () => (await count()) > 20,
    () => first.output,
  )
  await first.stop('SIGKILL')
  const before = await count()
  t.ok(before < 400, `${before} of 400 were there`)
  const second = startEngine(args)
  await until(
    'some more is sent by a job that was taken',
    async () => second.output.includes('"phase"') && (await count()) > before,
    () => second.output,
  )
  await fleet.stop('coordinator', 'SIGKILL')
  fleet.startCoordinator()
  const outcome = await second.exited
  t.equal(outcome.code, 0, outcome.stderr + fleet.story())
  t.match(lastLine(outcome), { type: 'result', status: 'success' })
  t.equal(execFileSync('diff', ['-r', place, fleet.liveOf('n1', 'big')]).toString(), '')
  const toSend = Number(/"contentsToSend":(\d+)/.exec(outcome.stdout)?.[1])
  t.ok(toSend > 0 && toSend < 400, `the second client had ${toSend} to send`)
})

t.test('what lies unpublished is listed with who is of it, and dropped unless a job needs it', async (t) => {
  const listed = async (): Promise<{ id: string; jobIds: string[]; missingCount: number }[]> =>
    (JSON.parse((await fleet.engine('uploads', 'ls', '--json')).stdout) as { items: [] }).items
  const bytes = randomBytes(1000)
  const sent = await fetch(`${fleet.url}/v1/sites/kept/blobs`, { method: 'POST', body: bytes })
  const { digest } = (await sent.json()) as { digest: string }
  t.match((await fleet.engine('uploads', 'ls')).stdout, /^kept: 1 content of no upload, 1000 B$/m)
  const lines = [digest, '0'.repeat(64)].map((each, index) =>
    JSON.stringify({ path: `${index}`, kind: 'file', mtimeNs: '1', sizeBytes: 1000, digest: each }),
  )
  const opened = await fetch(`${fleet.url}/v1/uploads?site=kept`, { method: 'POST', body: lines.join('\n') })
  const { id } = (await opened.json()) as { id: string }
  t.match(await listed(), [{ id, jobIds: [], missingCount: 1 }])
  t.match((await fleet.engine('uploads', 'ls')).stdout, new RegExp(`^${id}  kept  open   2 .*1000 B in 1 content`, 'm'))
  const commands = [{ type: 'publish', upload: id }, { type: 'commit' }, { type: 'end-job' }]
  const asked = await fetch(`${fleet.url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ site: 'kept', group: 'edge', commands }),
  })
  const job = (await asked.json()) as { id: string }
  t.match(await listed(), [{ id, jobIds: [job.id] }])
  t.match((await fleet.engine('uploads', 'rm', id)).stderr, /ENGINE_ERR_CONFLICT/)
  t.equal((await fleet.engine('job', 'abort', job.id)).code, 0)
  t.match((await fleet.engine('uploads', 'rm', id)).stdout, `upload ${id} is dropped`)
  t.match((await fleet.engine('uploads', 'rm', id)).stderr, /ENGINE_ERR_UPLOAD_UNKNOWN/)
  t.match((await fleet.engine('uploads', 'rm', '../sites')).stderr, /ENGINE_ERR_/)
  t.strictSame(await listed(), [])
  const blobs = `${fleet.dataOf('coordinator')}/uploads/kept/blobs`
  t.strictSame(await readdir(blobs), [])
  await fetch(`${fleet.url}/v1/sites/kept/blobs`, { method: 'POST', body: bytes })
  t.equal((await fleet.engine('uploads', 'rm')).code, 2)
  t.match((await fleet.engine('uploads', 'rm', '--loose')).stdout, /^1 content of no upload dropped, 1000 B$/m)
  t.strictSame(await readdir(blobs), [])
  const metrics = await (await fetch(`${fleet.url}/metrics`)).text()
  t.match(metrics, /^engine_uploads_open 0$/m)
  t.match(metrics, /^engine_upload_bytes_received_total [1-9]/m)
  t.match((await fleet.engine('audit', 'ls')).stdout, /dropUpload[^]*dropLoose/)
})
