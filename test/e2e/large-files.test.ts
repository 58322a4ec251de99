// Goal: a file may be larger than the memory of whoever sends it, takes it in or passes it on, and than 32 bits count;
// what changes while it is read is never taken for a whole file. Method: real processes with little memory, and files
// with holes.
import { mkdir, mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { GIB, MIB } from '../../src/base/units.js'
import { Fleet } from '../support/fleet.js'
import { startEngine } from '../support/process.js'

const INPUT_BYTES = 300_000_000
const HEAP_MB = 64
/** Of a process that passes INPUT_BYTES on: far less than those. */
const GROWTH_BYTES_MAX = 150 * MIB

const directory = await mkdtemp(`${tmpdir()}/distributary-large-`)
const optionsBefore = process.env['NODE_OPTIONS']
process.env['NODE_OPTIONS'] = `--max-old-space-size=${HEAP_MB}`
const fleet = await Fleet.start(directory, 1)
t.teardown(async () => {
  if (optionsBefore !== undefined) process.env['NODE_OPTIONS'] = optionsBefore
  await fleet.stopAll()
  await rm(directory, { recursive: true, force: true })
})
const staging = `${directory}/staging`
await mkdir(staging)
await writeFile(`${staging}/small`, 'small')
t.equal((await fleet.publish(staging)).code, 0, fleet.story())

/** Memory of a process that is its own: pages of files that it reads are the system's. */
async function ownBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
}

/** Looks at the memory of processes until `done`; gives the most that each had. */
async function peaks(pids: readonly number[], done: Promise<unknown>): Promise<readonly number[]> {
  const most = pids.map(() => 0)
  let isDone = false
  const noted = done.finally(() => {
    isDone = true
  })
  while (!isDone) {
    for (const [index, pid] of pids.entries()) most[index] = Math.max(most[index] ?? 0, await ownBytes(pid))
    await sleep(20)
  }
  await noted
  return most
}

t.test('standard input larger than the memory of all who pass it on is put', async (t) => {
  const pids = ['coordinator', 'n1'].map((name) => fleet.process(name).pid)
  const before = await Promise.all(pids.map(ownBytes))
  const input = `exec "$@" < <(head -c ${INPUT_BYTES} /dev/urandom)`
  const put = startEngine(['put', '-', ':/www/large', '--url', fleet.url], { under: ['bash', '-c', input, 'bash'] })
  const [client = 0, ...after] = await peaks([put.pid, ...pids], put.exited)
  const outcome = await put.exited
  t.equal(outcome.code, 0, outcome.stderr + fleet.story())
  t.equal((await stat(`${fleet.liveOf('n1')}/large`)).size, INPUT_BYTES)
  const growth = after.map((bytes, index) => bytes - (before[index] ?? 0))
  t.comment(`client ${Math.round(client / MIB)} MiB, growth of coordinator and node`, growth)
  t.ok(client > 0 && client < GROWTH_BYTES_MAX + 2 * HEAP_MB * MIB, `the client had ${client} bytes`)
  for (const bytes of growth) t.ok(bytes < GROWTH_BYTES_MAX, `it grew by ${bytes} bytes`)
})

t.test('of a file beyond 4 GiB any part is fetched, and its size is exact', async (t) => {
  const sizeBytes = 5 * GIB + 1
  const file = await open(`${fleet.liveOf('n1')}/huge`, 'w')
  await file.truncate(sizeBytes)
  await file.write('before|after', 4 * GIB - 7)
  await file.write('end', sizeBytes - 3)
  await file.close()
  const told = await fleet.engine('stat', 'n1:/www/huge', '--json')
  t.match(JSON.parse(told.stdout), { entry: { sizeBytes, digest: null } })
  const url = `${fleet.url}/v1/nodes/n1/files/www/huge`
  for (const [range, bytes, at] of [
    [`${4 * GIB - 7}-${4 * GIB + 4}`, 'before|after', 4 * GIB - 7],
    [`${4 * GIB}-${4 * GIB + 4}`, 'after', 4 * GIB],
    ['-3', 'end', sizeBytes - 3],
    [`${sizeBytes - 3}-`, 'end', sizeBytes - 3],
  ] as const) {
    const answer = await fetch(url, { headers: { range: `bytes=${range}` } })
    t.equal(answer.status, 206, range)
    t.equal(answer.headers.get('content-range'), `bytes ${at}-${at + bytes.length - 1}/${sizeBytes}`)
    t.equal(await answer.text(), bytes, range)
  }
  t.equal((await fetch(url, { headers: { range: `bytes=${sizeBytes}-` } })).status, 416)
})

t.test('a file that is overwritten while it is fetched is never fetched whole', async (t) => {
  const path = `${fleet.liveOf('n1')}/changing`
  const sizeBytes = 64 * MIB
  await writeFile(path, Buffer.alloc(sizeBytes, 'a'))
  const answer = await fetch(`${fleet.url}/v1/nodes/n1/files/www/changing`)
  const reader = answer.body?.getReader()
  let got = (await reader?.read())?.value?.length ?? 0
  const file = await open(path, 'r+')
  await file.write(Buffer.alloc(sizeBytes, 'b'))
  await file.close()
  const rest = async (): Promise<void> => {
    for (;;) {
      const next = await reader?.read()
      if (next?.value === undefined) return
      got += next.value.length
    }
  }
  await t.rejects(rest(), 'it breaks off')
  t.ok(got > 0 && got < sizeBytes, `${got} of ${sizeBytes} bytes came`)
  const named = answer.headers.get('etag') ?? ''
  const again = await fetch(answer.url, { headers: { range: 'bytes=10-19', 'if-range': named } })
  t.equal(again.status, 200, 'whoever goes on is given the new file from its beginning')
  await again.body?.cancel()
})

t.test('a release that goes while it is fetched comes whole, and is unknown after that', async (t) => {
  const path = `${fleet.dataOf('n1')}/sites/www/releases/1`
  await writeFile(`${path}/old`, Buffer.alloc(64 * MIB, 'a'))
  const url = `${fleet.url}/v1/nodes/n1/files/www/old?release=1`
  const answer = await fetch(url)
  const reader = answer.body?.getReader()
  let got = (await reader?.read())?.value?.length ?? 0
  await rm(path, { recursive: true })
  for (let next = await reader?.read(); next?.value !== undefined; next = await reader?.read()) {
    got += next.value.length
  }
  t.equal(got, 64 * MIB)
  const gone = await fetch(url)
  t.match(await gone.json(), { code: 'ENGINE_ERR_RELEASE_UNKNOWN' })
})
