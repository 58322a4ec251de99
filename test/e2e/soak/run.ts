// Random faults, schedule after schedule, while content is on its way: nodes and the coordinator are killed, frozen,
// cut off and slowed, others join, by every strategy.
//
//   npm run soak -- [--schedules 500] [--seed 1] [--nodes 2-16] [--from 1] [--only NUMBER] [--lanes 2]
//                   [--dir /dev/shm]
//
// After each every copy must be right byte for byte, the job's record must say what is so, and nothing may be left
// over. A schedule that fails names the command that plays it again. It ends with 1 when one has failed.
import { parseArgs } from 'node:util'
import { soak } from './soak.js'

const { values } = parseArgs({
  options: {
    schedules: { type: 'string', default: '500' },
    seed: { type: 'string', default: '1' },
    nodes: { type: 'string', default: '2-16' },
    from: { type: 'string', default: '1' },
    only: { type: 'string' },
    lanes: { type: 'string', default: '2' },
    dir: { type: 'string', default: '/dev/shm' },
  },
})
const [nodesMin = 2, nodesMax = nodesMin] = values.nodes.split('-').map(Number)
const say = (line: string): void => void process.stdout.write(`${line}\n`)
const begunMs = performance.now()
const failures = await soak({
  ...{ seed: Number(values.seed), nodesMin, nodesMax, lanes: Number(values.lanes), base: values.dir, say },
  from: Number(values.only ?? values.from),
  schedules: values.only === undefined ? Number(values.schedules) : 1,
})
for (const { what } of failures) say(`FAILED ${what}`)
say(`${failures.length} failed; it took ${((performance.now() - begunMs) / 1000).toFixed(0)} s`)
process.exitCode = failures.length === 0 ? 0 : 1
