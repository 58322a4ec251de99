// What it takes to bring content to eight receivers where no link has a limit: CPU, beside a star of rsync.
//
//   npm run bench:deliver -- [--size 512] [--receivers 8] [--repetitions 5] [--dir /dev/shm]
//
// Processes of native/crates/relay/examples/spread_file.rs in a path, as plans of known links have it: each checks and
// stores what it gets and serves the next. rsync pushes one copy to each receiver's daemon, all at once. The two take
// turns; files are written over in place, so memory is warm, and the first round is dropped. CPU is that of the whole
// machine. What a publish does beside that, to pack and to put in place, is not in it.
//
// Bars: 1.3 GiB/s delivered, all receivers together, and 1.5 CPU seconds a GiB.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { keepResult, machineBusy, median } from '../machine.js'
import { buildEnds, End, fillFile, nodeId } from './ends.js'

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: '512' },
    receivers: { type: 'string', default: '8' },
    repetitions: { type: 'string', default: '5' },
    dir: { type: 'string', default: '/dev/shm' },
  },
})

const RATE_BAR_GIB_PER_S = 1.3
const CPU_BAR_S_PER_GIB = 1.5
/** Where the daemons listen, one for all receivers. */
const RSYNC_PORT = 8732
const sizeBytes = Number(values.size) * 2 ** 20
const receivers = Array.from({ length: Number(values.receivers) }, (_, at) => at)
const deliveredGib = (sizeBytes * receivers.length) / 2 ** 30
const directory = mkdtempSync(`${values.dir}/deliver-`)
const content = `${directory}/content`
const oursOf = (at: number): string => `${directory}/ours-${at}`
const theirsOf = (at: number): string => `${directory}/theirs-${at}`

interface Figure {
  readonly gibPerS: number
  readonly cpuSPerGib: number
}

/** What the machine did while something was brought to all. */
const measured = async (bring: () => Promise<unknown>): Promise<Figure> => {
  const before = machineBusy()
  const startMs = performance.now()
  await bring()
  const seconds = (performance.now() - startMs) / 1000
  return { gibPerS: deliveredGib / seconds, cpuSPerGib: (machineBusy().busyS - before.busyS) / deliveredGib }
}

/** Each of them serves the next. */
const ours = async (): Promise<Figure> => {
  const source = new End('source', '--file', `${content}/content.bin`, '--hold', 'yes', '--node', nodeId(1))
  const ends = [source]
  try {
    let parent = `${nodeId(1)}@${(await source.line('listening')).address}`
    for (const at of receivers) {
      rmSync(`${oursOf(at)}/content.vouch`, { force: true })
      const place = ['--out', oursOf(at), '--node', nodeId(2 + at)]
      const end = new End('receive', ...place, '--parents', parent, '--parents', parent)
      ends.push(end)
      parent = `${nodeId(2 + at)}@${(await end.line('listening')).address}`
    }
    return await measured(async () => {
      source.process.stdin.write('go\n')
      await Promise.all(ends.slice(1).map((end) => end.line('complete')))
    })
  } finally {
    for (const { process } of ends) process.kill('SIGKILL')
  }
}

const theirs = async (): Promise<Figure> => {
  const config = `${directory}/rsyncd.conf`
  const modules = receivers.map((at) => `[r${at}]\npath = ${theirsOf(at)}\nread only = no\n`)
  writeFileSync(config, `use chroot = no\nuid = 0\ngid = 0\nreverse lookup = no\n${modules.join('')}`)
  const at = ['--address=127.0.0.1', `--port=${RSYNC_PORT}`, `--config=${config}`]
  const daemon = spawn('rsync', ['--daemon', '--no-detach', ...at], { stdio: 'inherit' })
  const push = async (receiver: number): Promise<void> => {
    const to = `rsync://127.0.0.1:${RSYNC_PORT}/r${receiver}/`
    const pushing = spawn('rsync', ['-a', '-I', '--inplace', '--whole-file', `${content}/`, to], { stdio: 'inherit' })
    const [code] = (await once(pushing, 'exit')) as [number | null]
    if (code !== 0) throw new Error(`rsync ended with ${code}`)
  }
  try {
    await sleep(500)
    return await measured(() => Promise.all(receivers.map(push)))
  } finally {
    daemon.kill()
  }
}

const figures: Record<'ours' | 'rsync', Figure[]> = { ours: [], rsync: [] }
const textOf = ({ gibPerS, cpuSPerGib }: Figure): string =>
  `${gibPerS.toFixed(2)} GiB/s, ${cpuSPerGib.toFixed(2)} CPU-s/GiB`
try {
  buildEnds()
  for (const made of [content, ...receivers.flatMap((at) => [oursOf(at), theirsOf(at)])]) mkdirSync(made)
  await fillFile(`${content}/content.bin`, sizeBytes)
  for (let round = 0; round <= Number(values.repetitions); round++) {
    const [own, other] = [await ours(), await theirs()]
    process.stdout.write(`${round === 0 ? 'warm-up' : `round ${round}`}: ours ${textOf(own)}; rsync ${textOf(other)}\n`)
    if (round === 0) continue
    figures.ours.push(own)
    figures.rsync.push(other)
  }
  const whole = readFileSync(`${content}/content.bin`)
  const wrong = receivers.filter((at) => !readFileSync(`${oursOf(at)}/content.bin`).equals(whole))
  if (wrong.length > 0) throw new Error(`not what was sent: receivers ${wrong.join(', ')}`)
} finally {
  rmSync(directory, { recursive: true, force: true })
}

const rows = Object.entries(figures).map(([contender, all]) => {
  const middle = (of: (figure: Figure) => number): number => Number(median(all.map(of)).toFixed(2))
  return { contender, gibPerS: middle(({ gibPerS }) => gibPerS), cpuSPerGib: middle(({ cpuSPerGib }) => cpuSPerGib) }
})
console.table(rows)
const [own] = rows
const reached = own !== undefined && own.gibPerS >= RATE_BAR_GIB_PER_S && own.cpuSPerGib <= CPU_BAR_S_PER_GIB
process.stdout.write(`bars of ${RATE_BAR_GIB_PER_S} GiB/s and ${CPU_BAR_S_PER_GIB} CPU-s/GiB: `)
process.stdout.write(`${reached ? 'reached' : 'missed'}\n`)
const parameters = { sizeBytes, receivers: receivers.length, memory: 'warm' }
process.stdout.write(`kept in ${keepResult('deliver', { parameters, reached, rows, figures })}\n`)
