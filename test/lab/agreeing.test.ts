// Goal: what the simulator says of a braid over known links is what real nodes take, within five percent.
// Method: 16 engines in the lab at a rate that leaves the processor alone, beside the same network in virtual time.
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import t from 'tap'
import { systemClock } from '../../src/base/clock.js'
import { MIB } from '../../src/base/units.js'
import { simulate } from '../../src/bench/simulate.js'
import type { JobView, Receipt } from '../../src/model/job.js'
import { LabFleet, labDown, labUp } from '../support/lab.js'

const NODES = 16
const RATE_MBIT = 12
const SIZE_BYTES = 12 * MIB
/** What a coordinator chooses for content of this size. */
const CHUNK_BYTES = 32 * 1024

const why = process.getuid?.() === 0 ? false : 'the lab needs root'

t.test('simulator and lab agree within five percent at 16 nodes', { skip: why, timeout: 300_000 }, async (t) => {
  const network = {
    nodeCount: NODES,
    sizeBytes: SIZE_BYTES,
    chunkBytes: CHUNK_BYTES,
    rateBps: RATE_MBIT * 1_000_000,
    segmentCount: 1,
    wanRateBps: 1_000_000_000,
    wanDelayMs: 0,
    isTcp: true,
    isKnown: true,
  }
  const faults = { failing: 0, slow: 0, decaying: 0 }
  const { figures } = simulate({ network, faults, strategy: 'braid', seed: 1 }, systemClock, () => {})
  const simulated = figures.lastSeconds ?? Number.NaN

  const directory = await mkdtemp('/dev/shm/distributary-agreeing-')
  await labUp(NODES + 1, `${RATE_MBIT}mbit`)
  const fleet = new LabFleet(directory)
  t.teardown(async () => {
    await fleet.stopAll()
    await labDown()
    await rm(directory, { recursive: true, force: true })
  })
  await mkdir(`${directory}/content`)
  await writeFile(`${directory}/content/content.bin`, randomBytes(SIZE_BYTES))
  for (let host = 0; host <= NODES; host++) fleet.start(host)
  await fleet.nodesOnline(NODES)
  await fleet.engine(['probe', '--group', 'edge'])
  const outcome = await fleet.publish(`${directory}/content`, '--no-upload', '--stage-only').exited
  t.equal(outcome.code, 0, outcome.stderr)
  const { job } = JSON.parse(outcome.stdout.trim().split('\n').at(-1) ?? '') as { job: JobView & { createdAt: string } }
  const { stdout } = await fleet.engine(['receipts', job.id, '--json'])
  const { items } = JSON.parse(stdout) as { items: readonly (Receipt & { at: string })[] }
  const arrivals = items.filter(({ kind }) => kind === 'receipt').map(({ at }) => Date.parse(at))
  t.equal(arrivals.length, NODES)
  const measured = (Math.max(...arrivals) - Date.parse(job.createdAt)) / 1000
  t.ok(Math.abs(measured / simulated - 1) <= 0.05, `measured ${measured} s, simulated ${simulated} s`)
})
