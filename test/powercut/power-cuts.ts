// Cuts the power of a node's disk, again and again, while releases come and go live on it.
//
//   npm run power:cuts -- [--cuts 100] [--without syncfs[,fsync,fdatasync]] [--moment random|live|both]
//
// The node's data directory is an ext4 image that lies in memory. A cut drops whatever is not durable, the journal of
// the file system as well: the image is shut down, the node killed, the image mounted again. Then what is live must be
// one whole release, what the coordinator has on record as done must be there, and the node, started again, must get to
// the release it was to get to. Half of the cuts come at a random moment of a publish, half right after the coordinator
// has recorded that the node is live. `--without` makes calls of the node do nothing, which must be noticed.
// Needs root, loop devices, Python 3, and a mount space of its own (unshare), so that no other program holds the mount.
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { MIB } from '../../src/base/units.js'
import { Client } from '../../src/client.js'
import { isFinal } from '../../src/jobs/job.js'
import type { Receipt } from '../../src/model/job.js'
import { CutDisk } from '../support/cut-disk.js'
import { compileMishap } from '../support/mishap.js'
import { stablePort } from '../support/port.js'
import { type Running, run, startEngine } from '../support/process.js'
import { fingerprint, linesOf } from '../support/trees.js'
import { until } from '../support/until.js'

const { values } = parseArgs({
  options: {
    cuts: { type: 'string', default: '100' },
    without: { type: 'string' },
    moment: { type: 'string', default: 'both' },
    seed: { type: 'string', default: '1' },
  },
})
const SITE = 'www'
const FILES = 40
const LARGE_BYTES = 8.5 * MIB
/** As long as a publish of this size takes on a slow machine; a cut may come after its end, too. */
const MOMENT_MS_MAX = 400
const random = ((state: number) => () => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return state / 2 ** 32
})(Number(values.seed))

const work = await mkdtemp('/dev/shm/distributary-cut-')
const disk = await CutDisk.make(work, '256M')
const data = `${disk.path}/node`
const live = `${data}/sites/${SITE}/live`
const under = values.without === undefined ? [] : [await compileMishap(work), 'skip', values.without]
const port = await stablePort()
const client = new Client({ url: `http://127.0.0.1:${port}` })
/** Fingerprints of what was staged, by number of the cut it was staged for. */
const staged = new Map<string, number>()

const startNode = (): Running =>
  startEngine(
    ['serve', '--role', 'node', '--join', client.url, '--name', 'n1', '--group', 'edge', '--segment', 'here'].concat([
      ...['--data', data, '--relay', '127.0.0.1:0'],
    ]),
    { under },
  )

const startCoordinator = (): Running => {
  const listen = ['--listen', `127.0.0.1:${port}`, '--relay', '127.0.0.1:0']
  return startEngine(['serve', '--role', 'coordinator', ...listen, '--data', `${work}/coordinator`])
}

/** The next version: half of its files are others than before, of 100 bytes to 40 KB, and there is a large one. */
async function stage(cut: number): Promise<string> {
  const directory = `${work}/staging`
  await mkdir(directory, { recursive: true })
  for (let file = 0; file < FILES; file++) {
    if (cut > 0 && file % 2 === cut % 2) continue
    await writeFile(`${directory}/file-${file}`, `${cut} `.repeat(50 + Math.floor(random() * 13_000)))
  }
  // Large, as random as can be and of a new name: it is kept where it arrives.
  await rm(`${directory}/large-${cut - 1}`, { force: true })
  await writeFile(`${directory}/large-${cut}`, randomBytes(LARGE_BYTES))
  staged.set(fingerprint(directory), cut)
  return directory
}

async function online(): Promise<void> {
  const isOnline = async (): Promise<boolean> => (await client.nodes()).some(({ online: is }) => is)
  await until(
    'the node is online',
    () => isOnline().catch(() => false),
    () => node.output.slice(-1500),
  )
}

/** Which version is live; what is no whole version is a fault. */
function versionLive(faults: string[]): number {
  if (!existsSync(live)) return -1
  const version = staged.get(fingerprint(live))
  if (version === undefined) {
    const lines = linesOf(live)
    const empty = lines.filter((line) => / file \d+ 0 /.test(line))
    faults.push(`live is no whole version: ${lines.length} entries, ${empty.length} files are empty`)
  }
  return version ?? -1
}

/** What is on record of a node as done, and is not so on its disk. */
function falseRecords(receipts: readonly Receipt[], cut: number, version: number): readonly string[] {
  const done = receipts.filter(({ kind }) => kind === 'completion')
  const faults: string[] = []
  if (done.some(({ command }) => command === 'commit') && version !== cut) {
    faults.push(`version ${cut} is on record as live, but ${version} is`)
  }
  for (const { command, release } of done) {
    if (command !== 'publish' || release === null) continue
    const directory = `${data}/sites/${SITE}/releases/${release}`
    if (existsSync(directory) && staged.get(fingerprint(directory)) === cut) continue
    faults.push(`release ${release} is on record as staged, but is not whole`)
  }
  return faults
}

/** Waits for the moment of a cut. */
async function moment(kind: 'random' | 'live', jobId: string): Promise<void> {
  if (kind === 'live') {
    await until('the commit is on record', async () =>
      (await client.receipts(jobId)).some((each) => each.command === 'commit' && each.kind === 'completion'),
    )
    return
  }
  const waitMs = random() * MOMENT_MS_MAX
  // The kernel writes back by itself at any time: in half of the cuts it has done so a while before.
  const writebackMs = random() < 0.5 ? random() * waitMs : waitMs
  await sleep(writebackMs)
  if (writebackMs < waitMs) await run('sync', ['-f', disk.path]).catch(() => {})
  await sleep(waitMs - writebackMs)
}

/** An answer of the coordinator; undefined: it has none at this moment, as a machine with much to do may not. */
const patient = <T>(question: Promise<T>): Promise<T | undefined> =>
  question.catch((error: unknown) => {
    if (Reflect.get(error as object, 'code') !== 'ENGINE_ERR_COORDINATOR_UNREACHABLE') throw error
    return undefined
  })

/** One publish, and a cut in it. Returns what was wrong, one line each. */
async function tryCut(cut: number): Promise<readonly string[]> {
  const kind = values.moment === 'random' || (values.moment === 'both' && cut % 2 === 0) ? 'random' : 'live'
  const faults: string[] = []
  const directory = await stage(cut)
  const job = await client.publish(directory, { site: SITE, group: 'edge', maxDeleteRatio: 1 })
  await moment(kind, job.id)
  await disk.cut()
  await node.stop('SIGKILL')
  await disk.unmount()
  await disk.mount()
  const version = versionLive(faults)
  if (version !== cut && version !== cut - 1 && faults.length === 0) faults.push(`version ${version} is live`)
  faults.push(...falseRecords(await client.receipts(job.id), cut, version))
  process.stdout.write(`${JSON.stringify({ cut, kind, live: version === cut ? 'new' : 'old', faults })}\n`)
  if (faults.length > 0) return faults
  node = startNode()
  const story = (): string => node.output.slice(-1500)
  await online()
  const isOver = async (): Promise<boolean> => isFinal((await patient(client.job(job.id)))?.state ?? 'queued')
  await until('the job is over', isOver, story)
  // A release that goes while it is read is not the one that should be live.
  const wanted = (): boolean => existsSync(live) && versionLive([]) === cut
  await until('the node serves what it should', wanted, story)
  // It may be writing just now.
  const left = (): readonly string[] =>
    readdirSync(data, { recursive: true, encoding: 'utf8' }).filter((path) => /\/\.|\.new$/.test(path))
  await until('nothing is left over', () => left().length === 0).catch(() => {})
  return left().map((path) => `${path} is left over`)
}

const coordinator = startCoordinator()
let node = startNode()
let cuts = 0
const all: string[] = []
try {
  await online()
  while (cuts < Number(values.cuts) && all.length === 0) {
    all.push(...(await tryCut(cuts)))
    cuts += 1
  }
  process.stdout.write(`${JSON.stringify({ cuts, faults: all })}\n`)
  process.exitCode = all.length === 0 ? 0 : 1
} catch (error) {
  // At once: what follows may fail because of it, and would be told in its place.
  process.stderr.write(`cut ${cuts}: ${error instanceof Error ? error.stack : String(error)}\n`)
  process.exitCode = 1
} finally {
  await node.stop('SIGKILL')
  await disk.unmount()
  await coordinator.stop('SIGTERM')
  await rm(work, { recursive: true, force: true })
}
