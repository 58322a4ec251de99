// Goal: the invariants of the simulation bite. Method: bugs that are planted, each to be found by the first seeds;
// `npm run simulate -- --bugs` prints which seed finds which.
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { start } from '../support/process.js'
import { bugs } from './bugs.js'

const script = fileURLToPath(new URL('run.ts', import.meta.url))

t.test('every planted bug is found', { timeout: 600_000 }, async (t) => {
  const { stdout, stderr } = await start(process.execPath, ['--import', 'tsx', script, '--bugs']).exited
  for (const [name, { what, within }] of Object.entries(bugs)) {
    t.match(stdout, new RegExp(`^${name} +seed `, 'm'), `${what}: by ${within} seeds ${stderr}`)
  }
})
