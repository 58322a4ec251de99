// npm run simulate -- --seeds 1000 [--from N] [--nodes 200] [--bug NAME]
import { parseArgs } from 'node:util'
import { bugs } from './bugs.js'
import { runSeed, type Verdict } from './simulation.js'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    nodes: { type: 'string' },
    bug: { type: 'string' },
  },
})
const nodeCount = values.nodes === undefined ? undefined : Number(values.nodes)
const bug = values.bug === undefined ? undefined : bugs[values.bug]
if (values.bug !== undefined && bug === undefined) {
  console.error(`there is no bug ${values.bug}; there are ${Object.keys(bugs).join(', ')}`)
  process.exit(2)
}

function tell({ seed, broken, story }: Verdict): void {
  console.log(`seed ${seed} is broken:`)
  for (const each of broken) console.log(`  ${each}`)
  console.log(`the last ${story.length} events:`)
  for (const each of story) console.log(`  ${each}`)
  const more = [nodeCount === undefined ? '' : ` --nodes ${nodeCount}`, bug === undefined ? '' : ` --bug ${values.bug}`]
  console.log(`again: npm run simulate -- --seeds 1 --from ${seed}${more.join('')}`)
}

const first = Number(values.from)
const startMs = performance.now()
const sum = { events: 0, jobs: 0, decisions: 0, crashes: 0, virtualMs: 0 }
let failed = 0
let slowestMs = 0
for (let seed = first; seed < first + Number(values.seeds); seed++) {
  const seedMs = performance.now()
  const verdict = await runSeed({ seed, nodeCount, ...(bug === undefined ? {} : { bug }) })
  slowestMs = Math.max(slowestMs, performance.now() - seedMs)
  for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += verdict[key]
  if (verdict.broken.length === 0) continue
  failed += 1
  tell(verdict)
  if (bug !== undefined) break
}
const seconds = (performance.now() - startMs) / 1000
const { events, jobs, decisions, crashes } = sum
const facts = `${events} events, ${jobs} sessions, ${decisions} decisions, ${crashes} crashes of the coordinator`
console.log(
  `${values.seeds} seeds from ${first}: ${failed} broken; ${facts}, ${Math.round(sum.virtualMs / 60_000)} min of`,
)
console.log(`virtual time in ${seconds.toFixed(1)} s, the slowest seed ${(slowestMs / 1000).toFixed(1)} s`)
process.exitCode = failed === 0 ? 0 : 1
