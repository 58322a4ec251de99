// What one relay costs: CPU seconds per GiB for receiving, hashing, storing and serving two children on loopback.
//
//   npm run bench:relay -- [--size 1024] [--repetitions 5] [--chunk 262144] [--dir /dev/shm] [--store DIR,DIR]
//
// Processes of native/crates/relay/examples/spread_file.rs: what feeds the relay, the relay that is measured, and two
// sinks that speak the protocol and drop the bytes in the kernel. iperf3 moves as much in the same run, in turns with
// them: its two ends are what the machine asks for plain TCP at this moment, so the ratio holds where seconds do not.
//
// The relay is fed from memory, as iperf3 feeds its other end, or by our own source, whose sendfile hands over cold
// pages of its file: on one machine the copy out of them is the relay's, where a network card would have brought them
// to the cache. It stores in memory and on the disk's file system, as nodes do, unless --store names other places.
// Files are written over, so memory is warm, and the first round is dropped. The bar of 0.9 CPU seconds per GiB holds
// for every relay that is fed from memory; what others do to the machine meanwhile is told with the result.
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { randomBytes } from 'node:crypto'
import { keepResult, machineBusy, median } from '../machine.js'

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: '1024' },
    repetitions: { type: 'string', default: '5' },
    chunk: { type: 'string', default: '262144' },
    dir: { type: 'string', default: '/dev/shm' },
    store: { type: 'string' },
  },
})

const BAR_CPU_S_PER_GIB = 0.9
const CHILDREN = 2
const sizeBytes = Number(values.size) * 2 ** 20
const sizeGib = sizeBytes / 2 ** 30
const native = fileURLToPath(new URL('../../native/', import.meta.url))
const program = `${native}target/release/examples/spread_file`

const say = (line: string): void => void process.stdout.write(`${line}\n`)

interface Line {
  readonly event: string
  readonly address: string
  readonly cpuSeconds: number
  /** CPU seconds of the whole process, preparations too. */
  readonly cpuTotal: number
  readonly seconds: number
  readonly bytesHave: number
  readonly duplicateChunks: number
}

/** A process that prints lines of JSON, each naming its event. */
class End {
  readonly process: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  constructor(...args: readonly string[]) {
    this.process = spawn(program, args)
    this.process.stderr.pipe(process.stderr)
    this.#lines = createInterface(this.process.stdout)[Symbol.asyncIterator]()
  }

  async line(event: string): Promise<Line> {
    const { value, done } = await this.#lines.next()
    const line: Line | undefined = done === true ? undefined : JSON.parse(value)
    if (line?.event !== event) throw new Error(`${event} did not come but ${String(value)}`)
    return line
  }

  /** Lets the process end and tells its last line. */
  async end(): Promise<Line> {
    this.process.stdin.end()
    return await this.line('end')
  }
}

interface Figure {
  readonly relayCpuS: number
  readonly feedCpuS: number
  readonly sinkCpuS: number
  /** Of all processes from their start, to tell what others did. */
  readonly totalCpuS: number
  readonly seconds: number
  readonly duplicateChunks: number
}

type Feed = 'feed' | 'source'

const nodeId = (n: number): string => n.toString(16).padStart(32, '0')

const relayOnce = async (feed: Feed, directory: string, out: string): Promise<Figure> => {
  const ends: End[] = []
  const start = (...args: readonly string[]): End => {
    const end = new End(...args)
    ends.push(end)
    return end
  }
  rmSync(`${out}/content.vouch`, { force: true })
  try {
    const common = ['--chunk', values.chunk]
    const file = ['--file', `${directory}/content.bin`, '--hold', 'yes']
    const source = start(feed, ...file, '--node', nodeId(1), ...common)
    const parent = `${nodeId(1)}@${(await source.line('listening')).address}`
    const relay = start('receive', '--out', out, '--node', nodeId(2), '--parents', parent, ...common)
    const { address } = await relay.line('listening')
    const sinks = Array.from({ length: CHILDREN }, (_, i) =>
      start('sink', '--parent', address, '--node', nodeId(3 + i)),
    )
    for (const sink of sinks) await sink.line('attached')
    source.process.stdin.write('go\n')
    await relay.line('complete')
    const done = await Promise.all(sinks.map((sink) => sink.line('complete')))
    const [relayEnd, sourceEnd] = [await relay.end(), await source.end()]
    if (done.some((sink) => sink.bytesHave !== sizeBytes)) throw new Error('a sink has not had everything')
    const sum = (of: readonly number[]): number => of.reduce((all, seconds) => all + seconds, 0)
    return {
      relayCpuS: relayEnd.cpuSeconds,
      feedCpuS: sourceEnd.cpuSeconds,
      sinkCpuS: sum(done.map((sink) => sink.cpuSeconds)),
      totalCpuS: sum([relayEnd, sourceEnd, ...done].map((line) => line.cpuTotal)),
      seconds: Math.max(...done.map((sink) => sink.seconds)),
      duplicateChunks: relayEnd.duplicateChunks,
    }
  } finally {
    for (const { process } of ends) process.kill('SIGKILL')
  }
}

interface IperfFigure {
  readonly sendCpuS: number
  readonly receiveCpuS: number
  readonly seconds: number
}

interface IperfReport {
  readonly end: {
    readonly cpu_utilization_percent: { readonly host_total: number; readonly remote_total: number }
    readonly sum_received: { readonly seconds: number }
  }
}

const iperfOnce = async (): Promise<IperfFigure> => {
  const server = spawn('iperf3', ['--server', '--one-off', '--bind', '127.0.0.1', '--port', '5299', '--forceflush'])
  try {
    for await (const text of server.stdout) if (String(text).includes('listening')) break
    const what = ['--client', '127.0.0.1', '--port', '5299', '--bytes', String(sizeBytes), '--length', '256K']
    const report: IperfReport = JSON.parse(
      execFileSync('iperf3', [...what, '--congestion', 'cubic', '--json'], { encoding: 'utf8' }),
    )
    const { cpu_utilization_percent: used, sum_received: received } = report.end
    const seconds = received.seconds
    return { sendCpuS: (used.host_total * seconds) / 100, receiveCpuS: (used.remote_total * seconds) / 100, seconds }
  } finally {
    server.kill('SIGKILL')
  }
}

const fillFile = async (path: string): Promise<void> => {
  const step = 2 ** 20
  const blocks = function* (): Generator<Buffer> {
    for (let written = 0; written < sizeBytes; written += step) yield randomBytes(Math.min(step, sizeBytes - written))
  }
  await pipeline(Readable.from(blocks()), createWriteStream(path))
}

const perGib = (of: readonly number[]): { medianS: number; minS: number; maxS: number } => {
  const scaled = of.map((seconds) => seconds / sizeGib)
  const round = (n: number): number => Number(n.toFixed(3))
  return { medianS: round(median(scaled)), minS: round(Math.min(...scaled)), maxS: round(Math.max(...scaled)) }
}

execFileSync('cargo', ['build', '--release', '--quiet', '--package', 'relay', '--example', 'spread_file'], {
  cwd: native,
  stdio: 'inherit',
})

interface Case {
  readonly feed: Feed
  /** Kind of the file system that it stores on. */
  readonly store: string
  readonly directory: string
  readonly figures: Figure[]
}

const kindOf = (directory: string): string =>
  execFileSync('df', ['--output=fstype', directory], { encoding: 'utf8' }).trim().split('\n').at(-1) ?? 'unknown'

const content = mkdtempSync(`${values.dir}/relay-`)
const stores = (values.store?.split(',') ?? [values.dir, tmpdir()]).map((parent) => mkdtempSync(`${parent}/relay-`))
const feeds: readonly Feed[] = ['feed', 'source']
const cases: readonly Case[] = feeds.flatMap((feed) =>
  stores.map((directory) => ({ feed, store: kindOf(directory), directory, figures: [] })),
)
const iperfs: IperfFigure[] = []
const rounds: { readonly otherBusyRatio: number }[] = []
const nameOf = ({ feed, store }: Case): string => `fed ${feed === 'feed' ? 'from memory' : 'by source'}, on ${store}`

/** One turn of everything; what others did meanwhile is a share of all cores. */
const takeTurns = async (name: string, keep: boolean): Promise<void> => {
  const before = machineBusy()
  let ownS = 0
  const words: string[] = []
  for (const each of cases) {
    const figure = await relayOnce(each.feed, content, each.directory)
    ownS += figure.totalCpuS
    words.push(`${nameOf(each)} ${(figure.relayCpuS / sizeGib).toFixed(3)}`)
    if (keep) each.figures.push(figure)
  }
  const iperf = await iperfOnce()
  ownS += iperf.sendCpuS + iperf.receiveCpuS
  if (keep) iperfs.push(iperf)
  const after = machineBusy()
  const otherBusyRatio = Number(((after.busyS - before.busyS - ownS) / (after.totalS - before.totalS)).toFixed(2))
  if (keep) rounds.push({ otherBusyRatio })
  const iperfCpuS = (iperf.sendCpuS + iperf.receiveCpuS) / sizeGib
  words.push(`iperf3 ${iperfCpuS.toFixed(3)} CPU-s/GiB`, `others busy ${otherBusyRatio}`)
  say(`${name.padEnd(8)} ${words.join('  ')}`)
}

try {
  await fillFile(`${content}/content.bin`)
  await takeTurns('warm-up', false)
  for (let round = 1; round <= Number(values.repetitions); round++) await takeTurns(`round ${round}`, true)
} finally {
  for (const made of [content, ...stores]) rmSync(made, { recursive: true, force: true })
}

const iperf = perGib(iperfs.map((figure) => figure.sendCpuS + figure.receiveCpuS))
const relayRows = cases.map((each) => {
  const row = perGib(each.figures.map((figure) => figure.relayCpuS))
  const rateGbps = median(each.figures.map((figure) => (sizeBytes / figure.seconds) * 1e-9))
  const timesIperf = Number((row.medianS / iperf.medianS).toFixed(2))
  return { process: `relay ${nameOf(each)}`, ...row, timesIperf, rateGbps: Number(rateGbps.toFixed(2)) }
})
const ofFeed = (feed: Feed): readonly number[] =>
  cases.filter((each) => each.feed === feed).flatMap((each) => each.figures.map((figure) => figure.feedCpuS))
const rows = [
  ...relayRows,
  { process: 'our source', ...perGib(ofFeed('source')) },
  { process: 'both sinks', ...perGib(cases.flatMap((each) => each.figures.map((figure) => figure.sinkCpuS))) },
  { process: 'iperf3, both ends', ...iperf, timesIperf: 1 },
  { process: 'iperf3, receiving end', ...perGib(iperfs.map((figure) => figure.receiveCpuS)) },
]
console.table(rows)
const fedFromMemory = relayRows.filter((_, place) => cases[place]?.feed === 'feed')
const reached = fedFromMemory.every((row) => row.medianS <= BAR_CPU_S_PER_GIB)
say(`bar of ${BAR_CPU_S_PER_GIB} CPU-s/GiB: ${reached ? 'reached' : 'missed'}`)
say(`others kept ${median(rounds.map((round) => round.otherBusyRatio))} of the machine busy`)
const parameters = { sizeBytes, chunkBytes: Number(values.chunk), children: CHILDREN, memory: 'warm' }
const kept = { parameters, bar: BAR_CPU_S_PER_GIB, reached, rows, rounds, cases, iperfs }
say(`kept in ${keepResult('relay', kept)}`)
