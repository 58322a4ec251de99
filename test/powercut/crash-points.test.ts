// Goal: an engine that is killed at any system call that makes state durable loses nothing, shows nothing half-done and
// leaves nothing over. Method: crash-points.ts, which kills it at some of these calls here, at all of them by
// `npm run crash:points`. The points are the same in every run.
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { start } from '../support/process.js'

const script = fileURLToPath(new URL('crash-points.ts', import.meta.url))

interface Sum {
  readonly points: number
  readonly lastPoint: number
  readonly faulty: number
}

const sweep = async (who: string, stride: number, offset: number): Promise<Sum & { readonly story: string }> => {
  const args = ['--who', who, '--stride', String(stride), '--offset', String(offset)]
  const { stdout, stderr } = await start(process.execPath, ['--import', 'tsx', script, ...args]).exited
  const lines = stdout.trim().split('\n')
  const told = lines.filter((line) => !line.includes('"faults":[]')).join('\n')
  return { ...(JSON.parse(lines.at(-1) ?? '{}') as Sum), story: `${told}\n${stderr}` }
}

// About 130 calls of a node and 710 of a coordinator make a job of five commands durable.
t.test('a node, killed at every 13th of its calls, brings its job to the end', { timeout: 600_000 }, async (t) => {
  const { points, faulty, lastPoint, story } = await sweep('node', 13, 3)
  t.equal(faulty, 0, story)
  t.ok(points >= 8, `${points} points were reached, the last was ${lastPoint}`)
})

t.test('a coordinator, killed at every 101st of its calls, does so too', { timeout: 600_000 }, async (t) => {
  const { points, faulty, lastPoint, story } = await sweep('coordinator', 101, 30)
  t.equal(faulty, 0, story)
  t.ok(points >= 6, `${points} points were reached, the last was ${lastPoint}`)
})
