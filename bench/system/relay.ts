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
// Files are written over, so memory is warm, and the first round is dropped. A source that sends from its page cache to
// one reader takes its turn, too, beside iperf3 that sends a file (--zerocopy).
//
// The bars were set on a machine on which both ends of plain TCP took 0.23 CPU seconds a GiB at 6.7 GB/s, and the
// sending end of a file 0.08: 0.70 and 2 GB/s for the relay, 0.12 for the source. They are kept as multiples of that.
// What others do to the machine meanwhile is told with the result.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { keepResult, machineBusy, median } from '../machine.js'
import { buildEnds, End, fillFile, nodeId } from './ends.js'

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: '1024' },
    repetitions: { type: 'string', default: '5' },
    chunk: { type: 'string', default: '262144' },
    dir: { type: 'string', default: '/dev/shm' },
    store: { type: 'string' },
  },
})

/** CPU of a relay that is fed from memory, beside both ends of iperf3; and its rate, beside theirs. */
const RELAY_BAR = 0.7 / 0.23
const RATE_BAR = 2 / 6.7
/** CPU of a source, beside iperf3's sending end of a file. */
const SOURCE_BAR = 0.12 / 0.08
const CHILDREN = 2
const sizeBytes = Number(values.size) * 2 ** 20
const sizeGib = sizeBytes / 2 ** 30

const say = (line: string): void => void process.stdout.write(`${line}\n`)

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

interface SourceFigure {
  readonly cpuS: number
  readonly totalCpuS: number
}

/** A source that sends from its page cache to one reader. */
const sourceOnce = async (directory: string): Promise<SourceFigure> => {
  const source = new End('source', '--file', `${directory}/content.bin`, '--hold', 'yes', '--node', nodeId(1))
  const ends = [source]
  try {
    const { address } = await source.line('listening')
    const sink = new End('sink', '--parent', address, '--node', nodeId(3))
    ends.push(sink)
    await sink.line('attached')
    source.process.stdin.write('go\n')
    const done = await sink.line('complete')
    if (done.bytesHave !== sizeBytes) throw new Error('a sink has not had everything')
    const { cpuSeconds: cpuS, cpuTotal } = await source.end()
    return { cpuS, totalCpuS: cpuTotal + done.cpuTotal }
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

const iperfOnce = async (...more: readonly string[]): Promise<IperfFigure> => {
  const server = spawn('iperf3', ['--server', '--one-off', '--bind', '127.0.0.1', '--port', '5299', '--forceflush'])
  try {
    for await (const text of server.stdout) if (String(text).includes('listening')) break
    const what = ['--client', '127.0.0.1', '--port', '5299', '--bytes', String(sizeBytes), '--length', '256K', ...more]
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

const perGib = (of: readonly number[]): { medianS: number; minS: number; maxS: number } => {
  const scaled = of.map((seconds) => seconds / sizeGib)
  const round = (n: number): number => Number(n.toFixed(3))
  return { medianS: round(median(scaled)), minS: round(Math.min(...scaled)), maxS: round(Math.max(...scaled)) }
}

buildEnds()

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
const sources: { readonly cpuS: number; readonly iperfCpuS: number }[] = []
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
  const source = await sourceOnce(content)
  const sendFile = await iperfOnce('--zerocopy')
  ownS += source.totalCpuS + sendFile.sendCpuS + sendFile.receiveCpuS
  if (keep) sources.push({ cpuS: source.cpuS, iperfCpuS: sendFile.sendCpuS })
  const after = machineBusy()
  const otherBusyRatio = Number(((after.busyS - before.busyS - ownS) / (after.totalS - before.totalS)).toFixed(2))
  if (keep) rounds.push({ otherBusyRatio })
  const iperfCpuS = (iperf.sendCpuS + iperf.receiveCpuS) / sizeGib
  words.push(`iperf3 ${iperfCpuS.toFixed(3)} CPU-s/GiB`, `others busy ${otherBusyRatio}`)
  say(`${name.padEnd(8)} ${words.join('  ')}`)
}

try {
  await fillFile(`${content}/content.bin`, sizeBytes)
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
const iperfRateGbps = median(iperfs.map(({ seconds }) => (sizeBytes / seconds) * 1e-9))
const source = perGib(sources.map(({ cpuS }) => cpuS))
const sendFile = perGib(sources.map(({ iperfCpuS }) => iperfCpuS))
const sourceRatio = Number((source.medianS / sendFile.medianS).toFixed(2))
const rows = [
  ...relayRows,
  { process: 'source to one reader', ...source, timesIperf: sourceRatio },
  { process: 'source to the relay', ...perGib(ofFeed('source')) },
  { process: 'both sinks', ...perGib(cases.flatMap((each) => each.figures.map((figure) => figure.sinkCpuS))) },
  { process: 'iperf3, both ends', ...iperf, timesIperf: 1, rateGbps: Number(iperfRateGbps.toFixed(2)) },
  { process: 'iperf3 --zerocopy, sending end', ...sendFile, timesIperf: 1 },
  { process: 'iperf3, receiving end', ...perGib(iperfs.map((figure) => figure.receiveCpuS)) },
]
console.table(rows)
const fedFromMemory = relayRows.filter((_, place) => cases[place]?.feed === 'feed')
const bars = [
  ...fedFromMemory.flatMap(({ process, timesIperf, rateGbps }) => [
    { what: `${process}: CPU beside iperf3's`, is: timesIperf, atMost: RELAY_BAR },
    { what: `${process}: iperf3's rate beside its`, is: iperfRateGbps / rateGbps, atMost: 1 / RATE_BAR },
  ]),
  { what: "source: CPU beside iperf3's that sends a file", is: sourceRatio, atMost: SOURCE_BAR },
]
for (const { what, is, atMost } of bars) {
  say(`${what}: ${is.toFixed(2)}, ${is <= atMost ? 'within' : 'above'} ${atMost.toFixed(2)}`)
}
const reached = bars.every(({ is, atMost }) => is <= atMost)
say(`others kept ${median(rounds.map((round) => round.otherBusyRatio))} of the machine busy`)
const parameters = { sizeBytes, chunkBytes: Number(values.chunk), children: CHILDREN, memory: 'warm' }
const kept = { parameters, bars, reached, rows, rounds, cases, iperfs, sources }
say(`kept in ${keepResult('relay', kept)}`)
