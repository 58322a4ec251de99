// How far apart the nodes of a fleet switch: from the first to the last of many, by the switch itself.
//
//   npm run bench:commit -- [--nodes 16] [--commits 9] [--rate 100mbit] [--dir /dev/shm]
//
// Real nodes in network namespaces of one machine, so with one clock. A switch is the rename of one link: its time is
// the change time that the file system gives the link then, a few milliseconds coarse; what nodes report is not asked.
import { lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { LabFleet, labDown, labUp } from '../../test/support/lab.js'
import { keepResult, machineBusy, median } from '../machine.js'

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '16' },
    commits: { type: 'string', default: '9' },
    rate: { type: 'string', default: '100mbit' },
    dir: { type: 'string', default: '/dev/shm' },
    keep: { type: 'boolean', default: true },
  },
  allowNegative: true,
})
const nodeCount = Number(values.nodes)
const SITE = 'www'

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const rounded = (ms: number): number => Math.round(ms * 10) / 10

/** When a host switched, in milliseconds since 1970. */
const switchedAtMs = (fleet: LabFleet, host: number): number =>
  Number(lstatSync(fleet.liveOf(host, SITE), { bigint: true }).ctimeNs / 1000n) / 1000

async function commitOnce(fleet: LabFleet, staging: string, text: string): Promise<number> {
  writeFileSync(`${staging}/index.html`, text)
  const outcome = await fleet.publish(staging).exited
  if (outcome.code !== 0) throw new Error(`the publish ended with ${outcome.code}: ${outcome.stderr}${fleet.story()}`)
  const times = Array.from({ length: nodeCount }, (_, index) => switchedAtMs(fleet, index + 1))
  return Math.max(...times) - Math.min(...times)
}

const directory = mkdtempSync(`${values.dir}/commit-bench-`)
const staging = `${directory}/staging`
mkdirSync(staging)
const fleet = new LabFleet(directory)
await labUp(nodeCount + 1, values.rate)
const spreadsMs: number[] = []
const before = machineBusy()
try {
  for (let host = 0; host <= nodeCount; host++) fleet.start(host)
  await fleet.nodesOnline(nodeCount)
  // The first makes the site: no node has anything to switch from.
  await commitOnce(fleet, staging, 'first')
  for (let commit = 1; commit <= Number(values.commits); commit++) {
    const spreadMs = await commitOnce(fleet, staging, `commit ${commit}`)
    spreadsMs.push(rounded(spreadMs))
    say(`commit ${commit}: ${rounded(spreadMs)} ms between the first and the last of ${nodeCount} nodes`)
  }
} finally {
  await fleet.stopAll()
  await labDown()
  rmSync(directory, { recursive: true, force: true })
}
const after = machineBusy()
const result = {
  parameters: { nodeCount, rate: values.rate, directory: values.dir },
  machineBusyRatio: Math.round(((after.busyS - before.busyS) / (after.totalS - before.totalS)) * 100) / 100,
  medianMs: rounded(median(spreadsMs)),
  maxMs: Math.max(...spreadsMs),
  spreadsMs,
}
say(JSON.stringify(result))
if (values.keep) say(`kept in ${keepResult('commit', result)}`)
