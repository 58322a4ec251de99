// npm run simulate -- [--seeds 100] [--from 1] [--nodes 200] [--bug NAME | --bugs]
//
// With a bug it stops at the first seed that finds it. `--bugs` looks for each of them in turn and prints a table:
// which seed finds it, and what of it is seen first; it ends with 1 when one is not found. Without `--seeds` a bug must
// be found by as many seeds as are known to be enough.
import { parseArgs } from 'node:util'
import { type Bug, bugs } from './bugs.js'
import { runSeed, type Verdict } from './simulation.js'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    from: { type: 'string' },
    nodes: { type: 'string' },
    bug: { type: 'string' },
    bugs: { type: 'boolean', default: false },
  },
})
const SEEDS = 100
const nodeCount = values.nodes === undefined ? undefined : Number(values.nodes)
const seedsOr = (usual: number, from = 1): readonly number[] =>
  Array.from({ length: Number(values.seeds ?? usual) }, (_, index) => Number(values.from ?? from) + index)
const secondsSince = (startMs: number): string => ((performance.now() - startMs) / 1000).toFixed(1)

function tell({ seed, broken, story }: Verdict, more: string): void {
  console.log(`seed ${seed} is broken:`)
  for (const each of broken) console.log(`  ${each}`)
  console.log(`the last ${story.length} events:`)
  for (const each of story) console.log(`  ${each}`)
  console.log(`again: npm run simulate -- --seeds 1 --from ${seed}${more}`)
}

/** The first seed that finds a bug; null: none does. */
async function find(bug: Bug): Promise<Verdict | null> {
  for (const seed of seedsOr(bug.within, bug.from)) {
    const verdict = await runSeed({ seed, nodeCount, bug })
    if (verdict.broken.length > 0) return verdict
  }
  return null
}

async function findOne(name: string): Promise<boolean> {
  const bug = bugs[name]
  if (bug === undefined) throw new Error(`there is no bug ${name}; there are ${Object.keys(bugs).join(', ')}`)
  const found = await find(bug)
  if (found !== null) tell(found, `${nodeCount === undefined ? '' : ` --nodes ${nodeCount}`} --bug ${name}`)
  return found !== null
}

async function findAll(): Promise<boolean> {
  let missed = 0
  for (const [name, bug] of Object.entries(bugs)) {
    const startMs = performance.now()
    const found = await find(bug)
    if (found === null) missed += 1
    const seeds = seedsOr(bug.within, bug.from)
    const seen = found === null ? `not by ${seeds.length} seeds from ${seeds[0]}` : `seed ${found.seed}`
    console.log(
      `${name.padEnd(22)} ${seen.padEnd(10)} ${secondsSince(startMs).padStart(6)} s  ${found?.broken[0] ?? ''}`,
    )
  }
  return missed === 0
}

async function sweep(): Promise<boolean> {
  const startMs = performance.now()
  const sum = { events: 0, jobs: 0, decisions: 0, canaries: 0, crashes: 0, virtualMs: 0 }
  const seeds = seedsOr(SEEDS)
  let failed = 0
  let slowestMs = 0
  for (const seed of seeds) {
    const seedMs = performance.now()
    const verdict = await runSeed({ seed, nodeCount })
    slowestMs = Math.max(slowestMs, performance.now() - seedMs)
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += verdict[key]
    if (verdict.broken.length === 0) continue
    failed += 1
    tell(verdict, nodeCount === undefined ? '' : ` --nodes ${nodeCount}`)
  }
  const { events, jobs, decisions, canaries, crashes, virtualMs } = sum
  const facts = `${events} events, ${jobs} sessions, ${decisions} decisions, ${canaries} times canaries went first`
  console.log(`${seeds.length} seeds from ${seeds[0]}: ${failed} broken; ${facts},`)
  console.log(`${crashes} crashes of the coordinator, ${Math.round(virtualMs / 60_000)} min of`)
  console.log(`virtual time in ${secondsSince(startMs)} s, the slowest seed ${(slowestMs / 1000).toFixed(1)} s`)
  return failed === 0
}

// With a planted bug it is a success that it is found, and told as every broken seed is: by 1.
const isWell = values.bug !== undefined ? !(await findOne(values.bug)) : await (values.bugs ? findAll() : sweep())
process.exitCode = isWell ? 0 : 1
