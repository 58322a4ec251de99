// Goal: whatever befalls nodes and the coordinator while content is on its way, every copy comes right in the end, what
// is on record is so, and nothing is left over. Method: the first schedules of `npm run soak`, which draws such faults.
import { tmpdir } from 'node:os'
import t from 'tap'
import { soak } from './soak.js'

t.test('six schedules of random faults end with right copies and a true record', async (t) => {
  const lines: string[] = []
  const failures = await soak({
    ...{ seed: 1, from: 1, schedules: 6, nodesMin: 2, nodesMax: 8, lanes: 1, base: tmpdir() },
    say: (line) => lines.push(line),
  })
  t.same(failures, [])
  for (const line of lines) t.comment(line)
})
