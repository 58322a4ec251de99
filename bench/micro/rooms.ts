// What decisions cost: plans, messages, tables. Small sizes run with the tests so that this cannot rot.
//
//   npm run bench:micro [-- --small]
//
// Prints operations a second and the 99th percentile, and a hash of what was computed, which must not depend on
// the machine.
import { createHash } from 'node:crypto'
import { parseArgs } from 'node:util'
import { Bench, hrtimeNow } from 'tinybench'
import { printable, table } from '../../src/cli/output.js'
import { fromNode } from '../../src/control/schema/channel.js'
import type { StrategyName } from '../../src/model/plan.js'
import { startPlanning } from '../../src/plan/index.js'

const { values } = parseArgs({ options: { small: { type: 'boolean', default: false } } })
const nodeCount = values.small ? 64 : 1000

const hexId = (n: number): string => n.toString(16).padStart(32, '0')
const source = { nodeId: hexId(0), host: '10.0.0.1', port: 7500 }
const nodes = Array.from({ length: nodeCount }, (_, i) => ({
  nodeId: hexId(i + 1),
  host: `10.0.${i >> 8}.${i & 255}`,
  port: 7500,
  segment: `s${i % 8}`,
  weight: 1,
}))
const progress = JSON.stringify({
  ...{ type: 'progress', jobId: '01ARZ3NDEKTSV4RRFFQ69G5FAV', assignmentId: hexId(7) },
  ...{ bytesHave: 123_456_789, rateBps: 98_000_000, parents: [hexId(1), hexId(2)] },
})
const rows = nodes.map((node) => [node.nodeId, node.segment, `${node.host}:${node.port}`])

const tasks: Readonly<Record<string, () => unknown>> = {
  ...Object.fromEntries(
    (['star', 'chain', 'tree', 'braid'] satisfies StrategyName[]).map((strategy) => [
      `plan ${strategy} for ${nodeCount} nodes`,
      () => {
        const planning = startPlanning({ source, nodes, strategy, seed: 1 })
        return nodes.map(({ nodeId }) => planning.partOf(nodeId))
      },
    ]),
  ),
  'check a progress message': () => fromNode.parse(JSON.parse(progress)),
  [`table of ${nodeCount} nodes`]: () => table(['NODE', 'SEGMENT', 'ADDRESS'], rows, 120),
  'make a name printable': () => printable('section-1/page\u001b[2J-24.html'),
}

const bench = new Bench({ now: hrtimeNow, time: values.small ? 20 : 500, warmupTime: values.small ? 5 : 100 })
const digest = createHash('sha256')
for (const [name, run] of Object.entries(tasks)) {
  digest.update(JSON.stringify(run()))
  bench.add(name, run)
}
await bench.run()
console.table(
  bench.tasks.map(({ name, result }) => {
    if (result.state !== 'completed') return { name, state: result.state }
    const { throughput, latency } = result
    return {
      name,
      'ops/s': Math.round(throughput.mean),
      'median µs': (latency.p50 * 1000).toFixed(1),
      'p99 µs': (latency.p99 * 1000).toFixed(1),
    }
  }),
)
process.stdout.write(`result ${digest.digest('hex').slice(0, 16)}\n`)
