// What one relay costs: CPU seconds per GiB for receiving, hashing, storing and serving two children on loopback.
//
//   npm run bench:relay -- [--size 1024] [--repetitions 5] [--chunk 262144] [--dir /dev/shm] [--store DIR]
//
// Four processes of native/crates/relay/examples/spread_file.rs: a source, the relay that is measured, and two sinks
// that speak the protocol and drop the bytes in the kernel. iperf3 moves as much in the same run, in turns with it: its
// two ends are what the machine asks for plain TCP at this moment, so the ratio holds where seconds do not. Memory is
// warm: files are written over, the first round is dropped. The relay stores in --dir too, or in --store, which may be on
// a disk's file system. The bar: 0.9 CPU seconds per GiB.
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs'
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
  readonly sourceCpuS: number
  readonly sinkCpuS: number
  readonly seconds: number
  readonly duplicateChunks: number
}

const nodeId = (n: number): string => n.toString(16).padStart(32, '0')

const relayOnce = async (directory: string, out: string): Promise<Figure> => {
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
    const source = start('source', ...file, '--node', nodeId(1), ...common)
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
    return {
      relayCpuS: relayEnd.cpuSeconds,
      sourceCpuS: sourceEnd.cpuSeconds,
      sinkCpuS: done.reduce((sum, sink) => sum + sink.cpuSeconds, 0),
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
const directory = mkdtempSync(`${values.dir}/relay-`)
const out = mkdtempSync(`${values.store ?? values.dir}/relay-out-`)
const relays: Figure[] = []
const iperfs: IperfFigure[] = []
const busyRatios: number[] = []
try {
  await fillFile(`${directory}/content.bin`)
  for (let repetition = 0; repetition <= Number(values.repetitions); repetition++) {
    const before = machineBusy()
    const relay = await relayOnce(directory, out)
    const iperf = await iperfOnce()
    const after = machineBusy()
    // Whatever others did meanwhile, as a share of all cores.
    const ours = relay.relayCpuS + relay.sourceCpuS + relay.sinkCpuS + iperf.sendCpuS + iperf.receiveCpuS
    const busyRatio = (after.busyS - before.busyS - ours) / (after.totalS - before.totalS)
    say(
      `${repetition === 0 ? 'warm-up' : `round ${repetition}`.padEnd(7)}  relay ${(relay.relayCpuS / sizeGib).toFixed(3)}` +
        `  iperf3 ${((iperf.sendCpuS + iperf.receiveCpuS) / sizeGib).toFixed(3)} CPU-s/GiB` +
        `  ${((sizeBytes / relay.seconds) * 1e-9).toFixed(2)} GB/s  busy with other things ${busyRatio.toFixed(2)}`,
    )
    if (repetition === 0) continue
    relays.push(relay)
    iperfs.push(iperf)
    busyRatios.push(Number(busyRatio.toFixed(2)))
  }
} finally {
  for (const made of [directory, out]) rmSync(made, { recursive: true, force: true })
}
const relay = perGib(relays.map((figure) => figure.relayCpuS))
const iperf = perGib(iperfs.map((figure) => figure.sendCpuS + figure.receiveCpuS))
const rows = [
  { process: 'relay: receive, hash, store, 2 children', ...relay },
  { process: 'source of it', ...perGib(relays.map((figure) => figure.sourceCpuS)) },
  { process: 'both sinks', ...perGib(relays.map((figure) => figure.sinkCpuS)) },
  { process: 'iperf3, both ends', ...iperf },
  { process: 'iperf3, receiving end', ...perGib(iperfs.map((figure) => figure.receiveCpuS)) },
]
const timesIperf = Number((relay.medianS / iperf.medianS).toFixed(2))
console.table(rows)
say(`relay ÷ iperf3: ${timesIperf}   other things kept ${median(busyRatios)} of the machine busy`)
say(`bar ${BAR_CPU_S_PER_GIB} CPU-s/GiB: ${relay.medianS <= BAR_CPU_S_PER_GIB ? 'reached' : 'missed'}`)
const store = execFileSync('stat', ['--file-system', '--format', '%T', values.store ?? values.dir], {
  encoding: 'utf8',
})
const parameters = {
  sizeBytes,
  store: store.trim(),
  chunkBytes: Number(values.chunk),
  children: CHILDREN,
  memory: 'warm',
}
say(
  `kept in ${keepResult('relay', { parameters, bar: BAR_CPU_S_PER_GIB, timesIperf, busyRatios, rows, relays, iperfs })}`,
)
